# SPDX-License-Identifier: MIT
"""Names for tables, protocols and scopes, from iproute2's files. The judge is ip, with the same."""
import pytest


@pytest.fixture
def named(box):
    """A box with files of its own in place of the machine's."""
    box.sh("""
        for folder in /usr/lib/iproute2 /usr/share/iproute2 /etc/iproute2; do
            [ ! -e $folder ] || mount -t tmpfs tmpfs $folder
        done
        cd /etc/iproute2
        cat >rt_tables <<-END
			# reserved values
			100	blue # a comment
			0x65	green
			-1	negative
			102x	odd
			4294967296 large
			103
		END
        mkdir rt_tables.d
        echo 104 red >rt_tables.d/colours.conf
        echo 105 hidden >rt_tables.d/.hidden.conf
        echo 106 other >rt_tables.d/other.txt
        mkdir rt_tables.d/folder.conf; ln -s nowhere rt_tables.d/link.conf
        echo 77 mine >rt_protos
        ln -s /etc/iproute2/scopes rt_scopes; echo 66 near >scopes
    """)
    return box


def lab(**keys):
    words = ", ".join(f"{key}: {value}" for key, value in keys.items())
    return ("namespaces: {a: {interfaces: {lo: {addresses: [10.0.0.1/32]}}, "
            f"routes: [{{to: 10.1.0.0/16, dev: lo, {words}}}]}}}}\n")


@pytest.mark.parametrize("table, number", [("blue", 100), ("green", 101), ("red", 104), ("1000", 1000)])
def test_tables(named, table, number):
    file = named.write("lab.yaml", lab(table=table))
    named.nsapply(file)
    named.nsapply("--plan", file)
    route, = named.ip("a", "route", "show", "table", str(number))
    assert route["dst"] == "10.1.0.0/16"
    assert named.ip("a", "route", "show", "table", table) == [route]


def test_protocols_and_scopes(named):
    file = named.write("lab.yaml", lab(proto="mine", scope="near"))
    named.nsapply(file)
    named.nsapply("--plan", file)
    route, = named.ip("a", "-N", "route", "show", "10.1.0.0/16")
    assert (route["protocol"], route["scope"]) == ("77", "66")


@pytest.mark.parametrize("table", ["negative", "odd", "large", "103", "hidden", "other", "colours",
                                   "blu", "reserved"])
def test_what_is_no_name(named, table):
    """103 is a number, but no name; files that are none of ours, or no files, are left alone."""
    named.sh("mkfifo /etc/iproute2/rt_tables.d/fifo.conf")  # on which ip would wait for ever
    status = 0 if table == "103" else 3
    done = named.nsapply("--validate", named.write("lab.yaml", lab(table=table)), status=status)
    assert ("error:" in done.err) == (status == 3) and (not status or table in done.err)


def test_folders_of_distributions(box):
    """Where the administrator has said nothing, the distribution's files count."""
    box.sh("""
        for folder in /etc/iproute2 /usr/share; do
            [ ! -e $folder ] || mount -t tmpfs tmpfs $folder
        done
        mkdir -p /usr/share/iproute2; echo 110 late >/usr/share/iproute2/rt_tables
    """)
    file = box.write("lab.yaml", lab(table="late"))
    box.nsapply(file)
    assert box.ip("a", "route", "show", "table", "110")


def test_large_files_are_left_alone(named):
    named.sh("(echo 120 early; yes '# nothing' | head -n 30000; echo 121 late) >/etc/iproute2/rt_tables")
    for table in ["early", "late"]:
        named.nsapply("--validate", named.write("lab.yaml", lab(table=table)), status=3)
