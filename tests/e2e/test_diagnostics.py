# SPDX-License-Identifier: MIT
"""What is said about a lab that cannot be planned or applied, and where in the file."""
import fcntl
import json
import os
import re
import signal
import subprocess

import jsonschema
import pytest

from box import NSAPPLY, ROOT


def places(done):
    """The line:column of each error about a file."""
    return re.findall(r"^[^\s:]+:(\d+:\d+): error:", done.err, re.M)


# --- an error about the whole of something points at its name -----------------------------------


@pytest.mark.parametrize("text, place", [
    ("""
namespaces:
  gone:
    external: true
    forwarding: true
""", "3:3"),
    ("""
namespaces:
  taken:
    forwarding: true
""", "3:3"),
    ("""
namespaces:
  other:
    external:
      path: /etc/passwd
""", "3:3"),
    ("""
namespaces:
  other:
    external: {pid: 4194304}
""", "3:3"),
    ("""
namespaces:
  host:
    interfaces:
      nowhere:
        mtu: 1400
""", "5:7"),
    ("""
namespaces:
  host:
    interfaces:
      there:
        kind: bridge
""", "5:7"),
    ("""
namespaces:
  host:
    interfaces:
      br0: {kind: bridge}
  a: {}
links:
  - endpoints: [a:x, host:there]
""", "8:22"),
    ("""
namespaces:
  host:
    interfaces:
      br0:
        kind: bridge
        ports:
          - there
          - nowhere
""", "9:13"),
], ids=["missing namespace", "foreign namespace", "no namespace", "no process", "missing interface",
        "foreign interface", "end of a cable", "port"])
def test_place_of_the_whole(box, text, place):
    box.sh("ip netns add taken; ip link add there type bridge")
    file = box.write("whole.yaml", text)
    assert places(box.nsapply("--plan", "--color=never", file, status=1)) == [place]


# --- what a plan says ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["veth peer name wire", "bridge"])
def test_an_existing_interface_keeps_its_kind(box, kind):
    """The file does not say what kind it is, and that is no difference."""
    box.sh(f"ip link add there type {kind}")
    file = box.write("there.yaml", "namespaces: {host: {interfaces: {there: {mtu: 1400}}}}")
    assert box.nsapply("--plan", file, status=2).out.splitlines()[0] == (
        "~ link host:there: mtu 1500 -> 1400")
    change, = box.nsapply("--plan", "--format", "json", file, status=2).json()["changes"]
    assert (change["before"], change["after"]) == ({"mtu": 1500}, {"mtu": 1400})


# --- all errors of planning in one run ----------------------------------------------------------

LAB = """
namespaces:
  gone:
    external: true
    forwarding: true
    sysctl: {net.ipv4.nonsense: 1}
    interfaces:
      x: {mtu: 1400, addresses: [10.7.0.1/24], sysctl: {ipv4.rp_filter: 1}}
      moved: {from: 'host:no'}
    routes: [{to: 10.8.0.0/16, dev: x}]
  neither: {external: {path: /etc/passwd}}
  taken:
    interfaces: {y: {from: 'gone:y'}}
  host:
    sysctl: {net.ipv4.neither: 1}
    interfaces:
      absent: {mtu: 1400, addresses: [10.7.0.1/24], sysctl: {ipv4.rp_filter: 1}}
      br0: {kind: bridge, addresses: [10.4.0.1/24]}
      there: {addresses: [10.5.0.1/24]}
    routes:
      - {to: 10.6.0.0/16, via: 10.5.0.2}
      - {to: 10.9.0.0/16, dev: absent}
  a: {interfaces: {z: {from: 'host:nowhere'}}}
links:
  - [gone:end, a:end]
  - [a:two, host:wire]
"""
# gone, neither, taken, neither's sysctl, absent, br0, there's address, the route, z, wire
PLACES = ["3:3", "11:3", "12:3", "15:32", "17:7", "18:7", "19:27", "21:9", "23:30", "26:13"]


def test_all_errors_of_planning(box):
    """Each is told, and nothing that merely follows from another."""
    box.sh("""
        ip netns add taken
        ip link add br0 type bridge
        ip link add there type veth peer name wire
        ip link set there up; ip link set wire up
        ip address add 10.5.0.1/24 dev there
        ip route add 10.6.0.0/16 via 10.5.0.2
    """)
    before = box.snapshot()
    file = box.write("all.yaml", LAB)
    for args in [["--plan", file], [file]]:
        done = box.nsapply("--color=never", *args, status=1)
        assert places(done) == PLACES, done
    assert done.err.count("error:") == len(PLACES)
    box.assert_same(before)


# --- the lock -----------------------------------------------------------------------------------


HOLDER = """
import ctypes, fcntl, sys
fcntl.flock(int(sys.argv[1]), fcntl.LOCK_EX)
words = [word.encode() for word in sys.argv[2:]]
ctypes.CDLL(None).execv(b"/bin/cat", (ctypes.c_char_p * (len(words) + 1))(*words, None))
"""


@pytest.mark.parametrize("words, shown", [
    (["cat", "-"], "cat -"), (["", "-u"], "-u"), ([""], "cat"), (["a\x1b[1m\nb"], "a\\x1B[1m b")],
    ids=["named", "without a name", "empty", "odd"])
def test_who_holds_the_lock(box, words, shown):
    """Also a process with an empty command line has a name."""
    file = box.write("lab.yaml", "namespaces: {a: {}}")
    box.nsapply(file)
    lock = box.do(os.open, "/run/nsapply/.lock", os.O_RDONLY)
    child = box.spawn("python3", "-c", HOLDER, lock, *words, pass_fds=[lock],
                      stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    os.close(lock)
    child.stdin.write(b"ready\n")
    child.stdin.flush()
    assert child.stdout.readline() == b"ready\n"
    done = box.nsapply("--lock-timeout", "0", file, status=1)
    assert f'locked by "{shown}" (pid {child.pid}) (waited 0 seconds)' in done.err


def test_who_holds_the_lock_is_out_of_sight(box):
    """In a container the processes of others are not to be seen, but their locks are in the way."""
    file = box.write("lab.yaml", "namespaces: {a: {}}")
    box.nsapply(file)
    lock = box.do(os.open, "/run/nsapply/.lock", os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    done = box.run("unshare", "--pid", "--fork", "--mount-proc", NSAPPLY, "--lock-timeout", "0",
                   file, status=1)
    os.close(lock)
    assert "/run/nsapply is locked by another process (waited 0 seconds)" in done.err


# --- what only the machine can tell ----------------------------------------------------------------


@pytest.mark.parametrize("text, error", [
    ("""
namespaces:
  there: {external: true}
  again: {external: {path: /run/netns/there}}
""", "3:3: error: again and there are the same namespace"),
    ("""
namespaces:
  itself: {}
""", "3:3: error: itself and host are the same namespace"),
    ("""
namespaces:
  a: {sysctl: {net.ipv4.nonsense: 1}}
""", "3:35: error: cannot set sysctl net.ipv4.nonsense of namespace \"a\" to 1: "
         "No such file or directory"),
    ("""
namespaces:
  there: {external: true, interfaces: {x: {from: 'host:nic', mtu: 1400}}}
""", "3:40: error: there:x exists already, and so does host:nic, which is to be moved there"),
    ("""
namespaces:
  host:
    interfaces: {nic: {addresses: ['2001:db8::1/64'], state: up}}
    routes: [{to: '2001:db8:9::/48', via: 'fd99::1', src: '2001:db8::1'}]
""", "5:14: error: cannot create route 2001:db8:9::/48 via fd99::1"),
], ids=["two names", "ours", "no such value", "target is taken", "route with a source"])
def test_refused_by_the_machine(box, text, error):
    box.sh("""
        ip netns add there; ip -n there link add x type bridge
        touch /run/netns/itself; mount -n --bind /proc/self/ns/net /run/netns/itself
        ip link add nic type veth peer name wire; ip link set wire up; ip link set nic up
    """)
    before = box.snapshot()
    file = box.write("refused.yaml", text)
    done = box.nsapply("--color=never", file, status=1)
    assert f"refused.yaml:{error}" in done.err, done
    box.assert_same(before)


@pytest.mark.parametrize("asked, error", [
    ("interfaces: {x: {kind: bridge, addresses: ['fd01::1/64']}}", "3:53: error: cannot create address"),
    ("interfaces: {nic: {state: up}}, routes: [{to: 'fd02::/64', dev: nic}]",
     "3:51: error: cannot create route"),
])
def test_ipv6_is_off(box, asked, error):
    """The kernel says "Permission denied" of that. (Without the right it says that it is not permitted.)"""
    box.sh("ip link add nic type veth peer name wire; ip link set nic up; "
           "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6")
    before = box.snapshot()
    file = box.write("off.yaml", f"name: off\nnamespaces:\n  host: {{{asked}}}\n")
    done = box.nsapply("--color=never", file, status=1)
    assert f"off.yaml:{error}" in done.err, done
    assert "`sysctl: {ipv6.disable_ipv6: 0}` turns it on" in done.err and "needs root" not in done.err
    box.assert_same(before)
    text = file.read_text()
    for name in ["x: {kind: bridge, ", "nic: {"]:
        text = text.replace(name, f"{name}sysctl: {{ipv6.disable_ipv6: 0}}, ")
    file.write_text(text)
    box.nsapply(file)
    box.nsapply("--destroy", file)
    box.assert_same(before)


def test_name_of_what_is_to_be_given_back(box):
    """The file moves one no more, and puts another under its name."""
    box.sh("ip link add nic type veth peer name wire")
    before = box.snapshot()
    file = box.write("back.yaml", "namespaces: {a: {interfaces: {x: {from: 'host:nic'}}}}\n")
    box.nsapply(file)
    file.write_text("namespaces:\n  host: {interfaces: {nic: {kind: bridge}}}\n  a: {}\n")
    done = box.nsapply("--color=never", file, status=1)
    assert ("back.yaml:2:23: error: host:nic is the name of an interface that is to be given back"
            in done.err)
    assert "leave it out once" in done.err
    box.nsapply("--destroy", file)
    box.assert_same(before)


def test_from_another_host(box):
    """The names in a record mean something only where they were given."""
    box.sh("ip netns add elsewhere")
    file = box.write("lab.yaml", "namespaces: {a: {}}\n")
    box.nsapply(file)
    for args in [[file], ["--plan", file], ["--destroy", "lab"]]:
        done = box.run("ip", "netns", "exec", "elsewhere", NSAPPLY, *args, status=1)
        assert 'lab "lab" was made from another network namespace than this one' in done.err
        assert "run nsapply where it was applied" in done.err
        assert "remove the lab's folder under /run/nsapply" in done.err
    box.nsapply("--destroy", "lab")


def test_read_only_proc(box):
    """An unprivileged container: no procfs can be mounted, and the one there is cannot be written."""
    file = box.write("lab.yaml", "namespaces: {a: {}}\n")
    box.sh("mount --bind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys")
    done = box.run("unshare", "--user", "--map-root-user", "--mount", "--net", "sh", "-euc",
                   'mount -t tmpfs -o mode=755 tmpfs /run; exec "$@"', "sh", NSAPPLY, file, status=1)
    assert "in a new namespace: Read-only file system" in done.err
    assert "/proc/sys is mounted read-only here, as in an unprivileged container" in done.err


# --- what was done, for programs ----------------------------------------------------------------

VALIDATOR = jsonschema.Draft202012Validator(
    json.loads((ROOT / "schemas/plan.schema.json").read_text()))
NOTHING = {"create": 0, "change": 0, "replace": 0, "delete": 0}
CABLE = """
namespaces: {a: {}, b: {interfaces: {e: {addresses: [10.0.0.0/24]}}}}
links: [[a:e, b:e]]
"""


def result(box, *args):
    """The one object on standard output."""
    found = box.nsapply(*args, "--format", "json").json()
    VALIDATOR.validate(found)
    return found


def test_json_of_apply_and_destroy(box):
    file = box.write("lab.yaml", CABLE)
    plan = box.nsapply("--plan", "--format", "json", file, status=2).json()
    done = result(box, file)
    assert done == {**plan, "result": "applied", "verified": True}
    assert [d["message"] for d in done["diagnostics"]] == [
        "10.0.0.0 is the network address of its network"]
    done = result(box, file)
    assert (done["result"], done["changes"], done["summary"]) == ("unchanged", [], NOTHING)
    file.write_text(CABLE.replace("[a:e, b:e]", "{endpoints: [a:e, b:e], mtu: 1400}"))
    done = result(box, "--no-verify", "--quiet", file)
    assert (done["result"], done["verified"]) == ("applied", False)
    assert done["summary"] == {**NOTHING, "change": 2}
    done = result(box, "--destroy", "lab")
    assert (done["lab"], done["result"], done["verified"]) == ("lab", "destroyed", True)
    assert done["summary"]["delete"] == len(done["changes"]) > 1
    assert {c["action"] for c in done["changes"]} == {"delete"}
    done = result(box, "--destroy", file)
    assert (done["lab"], done["result"], done["summary"]) == ("lab", "unchanged", NOTHING)
    assert result(box, "--destroy")["lab"] is None


def test_json_of_what_fails(box):
    """Errors are the same object whatever was asked, and there is never a second one."""
    box.sh("ip netns add a")
    file = box.write("lab.yaml", CABLE)
    for args, status in [([file], 1), (["--plan", file], 1), (["--destroy", "nolab"], 1),
                         ([box.write("bad.yaml", "namespaces: []")], 3), (["word"], 64)]:
        found = box.nsapply(*args, "--format", "json", status=status).json()
        assert set(found) == {"version", "diagnostics", "errors", "warnings"}
        assert found["errors"] == 1


def test_json_of_what_is_interrupted(box):
    """Nothing was wrong, and still there is an object."""
    def interrupt():
        # Waits to be looked at, through execve().
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        os.kill(os.getpid(), signal.SIGTERM)

    file = box.write("lab.yaml", "namespaces: {a: {}}")
    child = box.spawn(NSAPPLY, "--format", "json", file, stdout=subprocess.PIPE,
                      preexec_fn=interrupt)
    out = child.communicate(timeout=60)[0]
    assert child.returncode == 128 + signal.SIGTERM
    assert json.loads(out) == {"version": 1, "diagnostics": [], "errors": 0, "warnings": 0}
    assert box.names() == []


# --- namespaces that live on --------------------------------------------------------------------


def stay_in(box, namespace):
    """A process that stays in a namespace."""
    child = box.inside(namespace, lambda: subprocess.Popen(["sleep", "600"]))
    box._children.append(child)
    return child.pid


def warnings(done):
    return [line for line in done.err.splitlines() if "warning:" in line]


CROWDED = """
namespaces:
  host: {interfaces: {h1: {addresses: [10.0.1.1/24]}, h2: {addresses: [10.0.2.1/24]}}}
  one: {}
  two: {interfaces: {e: {addresses: [10.0.2.2/24]}}}
  empty: {}
links: [[host:h1, one:e], [host:h2, two:e], [empty:e, two:f]]
"""


def test_who_keeps_a_namespace_alive(box):
    before = box.snapshot()
    file = box.write("lab.yaml", CROWDED)
    box.nsapply(file)
    alone, first, second = stay_in(box, "one"), stay_in(box, "two"), stay_in(box, "two")
    done = box.nsapply("--destroy", "lab")
    assert warnings(done) == [
        'nsapply: warning: namespace "one" lives on without its name, because '
        f"process {alone} (sleep) is still inside",
        'nsapply: warning: namespace "two" lives on without its name, because '
        f"process {min(first, second)} (sleep) and 1 other are still inside"]
    # Their cables to the host went all the same.
    box.assert_same(before)
    assert "e" not in [link["ifname"] for link in box.ip(first, "link", "show")]


def test_who_keeps_a_namespace_that_the_file_drops(box):
    file = box.write("lab.yaml", CROWDED)
    box.nsapply(file)
    pid = stay_in(box, "one")
    file.write_text(CROWDED.replace("  one: {}\n", "").replace("[host:h1, one:e], ", "").replace(
        "h1: {addresses: [10.0.1.1/24]}, ", ""))
    found = box.nsapply("--format", "json", file).json()
    assert [d["severity"] for d in found["diagnostics"]] == ["warning"]
    assert f"process {pid} (sleep) is still inside" in found["diagnostics"][0]["message"]
    box.nsapply("--plan", file)
    assert warnings(box.nsapply("--destroy", "lab")) == []
