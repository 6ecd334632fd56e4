# SPDX-License-Identifier: MIT
"""`processes`: started in their namespace, kept as the file says, stopped with all that they started.

What runs is judged by /proc and by what answers. PYTHON is the system's: a process gets a PATH of
its own, and none of the environment of these tests.
"""
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

import pytest
import yaml

from box import NOBODY, NSAPPLY, ROOT, has_nobody

PYTHON = "/usr/bin/python3"
needs_nobody = pytest.mark.skipif(not has_nobody(), reason="no other user here")
LAB = """
name: lab
namespaces:
  foo:
    processes:
      one: {command: [sleep, "1000"]}
"""
# Listens on a port, and sends what its standard input had to whoever comes.
SERVER = """
import socket, sys
text = sys.stdin.read().encode()
listener = socket.create_server(("", int(sys.argv[1])))
print("listening", flush=True)
while True:
    connection, _ = listener.accept()
    connection.sendall(text)
    connection.close()
"""


def wait_until(condition, what="it"):
    deadline = time.monotonic() + 20
    while not (result := condition()):
        assert time.monotonic() < deadline, f"{what} does not come"
        time.sleep(0.01)
    return result


def lab_text(processes, name="lab", netns="foo"):
    return json.dumps({"name": name, "namespaces": {netns: {"processes": processes}}})


class Processes:
    """The processes in the namespaces of a box that nsapply started, whatever it says of them."""

    def __init__(self, box):
        self.box = box

    def record(self, lab="lab"):
        """What the record has of each: by namespace and name."""
        text = self.box.do(lambda: pathlib.Path(f"/run/nsapply/{lab}/record").read_text())
        return {f"{p['namespace']}:{p['name']}": p for p in yaml.safe_load(text).get("processes", [])}

    def init(self, name, lab="lab"):
        return self.record(lab)[name]["pid"]

    def below(self, pid):
        """A process and all that come from it."""
        found, later = [pid], [pid]
        while later:
            try:
                text = pathlib.Path(f"/proc/{later[0]}/task/{later[0]}/children").read_text()
            except OSError:
                text = ""
            children = list(map(int, text.split()))
            found += children
            later = later[1:] + children
        return found

    def command(self, name, lab="lab"):
        """The pid of the command proper, once it has become one."""
        def find():
            pids = self.below(self.init(name, lab))[1:]
            return [p for p in pids if b"nsapply-process" not in read(f"/proc/{p}/cmdline")]

        return wait_until(find, name)[0]

    def log(self, name, lab="lab"):
        return self.box.do(lambda: pathlib.Path(f"/run/nsapply/{lab}/{name}.log").read_text())


def read(path):
    try:
        return pathlib.Path(path).read_bytes()
    except OSError:
        return b""


def is_alive(pid):
    return re.search(rb"^State:\s+[^ZX]", read(f"/proc/{pid}/status"), re.M) is not None


def kill(pid):
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(pid), "its end")


def pid_namespace(pid):
    return os.readlink(f"/proc/{pid}/ns/pid")


def in_pid_namespace(inode):
    """All that are in a pid namespace."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if pid_namespace(pid) == inode and is_alive(pid):
                found.append(int(pid))
        except OSError:
            pass
    return found


@pytest.fixture
def processes(box):
    yield Processes(box)
    # Whatever the test has left: the labs of this box alone.
    for lab in box.do(lambda: os.listdir("/run/nsapply") if os.path.isdir("/run/nsapply") else []):
        if not lab.startswith("."):
            box.nsapply("-q", "--destroy", lab, status=None)


# --- the demonstration ---------------------------------------------------------------------------


def test_echo_server_behind_the_crossover_lab(box, processes):
    topology = yaml.safe_load((ROOT / "topologies/crossover.yaml").read_text())
    topology["namespaces"]["bar"]["processes"] = {
        "echo": {"command": [PYTHON, "-c", SERVER, 8080], "stdin": "OK\n", "ready": {"tcp": 8080}}}
    file = box.write("crossover.yaml", json.dumps(topology))
    before = box.snapshot()
    box.nsapply(file)

    def ask():
        with socket.create_connection(("10.9.9.10", 8080), timeout=10) as connection:
            return connection.recv(100)

    assert box.do(ask) == b"OK\n"
    assert box.do(ask) == b"OK\n"
    assert box.nsapply("--plan", file).out.startswith("Nothing to do")
    box.nsapply("--destroy", "crossover")
    box.assert_same({**before, "run": before["run"]})


def test_netcat_behind_the_crossover_lab(box, processes):
    """The example of the manual, word for word, and checks that come through the lab to it."""
    text = (ROOT / "man/nsapply.yaml.5").read_text().replace("\\en", "\\n")
    example, = re.findall(r"^ +processes:\n +echo: {command: \[nc, .*}$", text, re.M)
    text = (ROOT / "topologies/crossover.yaml").read_text()
    text = text.replace("  bar:\n", f"  bar:\n{example}\n", 1) + """
  - {from: host, to: bar:eth0, protocol: tcp, port: 8080, via: [10.13.37.2]}
  - {from: foo, to: bar:eth0, protocol: tcp, port: 8080}
  - {from: host, to: bar:eth0, protocol: tcp, port: 8081, expect: unreachable}
"""
    file = box.write("crossover.yaml", text)
    assert "3 are unknown" in box.nsapply("--validate", "-v", file).err
    before = box.snapshot()
    box.nsapply(file)
    space = pid_namespace(processes.init("bar:echo", "crossover"))
    assert read(f"/proc/{processes.command('bar:echo', 'crossover')}/cmdline") == b"nc\0-lkp\0" + b"8080\0"
    # What there is on its standard input the first who comes gets.
    assert box.run("nc", "-w", "1", "10.9.9.10", "8080").out == "OK\n"
    assert "8 checks: 8 hold, 0 fail" in box.nsapply("--check", file).out
    box.nsapply("--destroy", "crossover")
    assert in_pid_namespace(space) == []
    box.assert_same(before)
    assert not box.do(lambda: os.path.exists("/run/nsapply"))


# --- what it is like inside --------------------------------------------------------------------------


SAY = r"""
import os, sys, signal, json, resource
print(json.dumps({
    "argv": sys.argv[1:], "env": dict(os.environ), "cwd": os.getcwd(), "uid": os.getresuid(),
    "gid": os.getresgid(), "groups": os.getgroups(), "pid": os.getpid(), "sid": os.getsid(0),
    "fds": sorted(int(f) for f in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + f)),
    "pids": sorted(int(p) for p in os.listdir("/proc") if p.isdigit()),
    "blocked": [int(s) for s in signal.pthread_sigmask(signal.SIG_BLOCK, [])],
    "ignored": [s for s in range(1, 32) if s not in (9, 13, 19, 25) and signal.getsignal(s) == signal.SIG_IGN],
    "files": resource.getrlimit(resource.RLIMIT_NOFILE), "umask": os.umask(0),
    "net": os.readlink("/proc/self/ns/net"), "sys": sorted(os.listdir("/sys/class/net")),
    "stdin": sys.stdin.read()}), flush=True)
signal.pause()
"""


def said(processes, name="foo:one", lab="lab"):
    return json.loads(wait_until(lambda: processes.log(name, lab).strip(), "the answer"))


def test_surroundings(box, processes):
    file = box.write("lab.yaml", lab_text({"one": {"command": [PYTHON, "-c", SAY, "a b", "*", "$HOME", ""]}}))
    # With everything that is not to get through: descriptors, signals, environment.
    box.sh(f"""
        trap '' HUP INT; exec 7<. 8</dev/null
        ulimit -Sn 777; umask 077; SECRET=1 {NSAPPLY} -q {file} 2>&1 </dev/null | cat""")
    found = said(processes)
    assert found["argv"] == ["a b", "*", "$HOME", ""]
    assert set(found["env"]) - {"LC_CTYPE"} == {"PATH", "HOME", "USER", "LOGNAME"}
    assert found["env"]["HOME"] == "/root" and found["cwd"] == "/"
    assert found["uid"] == [0] * 3 and found["stdin"] == ""
    assert found["fds"] == [0, 1, 2] and found["blocked"] == [] and found["ignored"] == []
    assert found["files"][0] == 777 and found["umask"] == 0o022
    assert found["sid"] == found["pid"] != 1  # a session of its own, and so no terminal
    assert found["pids"] == sorted([1, found["pid"]])
    assert found["sys"] == ["lo"]
    inode = box.do(lambda: os.stat("/run/netns/foo").st_ino)
    assert found["net"] == f"net:[{inode}]"
    # Neither the init nor the command holds anything of nsapply's, or of its caller's.
    for pid in processes.below(processes.init("foo:one")):
        targets = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        assert all(t == "/dev/null" or t.endswith("foo:one.log") for t in targets), targets


@needs_nobody
def test_user_env_cwd_and_stdin(box, processes):
    (box.tmp / "here").mkdir()
    os.chmod(box.tmp, 0o755)
    for folder in box.tmp.parents:
        os.chmod(folder, os.stat(folder).st_mode | 0o001)
    text = "first\nsecond: \"quoted\"\n\u00fc\t" + "x" * 60000
    file = box.write("lab.yaml", lab_text({"one": {
        "command": [PYTHON, "-c", SAY], "stdin": text, "cwd": "here", "user": f"{NOBODY}:12",
        "env": {"A": "x y", "PATH": "/nowhere", "N": 5}}}))
    box.nsapply("-q", file)
    found = said(processes)
    assert found["stdin"] == text and found["cwd"] == str(box.tmp / "here")
    assert found["uid"] == [NOBODY] * 3 and found["gid"] == [12] * 3 and found["groups"] == []
    assert found["env"]["A"] == "x y" and found["env"]["PATH"] == "/nowhere" and found["env"]["N"] == "5"
    assert box.nsapply("--plan", file).out.startswith("Nothing to do")


@needs_nobody
def test_user_by_name(box, processes):
    file = box.write("lab.yaml", lab_text({"one": {"command": [PYTHON, "-c", SAY], "user": "nobody"}}))
    box.nsapply("-q", file)
    found = said(processes)
    assert found["uid"] == [NOBODY] * 3 and found["env"]["USER"] == "nobody"
    file = box.write("lab.yaml", lab_text({"one": {"command": ["sleep", "9"], "user": "nonesuch"}}))
    assert 'there is no user "nonesuch"' in box.nsapply(file, status=1).err


@needs_nobody
def test_log(box, processes):
    file = box.write("lab.yaml", lab_text({
        "one": {"command": ["sh", "-c", "echo out; echo err >&2; echo again >>/dev/stderr; sleep 1000"],
                "user": "nobody"},
        "two": {"command": ["sh", "-c", "echo two; sleep 1000"], "log": "two.txt"}}))
    box.nsapply("-q", file)
    wait_until(lambda: "again" in processes.log("foo:one"), "the log")
    assert processes.log("foo:one") == "out\nerr\nagain\n"
    wait_until(lambda: (box.tmp / "two.txt").read_text() == "two\n", "the other log")
    path = "/run/nsapply/lab/foo:one.log"
    assert box.do(lambda: os.stat(path).st_mode) & 0o777 == 0o600
    box.nsapply("-q", "--destroy", "lab")
    assert not box.do(lambda: os.path.exists("/run/nsapply"))
    assert (box.tmp / "two.txt").read_text() == "two\n"


def test_one_that_has_ended_and_is_no_more_in_the_file(box, processes):
    """There is nothing to stop, and it is not on record either any more."""
    one = {"command": ["sleep", "1000"]}
    file = box.write("lab.yaml", lab_text({"one": one, "two": one}))
    box.nsapply("-q", file)
    before = processes.init("foo:one")
    os.kill(processes.command("foo:one"), signal.SIGKILL)
    wait_until(lambda: not is_alive(before), "its end")
    assert "foo:one: has ended" in box.nsapply("--list").out
    box.write("lab.yaml", lab_text({"two": one}))
    box.nsapply("-q", file)
    listed = box.nsapply("--list").out
    assert "foo:one" not in listed and "foo:two: runs" in listed


def test_program_that_is_not_in_its_own_path(box, processes):
    file = box.write("lab.yaml", lab_text({"one": {"command": ["sleep", "9"], "env": {"PATH": "/nowhere"}}}))
    assert "hint: it is looked for in /nowhere, unless" in box.nsapply(file, status=1).err


def test_file_that_is_a_pipe(box, processes):
    """As with `nsapply <(make-lab)`: it leads to no folder, so relative paths begin in the current one."""
    box.nsapply("-q", "/dev/stdin", input=lab_text({"one": {
        "command": ["sh", "-c", "pwd; sleep 1000"], "cwd": ".", "log": "one.txt"}}))
    wait_until(lambda: (box.tmp / "one.txt").read_text() == f"{box.tmp}\n", "the log")


def test_log_that_fills_the_run_folder(box, processes):
    """The record has the room all the same: the lab can be changed and destroyed."""
    box.sh("mount -t tmpfs -o size=256k,mode=755 tmpfs /run")
    wordy = {"command": ["sh", "-c", "trap 'yes 2>/dev/null' USR1; echo ready; while :; do sleep 0.05; done"],
             "ready": {"log": "ready"}}
    box.nsapply("-q", box.write("lab.yaml", lab_text({"one": wordy})))
    os.kill(processes.init("foo:one"), signal.SIGUSR1)
    wait_until(lambda: box.do(lambda: os.statvfs("/run").f_bavail) == 0, "the flood")
    file = box.write("lab.yaml", lab_text({"one": wordy, "two": {"command": ["sleep", "1000"]}}))
    assert "the logs of lab lab are emptied" in box.nsapply(file).err
    one = processes.init("foo:one")
    box.nsapply("--destroy", "lab")
    assert not is_alive(one) and not box.do(lambda: os.path.exists("/run/nsapply"))
    box.sh("umount -l /run")


def test_log_that_is_no_file_of_ours(box, processes):
    (box.tmp / "victim").write_text("precious\n")
    (box.tmp / "link").symlink_to(box.tmp / "victim")
    os.mkfifo(box.tmp / "fifo")
    for log in ["link", "fifo", "."]:
        file = box.write("lab.yaml", lab_text({"one": {"command": ["sleep", "9"], "log": log}}))
        done = box.nsapply(file, status=1)
        assert "cannot open the log" in done.err and "lab.yaml:1:" in done.err
        assert box.names() == []
    assert (box.tmp / "victim").read_text() == "precious\n"


# --- kept as the file says ----------------------------------------------------------------------------


def test_second_run_does_nothing(box, processes):
    file = box.write("lab.yaml", LAB)
    box.nsapply(file)
    pids = processes.below(processes.init("foo:one"))
    assert "nothing to do" in box.nsapply(file).err
    assert processes.below(processes.init("foo:one")) == pids and all(map(is_alive, pids))


@pytest.mark.parametrize("change", [
    {"command": ["sleep", "1001"]}, {"env": {"A": "1"}}, {"env": {"A": "0", "B": "1"}}, {"stdin": "x"}, {"user": "0"},
    {"cwd": "/tmp"}, {"log": "other"}], ids=lambda c: next(iter(c)))
def test_restarts_what_changed_and_nothing_else(box, processes, change):
    base = {"command": ["sleep", "1000"], "env": {"A": "0"}}
    box.nsapply("-q", box.write("lab.yaml", lab_text({"one": base, "two": base})))
    one, two = processes.init("foo:one"), processes.init("foo:two")
    file = box.write("lab.yaml", lab_text({"one": {**base, **change}, "two": base}))
    plan = box.nsapply("--plan", file, status=2).out
    assert re.search(rf"^-/\+ process foo:one: {next(iter(change))} .*\(nothing of it can change", plan, re.M)
    assert "foo:two" not in plan and "0 to create, 0 to change, 1 to replace, 0 to delete" in plan
    box.nsapply("-q", file)
    assert processes.init("foo:two") == two and is_alive(two)
    assert processes.init("foo:one") != one and not is_alive(one)
    # and back again, by the key that goes
    box.nsapply("-q", box.write("lab.yaml", lab_text({"one": base, "two": base})))
    assert "Nothing to do" in box.nsapply("--plan", file.with_name("lab.yaml")).out
    assert processes.init("foo:two") == two


def test_ready_is_no_reason_to_restart(box, processes):
    box.nsapply("-q", box.write("lab.yaml", LAB))
    file = box.write("lab.yaml", LAB.replace("]}", "], ready: {tcp: 1}}"))
    assert "Nothing to do" in box.nsapply("--plan", file).out


def test_one_that_has_ended_is_started_again(box, processes):
    file = box.write("lab.yaml", LAB)
    box.nsapply("-q", file)
    before = processes.init("foo:one")
    os.kill(processes.command("foo:one"), signal.SIGKILL)
    wait_until(lambda: not is_alive(before), "its end")
    assert box.nsapply("--plan", file, status=2).out.startswith(
        "+ process foo:one (sleep 1000) (it has ended)\n")
    listed = box.nsapply("--list")
    assert "process foo:one: has ended" in listed.out
    box.nsapply("-q", file)
    assert processes.init("foo:one") != before and is_alive(processes.init("foo:one"))


def test_removed_from_the_file(box, processes):
    box.nsapply("-q", box.write("lab.yaml", lab_text({"one": {"command": ["sleep", "9"]}})))
    pid = processes.init("foo:one")
    file = box.write("lab.yaml", lab_text({}))
    assert "- process foo:one\n" in box.nsapply("--plan", file, status=2).out
    box.nsapply("-q", file)
    assert not is_alive(pid) and processes.record() == {}


def test_in_json_and_in_lists(box, processes):
    file = box.write("lab.yaml", lab_text({"one": {"command": ["sleep", "9"], "env": {"P": "hush"}}}))
    plan = box.nsapply("--plan", "--format", "json", file, status=2)
    [change] = [c for c in plan.json()["changes"] if c["object"] == "process"]
    assert change == {"action": "create", "object": "process", "id": "foo:one", "namespace": "foo",
                      "before": None, "after": {"command": ["sleep", "9"], "env": {"P": "(secret)"}},
                      "reason": None}
    assert "hush" not in plan.out + box.nsapply("--plan", file, status=2).out
    box.nsapply("-q", file)
    pid = processes.init("foo:one")
    assert f"process foo:one: runs, pid {pid}\n" in box.nsapply("--list").out
    [lab] = box.nsapply("--list", "--format", "json").json()["labs"]
    assert lab["processes"] == [{"namespace": "foo", "name": "one", "pid": pid, "running": True}]


def test_as_a_script_they_are_not_covered(box, processes):
    file = box.write("lab.yaml", LAB)
    script = box.nsapply("--plan", "--format", "ip", file, status=2).out
    assert "processes: only nsapply starts and stops them" in script and "# to start: foo:one" in script
    box.sh(script)
    assert box.names() == ["foo"] and "sleep" not in script
    box.sh("ip netns delete foo")


def test_in_external_namespaces(box, processes):
    box.sh("ip netns add there")
    child = box.spawn("unshare", "--net", "sleep", "1000")
    wait_until(lambda: os.readlink(f"/proc/{child.pid}/ns/net") != os.readlink("/proc/self/ns/net")
               and b"sleep" in read(f"/proc/{child.pid}/cmdline"))
    command = {"one": {"command": ["sleep", "1000"]}}
    file = box.write("lab.yaml", json.dumps({"name": "lab", "namespaces": {
        "host": {"processes": command},
        "there": {"external": True, "processes": command},
        "pid": {"external": {"pid": child.pid}, "processes": command}}}))
    before = box.snapshot()
    box.nsapply("-q", file)
    at = {name: os.readlink(f"/proc/{processes.command(f'{name}:one')}/ns/net")
          for name in ["host", "there", "pid"]}
    assert at["host"] == box.do(lambda: os.readlink("/proc/thread-self/ns/net"))
    assert at["pid"] == os.readlink(f"/proc/{child.pid}/ns/net")
    assert at["there"] == "net:[%d]" % box.do(lambda: os.stat("/run/netns/there").st_ino)
    assert "Nothing to do" in box.nsapply("--plan", file).out
    inits = [processes.init(f"{name}:one") for name in at]
    # One stays in a namespace that the file does not name any more: it goes.
    file.write_text(json.dumps({"name": "lab", "namespaces": {"host": {"processes": command}}}))
    box.nsapply("-q", file)
    assert [is_alive(p) for p in inits] == [True, False, False]
    box.nsapply("-q", "--destroy", "lab")
    assert not any(map(is_alive, inits))
    box.assert_same(before)


def test_namespace_that_somebody_has_replaced(box, processes):
    file = box.write("lab.yaml", LAB)
    box.nsapply("-q", file)
    before = processes.init("foo:one")
    box.sh("ip netns delete foo")
    plan = box.nsapply("--plan", file, status=2).out
    assert "-/+ process foo:one (its namespace is another one now)" in plan, plan
    box.nsapply("-q", file)
    assert not is_alive(before)
    inode = box.do(lambda: os.stat("/run/netns/foo").st_ino)
    assert os.readlink(f"/proc/{processes.command('foo:one')}/ns/net") == f"net:[{inode}]"


def test_two_labs(box, processes):
    command = {"one": {"command": ["sleep", "1000"]}}
    for name in ["red", "blue"]:
        box.nsapply("-q", box.write(f"{name}.yaml", lab_text(command, name=name, netns="host")))
    red, blue = processes.init("host:one", "red"), processes.init("host:one", "blue")
    assert red != blue
    box.nsapply("-q", "--destroy", "red")
    assert not is_alive(red) and is_alive(blue)
    assert "Nothing to do" in box.nsapply("--plan", "blue.yaml", cwd=box.tmp).out
    box.nsapply("-q", "--destroy", "blue")
    assert not is_alive(blue)


# --- ready ------------------------------------------------------------------------------------------


def test_starts_when_the_network_is_ready(box, processes):
    """An address that is still checked for duplicates cannot be bound, and a port that only learns
    passes nothing on."""
    bind = ("import socket, time; s = socket.create_server(('fd00::1', 80), family=socket.AF_INET6);"
            "time.sleep(1000)")
    file = box.write("lab.yaml", json.dumps({
        "name": "lab",
        "namespaces": {
            "sw": {"interfaces": {"br": {"kind": "bridge", "ports": ["p", "q"], "stp": True, "forward_delay": 2}}},
            "a": {"interfaces": {"e": {"addresses": ["10.0.0.1/24", {"address": "fd00::1/64", "dad": True}]}},
                  "processes": {
                      "bind": {"command": [PYTHON, "-c", bind], "ready": {"tcp": 80}},
                      "ping": {"command": ["sh", "-c", "ping -c1 -W1 10.0.0.2 && echo there; sleep 1000"],
                               "ready": {"log": "there"}}}},
            "b": {"interfaces": {"e": {"addresses": ["10.0.0.2/24"]}}}},
        "links": [["sw:p", "a:e"], ["sw:q", "b:e"]]}))
    for _ in range(2):
        box.nsapply("--wait", "30", file)
        assert "Nothing to do" in box.nsapply("--plan", file).out
        box.nsapply("-q", "--destroy", "lab")


def test_rollback_starts_when_the_network_is_ready(box, processes):
    """The address that the old one binds has to come back first, and to be checked for duplicates."""
    def lab(address, command):
        bind = (f"import socket, time; s = socket.create_server(('{address}', 80), family=socket.AF_INET6);"
                "time.sleep(1000)")
        return json.dumps({"name": "lab", "namespaces": {
            "a": {"interfaces": {"e": {"addresses": [{"address": f"{address}/64", "dad": True}]}}, "processes": {
                "bind": {"command": [PYTHON, "-c", bind]}, "other": {"command": command}}},
            "b": {}}, "links": [["a:e", "b:e"]]})

    file = box.write("lab.yaml", lab("fd00::1", ["sleep", "1000"]))
    box.nsapply(file)
    one = processes.init("a:bind")
    file.write_text(lab("fd00::2", ["no-such-program"]))
    assert "cannot run no-such-program" in box.nsapply(file, status=1).err
    assert processes.init("a:bind") != one and not is_alive(one)
    time.sleep(0.5)  # is it to stay?
    file.write_text(lab("fd00::1", ["sleep", "1000"]))
    assert "Nothing to do" in box.nsapply("--plan", file).out


def test_rollback_waits_in_spite_of_a_duplicate_from_before(box, processes):
    """Which is none of the lab's addresses, on an interface that it names."""
    def lab(interface, seconds, **others):
        bind = ("import socket, time; s = socket.create_server(('fd00::1', 80), family=socket.AF_INET6);"
                f"time.sleep({seconds})")
        address = {"address": "fd00::1/64", "dad": True}
        return json.dumps({"name": "lab", "namespaces": {
            "host": {"interfaces": {"d0": {}}},
            "a": {"interfaces": {interface: {"addresses": [address]}}, "processes": {
                "bind": {"command": [PYTHON, "-c", bind], "ready": {"tcp": 80}}, **others}},
            "b": {}}, "links": [[f"a:{interface}", "b:e"]]})

    box.sh("""
        ip netns add far; ip link add d0 type veth peer name d1 netns far
        ip -n far address add fd09::1/64 dev d1 nodad; ip -n far link set d1 up; ip link set d0 up
        ip address add fd09::1/64 dev d0""")
    wait_until(lambda: box.ip("host", "address", "show", "dadfailed", "dev", "d0"), "the duplicate")
    file = box.write("lab.yaml", lab("e", 1000))
    box.nsapply(file)
    one = processes.init("a:bind")
    # The old one has to be started again, when its address is back.
    file.write_text(lab("f", 1001, bad={"command": ["no-such-program"]}))
    assert "cannot run no-such-program" in box.nsapply(file, status=1).err
    assert processes.init("a:bind") != one and not is_alive(one)
    time.sleep(0.5)  # is it to stay?
    file.write_text(lab("e", 1000))
    assert "Nothing to do" in box.nsapply("--plan", file).out


def test_network_that_is_not_ready_starts_none(box, processes):
    """And none is stopped for it."""
    keep, other = {"command": ["sleep", "1000"]}, {"command": ["sleep", "1001"]}
    old = box.write("old.yaml", lab_text({"one": keep}))
    box.nsapply("-q", old)
    one, before = processes.init("foo:one"), box.snapshot()
    file = box.write("lab.yaml", json.dumps({"name": "lab", "namespaces": {
        "foo": {"processes": {"one": other}},
        "sw": {"interfaces": {"br": {"kind": "bridge", "ports": ["p"], "stp": True, "forward_delay": 15}}}},
        "links": [["sw:p", "foo:e"]]}))
    done = box.nsapply("--adopt", "--wait", "0.5", file, status=1)
    assert "is not ready after 0.5 seconds" in done.err and "sw:p does not forward yet" in done.err
    assert processes.init("foo:one") == one and is_alive(one)
    box.assert_same(before)


def test_network_that_is_not_ready_stops_none(box, processes):
    """Not even where no other one is to start."""
    box.nsapply("-q", box.write("lab.yaml", LAB))
    one, before = processes.init("foo:one"), box.snapshot()
    twice = {"e": {"addresses": [{"address": "fd00::1/64", "dad": True}]}}
    file = box.write("lab.yaml", json.dumps({
        "name": "lab", "namespaces": {"foo": {"interfaces": twice}, "bar": {"interfaces": twice}},
        "links": [["foo:e", "bar:e"]]}))
    assert "another interface on its network has it" in box.nsapply(file, status=1).err
    assert processes.init("foo:one") == one and is_alive(one)
    box.assert_same(before)


def test_one_that_the_change_ends_starts_when_the_network_is_ready(box, processes):
    """It goes with its address, which the plan does not know, and cannot bind the next one at once."""
    follow = """
import socket, time
listener = socket.create_server(("fd00::1", 80), family=socket.AF_INET6)
while True:
    socket.create_server(("fd00::1", 0), family=socket.AF_INET6).close()
    time.sleep(0.0005)
"""

    def lab(interface, others):
        address = {"address": "fd00::1/64", "dad": True}
        return json.dumps({"name": "lab", "namespaces": {
            "a": {"interfaces": {interface: {"addresses": [address]}},
                  "processes": {"follow": {"command": [PYTHON, "-c", follow], "ready": {"tcp": 80}}}},
            "b": {}, **{f"n{i}": {} for i in range(others)}},
            "links": [[f"a:{interface}", "b:e"], *([f"n{i}:e", f"b:e{i}"] for i in range(others))]})

    file = box.write("lab.yaml", lab("e", 0))
    box.nsapply(file)
    one = processes.init("a:follow")
    file.write_text(lab("f", 20))  # which takes long enough for it to have ended
    box.nsapply(file)
    assert processes.init("a:follow") != one and not is_alive(one)
    assert "Nothing to do" in box.nsapply("--plan", file).out


def test_both_parts_are_told_as_one(box, processes):
    """Network and processes: the plan, the sum and the record; and once more is nothing."""
    text = json.dumps({"name": "lab", "namespaces": {
        "foo": {"interfaces": {"e": {}}, "processes": {"one": {"command": ["sleep", "1000"]}}},
        "bar": {}}, "links": [["foo:e", "bar:e"]]})
    file = box.write("lab.yaml", text)
    plan = box.nsapply("--plan", file, status=2).out
    done = box.nsapply("-v", file)
    assert plan.rpartition("Plan:")[0] in done.err and done.err.count("process foo:one") == 1
    assert "lab: applied: 4 created, 0 changed, 0 replaced, 0 deleted" in done.err
    assert "nothing to do" in box.nsapply(file).err
    # A namespace that goes, which cannot be undone, goes last.
    file.write_text(lab_text({"one": {"command": ["no-such-program"]}}))
    before, bar = box.snapshot(), box.do(lambda: os.stat("/run/netns/bar").st_ino)
    assert "cannot run no-such-program" in box.nsapply(file, status=1).err
    assert box.do(lambda: os.stat("/run/netns/bar").st_ino) == bar
    box.assert_same(before)
    file.write_text(lab_text({"one": {"command": ["sleep", "1001"]}}))
    done = box.nsapply("--format", "json", file)
    assert done.json()["summary"] == {"create": 0, "change": 0, "replace": 1, "delete": 2}, done.out
    assert box.names() == ["foo"] and "Nothing to do" in box.nsapply("--plan", file).out


def test_ready_tcp_is_listening_when_apply_returns(box, processes):
    slow = "import time; time.sleep(0.5)\n" + SERVER
    file = box.write("lab.yaml", lab_text({"one": {"command": [PYTHON, "-c", slow, "8080"],
                                                   "ready": {"tcp": 8080}}}))
    box.nsapply("-q", file)

    def ask():
        with socket.create_connection(("127.0.0.1", 8080), timeout=10):
            return True

    assert box.inside("foo", ask)


LISTEN = ("import socket, time; time.sleep(0.3); s = socket.create_server(('', 8080));"
          "print('listening', flush=True); time.sleep(1000)")
REUSE = "import socket, time; s = socket.create_server(('', 8080), reuse_port=True); time.sleep(1000)"


@pytest.mark.parametrize("who", ["stranger", "other"])
def test_ready_tcp_of_somebody_else(box, processes, who):
    """Another one that listens there, of the lab or not, says nothing of this process."""
    listens = {"command": [PYTHON, "-c", REUSE], "ready": {"tcp": 8080}}
    late = {"command": ["sleep", "1000"], "ready": {"tcp": 8080, "within": "1s"}}
    lab = {"late": late} if who == "stranger" else {"late": late, "listens": listens}
    if who == "stranger":
        stranger = box.spawn(PYTHON, "-uc", LISTEN, stdout=subprocess.PIPE)
        assert stranger.stdout.readline() == b"listening\n"
    file = box.write("lab.yaml", lab_text(lab, netns="host"))
    before = box.snapshot()
    done = box.nsapply(file, status=1)
    assert "process host:late was not ready within 1s: it is another process that listens on port 8080" in done.err
    assert "host:listens" not in done.err
    box.assert_same(before)
    # Both are, where both listen.
    file.write_text(lab_text({"late": listens, "listens": listens}, netns="foo"))
    box.nsapply(file)


def test_whose_the_port_is_is_not_asked_all_the_time(box, processes):
    """It takes a walk over all processes."""
    stranger = box.spawn(PYTHON, "-uc", LISTEN, stdout=subprocess.PIPE)
    assert stranger.stdout.readline() == b"listening\n"
    file = box.write("lab.yaml", lab_text(
        {"late": {"command": ["sleep", "1000"], "ready": {"tcp": 8080, "within": "2s"}}}, netns="host"))
    box.run("strace", "-qq", "-o", "trace", "-e", "trace=openat", NSAPPLY, file, status=1)
    walks = (box.tmp / "trace").read_text().count('"/proc", O_')
    assert 2 <= walks <= 20, walks


@pytest.mark.parametrize("command", [
    ["sh", "-c", f'{PYTHON} -c "$1" & wait', "sh", LISTEN],
    [PYTHON, "-c", f"import os; os.fork() and os._exit(0); os.setsid(); os.fork() and os._exit(0); {LISTEN}"],
    ["unshare", "--pid", "--fork", PYTHON, "-c", LISTEN],
], ids=["child", "daemon", "pid-namespace"])
def test_ready_tcp_of_its_children(box, processes, command):
    one = {"command": command, "ready": {"tcp": 8080}}
    box.nsapply("-q", box.write("lab.yaml", lab_text({"one": one})))
    assert processes.log("foo:one") == "listening\n"


@needs_nobody
def test_ready_tcp_of_another_user(box, processes):
    """Also where nsapply may not look into that user's processes, as in a container."""
    one = {"command": [PYTHON, "-c", LISTEN], "user": NOBODY, "ready": {"tcp": 8080}}
    file = box.write("lab.yaml", lab_text({"one": one}))
    for without in ["-sys_ptrace", "-sys_ptrace,-dac_override,-dac_read_search", ""]:
        prefix = ["setpriv", "--bounding-set", without, "--inh-caps", without] if without else []
        box.run(*prefix, NSAPPLY, "-q", file)
        assert "listening\n" in processes.log("foo:one")
        box.nsapply("-q", "--destroy", "lab")


def test_ready_log_counts_from_the_start(box, processes):
    command = ["sh", "-c", "sleep 0.3; echo now it is; echo ready to serve; sleep 1000"]
    file = box.write("lab.yaml", lab_text({"one": {"command": command, "ready": {"log": "is\nready"}}}))
    box.nsapply("-q", file)
    assert processes.log("foo:one") == "now it is\nready to serve\n"
    # what it has said in a life before does not count
    kill(processes.init("foo:one"))
    box.nsapply("-q", file)
    assert processes.log("foo:one") == "now it is\nready to serve\n" * 2


@pytest.mark.parametrize("command, ready, message", [
    ("echo one; echo two; sleep 1000", {"tcp": 9, "within": "1s"}, "was not ready within 1s"),
    ("echo one; echo two; sleep 1000", {"log": "three", "within": "1s"}, "was not ready within 1s"),
    ("echo one; echo two; exit 7", {"tcp": 9}, "has ended before it was ready (status 7)"),
    ("echo one; echo two; kill -9 $$", {"log": "three"}, "has ended before it was ready (status 137)"),
])
def test_not_ready(box, processes, command, ready, message):
    file = box.write("lab.yaml", lab_text({"one": {"command": ["sh", "-c", command], "ready": ready},
                                           "two": {"command": ["sleep", "1000"]}}))
    before = box.snapshot()
    done = box.nsapply(file, status=1)
    assert f"process foo:one {message}" in done.err and "lab.yaml:1:" in done.err
    assert "its log ends: one | two" in done.err
    box.assert_same(before)
    assert not box.do(lambda: os.path.exists("/run/nsapply"))


def test_ready_that_is_interrupted(box, processes):
    file = box.write("lab.yaml", lab_text({"one": {"command": ["sleep", "1000"], "ready": {"tcp": 9}}}))
    before = box.snapshot()
    child = box.spawn(NSAPPLY, "-q", file)
    pid = wait_until(lambda: processes_of(box, child.pid), "the process")[0]
    child.send_signal(signal.SIGTERM)
    assert child.wait(20) == 128 + signal.SIGTERM
    assert not is_alive(pid)
    box.assert_same(before)


@pytest.mark.parametrize("device", ["/dev/null", "/dev/zero", "/dev/full"])
def test_ready_log_of_a_device(box, processes, device):
    """What is written there cannot be read; some have something to read without an end."""
    one = {"command": ["sleep", "1000"], "log": device}
    file = box.write("lab.yaml", lab_text({"one": one | {"ready": {"log": "never"}}}))
    before = box.snapshot()
    done = box.nsapply(file, status=1)
    assert f"what process foo:one writes to {device} cannot be read there" in done.err
    assert "lab.yaml:1:" in done.err and "hint: ready: {log: ...} takes a log" in done.err
    box.assert_same(before)
    box.nsapply("-q", box.write("lab.yaml", lab_text({"one": one})))


def wordy(size):
    """Makes its log longer by so much at once, which takes no room; then it is ready."""
    return ["sh", "-c", f"truncate -s +{size} /dev/stdout; echo ready; sleep 1000"]


def test_ready_log_that_is_long(box, processes):
    """Reading it takes no longer than the process has to be ready, and not signals away either."""
    one = {"command": wordy("2T"), "log": "/run/out", "ready": {"log": "ready", "within": "500ms"}}
    file = box.write("lab.yaml", lab_text({"one": one}))
    begin = time.monotonic()
    assert "process foo:one was not ready within 500ms" in box.nsapply(file, status=1).err
    assert time.monotonic() < begin + 5
    one["ready"]["within"] = "60s"
    child = box.spawn(NSAPPLY, "-q", box.write("lab.yaml", lab_text({"one": one})))
    wait_until(lambda: processes_of(box, child.pid), "the process")
    child.send_signal(signal.SIGTERM)
    assert child.wait(5) == 128 + signal.SIGTERM


def test_ready_log_that_grew_while_another_was_waited_for(box, processes):
    ready = {"log": "ready", "within": "1s"}
    box.nsapply("-q", box.write("lab.yaml", lab_text({
        "one": {"command": ["sh", "-c", "sleep 1.5; echo ready; sleep 1000"], "ready": {"log": "ready"}},
        "two": {"command": wordy("20M"), "log": "/run/out", "ready": ready}})))


def test_ready_log_that_has_its_readers_wait(box, processes):
    """For the kernel's next message. Where there is no such file, it is another error."""
    one = {"command": ["sleep", "1000"], "log": "/proc/kmsg", "ready": {"log": "never", "within": "300ms"}}
    box.nsapply(box.write("lab.yaml", lab_text({"one": one})), status=1)


def processes_of(box, parent):
    """The inits that nsapply has made and that run their command."""
    children = read(f"/proc/{parent}/task/{parent}/children").split()
    return [int(c) for c in children if read(f"/proc/{int(c)}/task/{int(c)}/children")]


# --- failing ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("process, message, place", [
    ({"command": ["no-such-program"]}, "cannot run no-such-program: No such file or directory", "command"),
    ({"command": ["/etc/passwd"]}, "cannot run /etc/passwd: Permission denied", "command"),
    ({"command": ["sleep", "9"], "cwd": "/no/such/folder"},
     "cannot enter the folder /no/such/folder: No such file or directory", "cwd"),
    ({"command": ["sleep", "9"], "user": "nonesuch"}, 'there is no user "nonesuch"', "user"),
])
def test_cannot_start(box, processes, process, message, place):
    text = yaml.safe_dump({"name": "lab", "namespaces": {
        "foo": {"processes": {"bad": process, "good": {"command": ["sleep", "1000"]}}}}})
    file = box.write("lab.yaml", text)
    before = box.snapshot()
    done = box.nsapply(file, status=1)
    line = next(i for i, l in enumerate(text.splitlines(), 1) if f"{place}:" in l)
    assert message in done.err and "process foo:bad" in done.err
    assert re.search(rf"lab\.yaml:({line}|{line + 1}):", done.err), done.err
    box.assert_same(before)


def test_one_that_does_not_stay(box, processes):
    file = box.write("lab.yaml", lab_text({"one": {"command": ["sh", "-c", "echo gone wrong; exit 3"]}}))
    before = box.snapshot()
    done = box.nsapply(file, status=None)
    # It may have been about to end when apply looked.
    if done.status:
        assert done.status == 1 and "process foo:one has ended already (status 3)" in done.err
        assert "its log ends: gone wrong" in done.err
        box.assert_same(before)


def test_rollback_starts_again_what_was_stopped(box, processes):
    keep = {"command": ["sleep", "1000"]}
    box.nsapply("-q", box.write("lab.yaml", lab_text({"one": keep, "two": keep, "three": keep})))
    three = processes.init("foo:three")
    file = box.write("lab.yaml", lab_text({
        "one": {"command": ["sleep", "1001"]}, "three": keep, "bad": {"command": ["no-such-program"]}}))
    box.nsapply(file, status=1)
    old = box.write("old.yaml", lab_text({"one": keep, "two": keep, "three": keep}))
    assert "Nothing to do" in box.nsapply("--plan", "--adopt", old).out
    assert processes.init("foo:three") == three
    for name in ["foo:one", "foo:two", "foo:three"]:
        assert is_alive(processes.init(name))
    pids = [processes.init(name) for name in ["foo:one", "foo:two", "foo:three"]]
    box.nsapply("-q", "--destroy", "lab")
    assert not any(map(is_alive, pids))


# --- the end ------------------------------------------------------------------------------------------


DAEMON = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(1000)
    os._exit(0)
os.wait()
"""


def test_destroy_leaves_nothing(box, processes):
    """Neither daemons of daemons, nor what does not hear SIGTERM."""
    file = box.write("lab.yaml", lab_text({
        "stays": {"command": [PYTHON, "-c", DAEMON + "time.sleep(1000)"]},
        "leaves": {"command": [PYTHON, "-c", DAEMON]}}))
    box.nsapply("-q", file)
    spaces = [pid_namespace(processes.init(f"foo:{name}")) for name in ["stays", "leaves"]]
    wait_until(lambda: [len(in_pid_namespace(s)) for s in spaces] == [3, 2], "the daemons")
    # One that has left a daemon behind is running still.
    assert "Nothing to do" in box.nsapply("--plan", file).out
    done = box.nsapply("--destroy", "lab")
    assert [in_pid_namespace(s) for s in spaces] == [[], []]
    assert "lives on" not in done.err


def test_sigterm_comes_first(box, processes):
    script = "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.05; done"
    file = box.write("lab.yaml", lab_text({"one": {"command": ["sh", "-c", script], "log": "out",
                                                   "ready": {"log": "ready"}}}))
    box.nsapply("-q", file)
    box.nsapply("-q", "--destroy", "lab")
    assert (box.tmp / "out").read_text().endswith("bye\n")


def test_destroy_where_they_are_gone_already(box, processes):
    box.nsapply("-q", box.write("lab.yaml", LAB))
    kill(processes.init("foo:one"))
    box.nsapply("--destroy", "lab")
    assert not box.do(lambda: os.path.exists("/run/nsapply"))


def test_destroy_where_the_namespace_is_gone(box, processes):
    box.nsapply("-q", box.write("lab.yaml", LAB))
    pid = processes.init("foo:one")
    box.sh("ip netns delete foo")
    box.nsapply("--destroy", "lab")
    assert not is_alive(pid)


def test_nobody_else_is_ever_signalled(box, processes):
    """A pid of the record that is another process's by now: it has another start."""
    file = box.write("lab.yaml", LAB)
    box.nsapply("-q", file)
    pid = processes.init("foo:one")
    kill(pid)
    stranger = box.spawn("sleep", "1000")
    box.sh(f"sed -i 's/pid: {pid}/pid: {stranger.pid}/' /run/nsapply/lab/record")
    assert "it has ended" in box.nsapply("--plan", file, status=2).out
    box.nsapply("-q", "--destroy", "lab")
    time.sleep(0.1)
    assert stranger.poll() is None


def test_of_another_pid_namespace(box, processes):
    """Its pid means nothing here: it is told, and left alone."""
    file = box.write("lab.yaml", lab_text({"one": {"command": ["sleep", "1000"]}}, netns="host"))
    child = box.spawn("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation",
                      "unchanged", "sh", "-euc", f"{NSAPPLY} -q {file}; echo; sleep 1000",
                      stdout=subprocess.PIPE)
    assert child.stdout.readline()
    warning = "process host:one was started in another pid namespace"
    assert warning in box.nsapply("--plan", file, status=2).err
    assert warning in box.nsapply("--destroy", "lab").err
    child.kill()
    child.wait()


def test_where_it_cannot_be_seen_whose_it_is(box, processes):
    """Then it is not taken for ended, and none is started that could not be found again."""
    def blind(*command):
        return box.run("strace", "-qq", "-o", "/dev/null", "-P", "/proc/self/ns/pid", "-e",
                       "inject=stat,newfstatat:error=ENOMEM", NSAPPLY, "-q", *command, status=1).err

    file = box.write("lab.yaml", lab_text({"one": {"command": ["sleep", "1000"]}}, netns="host"))
    assert "cannot start process host:one: cannot find its pid namespace" in blind(file)
    assert all_inits(box) == []
    box.nsapply("-q", file)
    assert "cannot find process host:one" in blind("--destroy", "lab")
    assert all_inits(box) == [processes.init("host:one")]
    box.nsapply("-q", "--destroy", "lab")
    assert all_inits(box) == []


def test_signals_from_inside_do_not_reach_the_init(box, processes):
    file = box.write("lab.yaml", lab_text({"one": {"command": [
        "sh", "-c", "kill -TERM 1; kill -KILL 1; kill -HUP 1; sleep 1000"]}}))
    box.nsapply("-q", file)
    command = processes.command("foo:one")
    time.sleep(0.2)
    assert is_alive(processes.init("foo:one")) and is_alive(command)


def test_signals_from_outside_reach_the_command(box, processes):
    script = "trap 'echo reload' HUP; echo ready; while :; do sleep 0.05; done"
    file = box.write("lab.yaml", lab_text({"one": {"command": ["sh", "-c", script],
                                                   "ready": {"log": "ready"}}}))
    box.nsapply("-q", file)
    os.kill(processes.init("foo:one"), signal.SIGHUP)
    wait_until(lambda: "reload" in processes.log("foo:one"), "the signal")
    assert "Nothing to do" in box.nsapply("--plan", file).out


# --- killed ---------------------------------------------------------------------------------------------


def all_inits(box):
    """The inits of processes in this box, also those that nobody has on record."""
    mount = box.do(lambda: os.stat("/run").st_dev)
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if read(f"/proc/{pid}/cmdline").startswith(b"nsapply-process") and is_alive(pid):
            try:
                if os.stat(f"/proc/{pid}/root/run").st_dev == mount:
                    found.append(int(pid))
            except OSError:
                pass
    return found


def killed_at(box, call, number, *command):
    """Ends nsapply by SIGKILL at the Nth call of that name; False: there are not so many."""
    done = box.run("strace", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e",
                   f"inject={call}:signal=KILL:when={number}", NSAPPLY, "-q", *command, status=None)
    assert done.status in (0, 137, -9), done
    return done.status != 0


@pytest.mark.parametrize("call", ["socketpair", "clone", "sendto", "recvfrom", "renameat", "pidfd_open"])
def test_killed_at_the_start(box, processes, call):
    """What runs is on record, and what is not on record never begins: the next apply finishes, and
    destroy leaves nothing."""
    file = box.write("lab.yaml", lab_text({"one": {"command": ["sleep", "1000"]},
                                           "two": {"command": ["sleep", "1001"]}}, netns="host"))
    number = 1
    while killed_at(box, call, number, file):
        recorded = set()
        if box.do(lambda: os.path.exists("/run/nsapply/lab/record")):
            recorded = {p["pid"] for p in processes.record().values()}
        # Those that wait end by themselves, on record or not; and one that has no name yet is not seen.
        wait_until(lambda: set(all_inits(box)) <= recorded, f"the end of the others, at {number}")
        box.nsapply("-q", file)
        wait_until(lambda: len(all_inits(box)) == 2, f"the end of one that was not seen, at {number}")
        assert "Nothing to do" in box.nsapply("--plan", file).out
        box.nsapply("-q", "--destroy", "lab")
        assert all_inits(box) == [], number
        number += 1
    assert number > 1


@pytest.mark.parametrize("call", ["pidfd_send_signal", "poll", "waitid", "unlinkat"])
def test_killed_at_the_end(box, processes, call):
    file = box.write("lab.yaml", lab_text({"one": {"command": ["sleep", "1000"]}}, netns="host"))
    box.nsapply("-q", file)
    number = 1
    while killed_at(box, call, number, "--destroy", "lab"):
        box.nsapply("-q", "--destroy", file)
        assert all_inits(box) == [] and not box.do(lambda: os.path.exists("/run/nsapply")), number
        box.nsapply("-q", file)
        number += 1
    assert number > 1


def test_killed_when_it_had_told_them_to_end(box, processes):
    """They still run for a moment, but are not to be counted on."""
    slow = "trap 'sleep 1; exit' TERM; echo up; while :; do sleep 0.05; done"
    before = lab_text({"one": {"command": ["sh", "-c", slow], "ready": {"log": "up"}},
                       "two": {"command": ["sleep", "1000"]}})
    file = box.write("lab.yaml", before)
    box.nsapply("-q", file)
    pid = processes.init("foo:one")
    file.write_text(lab_text({}))
    assert killed_at(box, "pidfd_send_signal", 2, file)
    assert is_alive(pid)
    file.write_text(before)
    assert "foo:one" in box.nsapply("--plan", file, status=2).out
    box.nsapply("-q", file)
    assert processes.init("foo:one") != pid and not is_alive(pid)
    time.sleep(1.2)
    assert "Nothing to do" in box.nsapply("--plan", file).out


# --- private labs ------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["root", pytest.param("user", marks=needs_nobody)])
def test_in_a_private_lab(box, who):
    """They work there, without privilege too, and end with it."""
    os.chmod(box.tmp, 0o755)
    (box.tmp / "nsapply").write_bytes(pathlib.Path(NSAPPLY).read_bytes())
    (box.tmp / "nsapply").chmod(0o755)
    for folder in box.tmp.parents:
        os.chmod(folder, os.stat(folder).st_mode | 0o001)
    box.write("lab.yaml", json.dumps({
        "name": "lab",
        "namespaces": {
            "host": {"interfaces": {"v": {"addresses": ["10.0.0.1/24"]}}},
            "foo": {"interfaces": {"e": {"addresses": ["10.0.0.2/24"]}}, "processes": {
                "echo": {"command": [PYTHON, "-c", SERVER, 8080], "stdin": "OK", "ready": {"tcp": 8080}},
                "stays": {"command": [PYTHON, "-c", DAEMON + "time.sleep(1000)"]}}}},
        "links": [["host:v", "foo:e"]]})).chmod(0o644)
    prefix = [] if who == "root" else [
        "setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]
    ask = ("import socket, os; c = socket.create_connection(('10.0.0.2', 8080), 10); print(c.recv(9));"
           "print(os.readlink('/proc/self/ns/user'))")
    done = box.run(*prefix, box.tmp / "nsapply", "--run", "lab.yaml", "--", "sh", "-euc",
                   f"\"{PYTHON}\" -c \"$1\"; {box.tmp}/nsapply --list; readlink /proc/1/ns/pid", "sh", ask,
                   cwd=box.tmp)
    assert "b'OK'" in done.out and "process foo:echo: runs" in done.out
    wait_until(lambda: not in_pid_namespace(done.out.split()[-1]), "the end of all")
    assert not [p for p in filter(str.isdigit, os.listdir("/proc"))
                if str(box.tmp).encode() in read(f"/proc/{p}/cmdline")]


# --- hostile ------------------------------------------------------------------------------------------


def test_hostile_words(box, processes):
    word = "a'b\"c $(touch /tmp/x) `id` \\ \u00fc \u202e %s -- \x7f"
    name = "-".join(["x" * 15, "y" * 15])  # 31 bytes
    netns = "n;rm$IFS'\"&" + "z" * 188
    text = lab_text({name: {"command": [PYTHON, "-c", SAY, word, "--", "-x", "\n"],
                            "env": {"E": word + "\n"}, "stdin": word}}, netns=netns)
    file = box.write("lab.yaml", text)
    for output in [box.nsapply("--plan", file, status=2).out, box.nsapply("-v", file).err,
                   box.nsapply("--list").out]:
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", output)
    found = said(processes, f"{netns}:{name}")
    assert found["argv"] == [word, "--", "-x", "\n"] and found["env"]["E"] == word + "\n"
    assert found["stdin"] == word
    assert "Nothing to do" in box.nsapply("--plan", file).out
    box.nsapply("-q", "--destroy", "lab")


def test_limits(box):
    word = {"command": ["sleep", "1"]}
    for processes, message in [
            ({"x" * 33: word}, "is longer than 32 bytes"),
            ({"-x": word}, "does not begin with a letter"),
            ({"a:b": word}, "has a character other than"),
            ({f"p{i}": word for i in range(1001)}, "more than 1000 processes"),
            ({"p": {"command": ["x"] * 1001}}, "a command has 1 to 1000 words, not 1001"),
            ({"p": {"command": ["x" * 65536]}}, "the command is longer than 65536 bytes"),
            ({"p": {**word, "stdin": "x" * 65537}}, "stdin must be at most 65536 bytes long"),
            ({"p": {**word, "env": {f"A{i}": "" for i in range(1001)}}}, "more than 1000 variables"),
            ({"p": {**word, "env": {"A": "x" * 65536}}}, "the environment is longer than 65536 bytes")]:
        done = box.nsapply("--validate", box.write("lab.yaml", lab_text(processes)), status=3)
        assert message in done.err


def test_many_at_once(box, processes):
    """More than are started at a time."""
    many = {f"p{i}": {"command": ["sleep", "1000"]} for i in range(150)}
    file = box.write("lab.yaml", lab_text(many))
    box.nsapply("-q", file)
    assert len(all_inits(box)) == 150
    assert "Nothing to do" in box.nsapply("--plan", file).out
    box.nsapply("-q", "--destroy", "lab")
    assert all_inits(box) == []


def test_no_mode_starts_a_process(box):
    """But for --exec, --run and the file's own processes: not so many as one, only threads, which a
    lab of this size is read by."""
    lab = {"name": "lab", "namespaces": {f"n{i}": {} for i in range(220)},
           "links": [["n0:a", "n1:b"]], "checks": [{"from": "n0", "to": "n1:b"}]}
    for name, end, address in (("n0", "a", "10.0.0.1/30"), ("n1", "b", "10.0.0.2/30")):
        lab["namespaces"][name] = {"interfaces": {end: {"addresses": [address]}}}
    file = box.write("lab.yaml", json.dumps(lab))
    threads = 0
    for args in [["--validate", file], ["--plan", "--format", "ip", file], [file], [file],
                 ["--plan", file], ["--check", file], ["--list"], ["--destroy", file]]:
        box.run("strace", "-f", "-qq", "-o", "trace", "-e",
                "trace=clone,clone3,fork,vfork,execve,execveat", NSAPPLY, *args, status=None)
        trace = (box.tmp / "trace").read_text()
        calls = re.findall(r"^\d+ +(\w+)\(.*", trace, re.M)
        assert calls[0] == "execve" and set(calls[1:]) <= {"clone", "clone3"}, trace
        for call in re.findall(r"clone3?\(.*", trace):
            assert "CLONE_THREAD" in call, trace
            threads += 1
    assert threads or len(os.sched_getaffinity(0)) == 1


def test_of_no_other_lab_is_anything_asked(box):
    """Where there are no processes, nothing is asked about any."""
    file = box.write("lab.yaml", "{name: lab, namespaces: {foo: {}}}")
    for args in [[file], ["--plan", file], ["--destroy", "lab"]]:
        box.run("strace", "-f", "-qq", "-o", "trace", "-e",
                "trace=pidfd_open,clone,fork,vfork,execve,socketpair", NSAPPLY, "-q", *args)
        trace = (box.tmp / "trace").read_text()
        assert re.findall(r"^\d+ +(\w+)\(", trace, re.M) == ["execve"]
