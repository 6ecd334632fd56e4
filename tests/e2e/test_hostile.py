# SPDX-License-Identifier: MIT
"""Names that mean something to a shell or a terminal are only names, in every output."""
import json
import os
import subprocess

import pytest

from box import NSAPPLY

NAMESPACES = ["a'b", 'a"b', "$(touch${IFS}pwned)", "`touch<pwned`", ";reboot;", "a\\b", "a&b", "*",
              "~", "{x,y}", "#x", "!x", "[x]", "<x>", "x|y", "ünï", "%s%n", "a\\nb", "?"]
INTERFACES = ["a'b", 'a"b', "$(touch<pwned)", "`id>pwned`", ";id>pwned;", "a\\b", "a&b", "*", "~",
              "{x,y}", "#x", "!x", "[x]", "<x>", "x|y", "ü", "a=b", "?", "a\x1b[31mb", "a\x07b"]


def quoted(text):
    return json.dumps(text, ensure_ascii=not text.isprintable())


def lab(namespace, interface, other="b"):
    return f"""name: hostile
description: "$(touch pwned)"
namespaces:
  {quoted(namespace)}:
    interfaces:
      {quoted(interface)}: {{addresses: [10.0.0.1/24, 'fd00::1/64'], sysctl: {{ipv4.rp_filter: 2}}}}
      br: {{kind: bridge}}
    routes:
      - {{to: 10.1.0.0/16, via: 10.0.0.2, dev: {quoted(interface)}}}
  other: {{interfaces: {{{other}: {{addresses: [10.0.0.2/24]}}}}}}
links: [[{quoted(namespace + ":" + interface)}, "other:{other}"]]
"""


def check(make_box, namespace, interface):
    box = make_box()
    file = box.write("hostile.yaml", lab(namespace, interface))
    before = box.snapshot()
    outputs = [box.nsapply("--validate", file)]
    plan = box.nsapply("--plan", "--format", "json", file, status=2)
    ids = [c["id"] for c in plan.json()["changes"]]
    assert namespace in ids and any(f"{namespace}:{interface}" in i for i in ids)
    outputs += [plan, box.nsapply("--plan", "--color=never", file, status=2)]
    script = box.nsapply("--plan", "--format", "ip", file, status=2)

    scripted = make_box()
    copy = scripted.write("hostile.yaml", lab(namespace, interface))
    for shell in ["dash", "bash"]:
        scripted.run(shell, "-n", input=script.out)
    scripted.run("sh", input=script.out)
    scripted.nsapply("--plan", "--adopt", copy)

    outputs.append(box.nsapply("-v", file))
    box.nsapply("--plan", file)
    box.ping("other", "10.0.0.1")
    assert box.nsapply("--exec", namespace, "--", "echo", "in").out == "in\n"
    outputs.append(box.nsapply("--list"))
    box.write("hostile.yaml", lab("changed", "changed"))
    outputs.append(box.nsapply("--plan", "--color=never", file, status=2))
    script = box.nsapply("--plan", "--format", "ip", file, status=2)
    box.run("dash", "-n", input=script.out)
    outputs.append(box.nsapply("-v", "--destroy", "hostile"))
    for output in outputs:
        for text in [output.out, output.err]:
            assert not any(ord(c) < 32 and c not in "\n\t" for c in text), output
            assert "\x7f" not in text
    box.assert_same(before)
    for machine in [box, scripted]:
        assert not [f for f in os.listdir(machine.tmp) if "pwned" in f]


@pytest.mark.parametrize("namespace", NAMESPACES, ids=ascii)
def test_namespace(make_box, namespace):
    check(make_box, namespace, "e0")


@pytest.mark.parametrize("interface", INTERFACES, ids=ascii)
def test_interface(make_box, interface):
    check(make_box, "n", interface)


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[31mb", "a\tb", "a\x7fb", "a b\r", "../up", "a/b",
                                  ".", "..", "", "-n", "a:b", "x" * 201], ids=ascii)
def test_illegal_namespace(box, name):
    before = box.snapshot()
    file = box.write("illegal.yaml", f"name: x\nnamespaces:\n  {json.dumps(name)}: {{}}\n")
    done = box.nsapply(file, status=3)
    assert "illegal.yaml:3:" in done.err
    assert "\x1b" not in done.err and "\x7f" not in done.err and "\r" not in done.err
    assert box.snapshot() == before


@pytest.mark.parametrize("name", ["a\nb", "a b", "a\tb", "a/b", ".", "..", "", "-e", "a:b", "a%b",
                                  "all", "default", "x" * 16], ids=ascii)
def test_illegal_interface(box, name):
    file = box.write("illegal.yaml", "namespaces:\n  n:\n    interfaces:\n"
                     f"      {json.dumps(name)}: {{kind: bridge}}\n")
    done = box.nsapply(file, status=3)
    assert "illegal.yaml:4:7: error:" in done.err and "\x1b" not in done.err


@pytest.mark.parametrize("name", ["../x", "a/b", "-x", "a b", "", "x" * 65, ".hidden", "a\x1bb"],
                         ids=ascii)
def test_illegal_lab_name(box, name):
    file = box.write("illegal.yaml", f"name: {json.dumps(name)}\nnamespaces: {{a: {{}}}}\n")
    done = box.nsapply(file, status=3)
    assert "illegal.yaml:1:7: error:" in done.err and "\x1b" not in done.err


def test_escape_sequences_of_a_file_do_not_reach_the_terminal(box):
    file = box.write("esc.yaml", 'namespaces: {a: {forwarding: "\\e]0;pwned\\a"}}\n')
    done = box.nsapply("--validate", file, status=3)
    assert "\x1b" not in done.err and "\x07" not in done.err
    path = box.tmp / "\x1b[31mred.yaml"
    path.write_text("namespaces: 5\n")
    assert "\x1b" not in box.nsapply("--validate", path, status=3).err
    assert "\x1b" not in box.nsapply("--validate", "no\x1bfile.yaml", status=3).err


def test_live_names_in_a_plan(box):
    """Somebody else's interface with escape sequences in its name, to be pruned."""
    file = box.write("lab.yaml", "namespaces: {n: {}}\n")
    box.nsapply(file)
    box.run("ip", "-n", "n", "link", "add", "a\x1b[31mb", "type", "bridge")
    done = box.nsapply("--plan", "--color=never", file, status=2)
    assert "\x1b" not in done.out
    script = box.nsapply("--plan", "--format", "ip", file, status=2).out
    box.run("sh", input=script)
    assert [k["ifname"] for k in box.ip("n", "link")] == ["lo"]


def test_weird_files_are_errors(box):
    for content in [b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"", b"a: [", b"\x1b[31m", b"- - - -",
                    b"&a [*a]", b"a: &a {<<: *a}", b"%YAML 9.9\n---\n", b"? ? ?", b"{" * 100]:
        file = box.tmp / "weird.yaml"
        file.write_bytes(content)
        done = box.run(NSAPPLY, "--validate", file, status=None)
        assert done.status == (0 if content in (b"\xef\xbb\xbf", b"") and done.status == 0 else 3)
        assert "\x1b" not in done.err


# --- what stands where nsapply keeps its things ---------------------------------------------

PLACES = {
    "name of a namespace": ("mkdir -p /run/netns; ln -s /etc/passwd /run/netns/a",
                            'there is a file of namespace "a" that is no namespace'),
    "run folder": ("mkdir -m 700 /run/elsewhere; ln -s /run/elsewhere /run/nsapply",
                   "cannot open /run/nsapply: Not a directory"),
    "folder of the lab": ("mkdir -m 700 /run/elsewhere /run/nsapply; ln -s /run/elsewhere /run/nsapply/lab",
                          "cannot open /run/nsapply/lab: Not a directory"),
    "record": ("mkdir -m 700 /run/nsapply /run/nsapply/lab; ln -s /etc/passwd /run/nsapply/lab/record",
               "/run/nsapply/lab/record"),
    "lock": ("mkdir -m 700 /run/nsapply; ln -s /run/elsewhere /run/nsapply/.lock",
             "cannot open the lock of /run/nsapply"),
}


@pytest.mark.parametrize("place", PLACES)
def test_symbolic_links_are_not_followed(box, place):
    plant, message = PLACES[place]
    box.sh(plant)

    def look():  # the lock does no harm
        return box.sh("find /run /etc/passwd ! -name .lock -o -type l | xargs stat -c '%n %N %s %a %Y'"
                      " | grep -v -e '^/run ' -e '^/run/nsapply '").out

    before = look()
    file = box.write("lab.yaml", "namespaces: {a: {}}\n")
    done = box.nsapply(file, status=1)
    assert message in done.err and "hint" in done.err
    assert look() == before


def test_what_is_no_namespace_is_not_opened(box):
    """A device may do something when it is opened; of a FIFO the other end notices."""
    fifo = box.tmp / "fifo"
    os.mkfifo(fifo)
    file = box.write("lab.yaml", f"namespaces: {{a: {{external: {{path: '{fifo}'}}}}}}\n")
    writer = box.spawn("sh", "-c", f": > {fifo}")
    for verb in (["--plan"], []):
        assert "does not exist" in box.nsapply(*verb, file, status=1).err
    with pytest.raises(subprocess.TimeoutExpired):
        writer.wait(0.3)
    writer.kill()
    writer.wait()


def test_a_million_interfaces(box):
    """More nodes than a file may have: said at the first of them, with what was read so far."""
    path = box.tmp / "million.yaml"
    with open(path, "w") as f:
        f.write("namespaces:\n  a:\n    interfaces:\n")
        f.writelines(f"      e{i}: {{kind: bridge}}\n" for i in range(1000000))
    done = box.run("prlimit", "--as=268435456", NSAPPLY, "--validate", path, status=3)
    assert "more than 1000000 values" in done.err


@pytest.mark.parametrize("content", [
    b"namespaces: " + b"[" * 100000, b"namespaces: " + b"[" * 100000 + b"]" * 100000,
    b"namespaces: " + b"{a: " * 100000, b"- " * 100000], ids=["open", "closed", "mappings", "block"])
def test_nesting(box, content):
    path = box.tmp / "nested.yaml"
    path.write_bytes(content)
    done = box.run("prlimit", "--as=67108864", NSAPPLY, "--validate", path, status=3)
    assert "nested deeper than 64 levels" in done.err


@pytest.mark.parametrize("where", ["      br: {kind: bridge, ports: [&p no-interface%s]}\n",
                                   "    routes: [&p {to: 10.0.0.0/8, dev: no-interface}%s]\n"],
                         ids=["ports", "routes"])
def test_one_mistake_by_many_aliases(box, where):
    """What it is most like is looked for once, not for each alias among all interfaces."""
    path = box.tmp / "aliases.yaml"
    links = "".join(f"      interface{i:05}: {{kind: bridge}}\n" for i in range(20000))
    path.write_text("namespaces:\n  a:\n    interfaces:\n" + links + where % (", *p" * 20000))
    done = box.run("prlimit", "--cpu=30", NSAPPLY, "--validate", path, status=3)
    assert done.err.count("there is no interface 'no-interface' in namespace 'a'") == 1


def test_a_file_of_a_gibibyte(box):
    path = box.tmp / "large.yaml"
    with open(path, "w") as f:
        f.truncate(1 << 30)
    done = box.run("prlimit", "--as=67108864", NSAPPLY, "--validate", path, status=3)
    assert "larger than 64 MiB" in done.err
    # The size of what comes through a pipe is not known before.
    done = box.sh(f"yes '# a comment' | head -c 100000000 | prlimit --as=268435456 {NSAPPLY} --validate -",
                  status=3)
    assert "larger than 64 MiB" in done.err
