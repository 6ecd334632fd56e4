# SPDX-License-Identifier: MIT
"""--run: a private lab around one command, as root and as a user without any privilege."""
import contextlib
import ctypes
import os
import pathlib
import pty
import re
import select
import shutil
import signal

import struct
import subprocess
import tempfile
import time

import pytest

from box import NOBODY, NSAPPLY, ROOT, has_nobody
from topologies import FILES

WHO = ["user", "root"]
LAB = """\
name: lab
namespaces:
  host:
    interfaces: {left: {addresses: [10.0.0.1/24]}}
  far:
    interfaces: {eth0: {addresses: [10.0.0.2/24]}}
links: [[host:left, far:eth0]]
"""
KINDS = ["user", "mnt", "net", "pid"]
# Prints which namespaces it is in, on one line; `readlink` because `ls -i` would follow.
SAY_WHERE = "echo $(readlink /proc/self/ns/user /proc/self/ns/mnt /proc/self/ns/net /proc/self/ns/pid)"


@pytest.fixture(scope="module")
def place():
    """A folder that any user may enter, with nsapply and topologies in it."""
    with tempfile.TemporaryDirectory(prefix="nsapply-run-") as name:
        path = pathlib.Path(name)
        path.chmod(0o755)
        shutil.copy(NSAPPLY, path / "nsapply")
        shutil.copytree(ROOT / "topologies", path / "topologies")
        (path / "lab.yaml").write_text(LAB)
        yield path


class Runner:
    """Runs commands in a box, as root or as nobody (in no group, with no capability)."""

    def __init__(self, box, place, who):
        if who == "user" and not has_nobody():
            pytest.skip("no other user here")
        self.box, self.place, self.who = box, place, who
        self.prefix = [] if who == "root" else [
            "setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]

    def command(self, *args):
        return [*self.prefix, str(self.place / "nsapply"), *map(str, args)]

    def __call__(self, *args, **kw):
        return self.box.run(*self.command(*args), cwd=self.place, **kw)

    def run(self, *command, file="lab.yaml", **kw):
        return self("--run", file, "--", *command, **kw)

    def sh(self, script, **kw):
        return self.run("sh", "-euc", script, **kw)

    def popen(self, *args, **kw):
        """Its own process group; standard output is a pipe. Ends with the box at the latest."""
        return self.box.spawn(*self.command(*args), cwd=self.place, stdout=subprocess.PIPE,
                              stdin=subprocess.DEVNULL, text=True, process_group=0, **kw)


@pytest.fixture(params=WHO)
def runner(request, box, place):
    return Runner(box, place, request.param)


@pytest.fixture
def user(box, place):
    return Runner(box, place, "user")


def in_use(namespaces):
    """Which of these ("net:[4026531840]") a process is in, or a mount shows."""
    seen = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        for kind in KINDS:
            with contextlib.suppress(OSError):
                seen.add(os.readlink(f"/proc/{pid}/ns/{kind}"))
        with contextlib.suppress(OSError):
            seen.update(re.findall(r"\b\w+:\[\d+\]", pathlib.Path(f"/proc/{pid}/mountinfo").read_text()))
    return seen & set(namespaces)


def assert_gone(namespaces):
    deadline = time.monotonic() + 10
    while left := in_use(namespaces):
        assert time.monotonic() < deadline, f"left: {left}"
        time.sleep(0.02)


# --- what it is -----------------------------------------------------------------------------------


def test_traceroute(runner):
    done = runner.sh("ping -n -q -c 1 -w 5 10.9.9.10 >/dev/null; traceroute -n -q 1 10.9.9.10",
                     file="topologies/crossover.yaml")
    hops = re.findall(r"^ *(\d+) +([\d.]+) ", done.out, re.M)
    assert hops == [("1", "10.13.37.2"), ("2", "10.9.9.10")]
    assert done.err == ""


@pytest.mark.parametrize("file", [f for f in FILES if not re.search(r"^# (needs|pid):", f.read_text(), re.M)],
                         ids=lambda f: f.stem)
def test_topologies(user, file):
    """Each that needs nothing from outside, with its pings."""
    text = file.read_text()
    pings = re.findall(r"^# ping: (\S+) -> (\S+)$", text, re.M)
    script = f"{user.place}/nsapply --plan {user.place}/topologies/{file.name} >&2\n"
    for source, target in pings:
        inside = "" if source == "host" else f"ip netns exec {source} "
        script += f"{inside}ping -n -q -c 1 -w 5 {target} >&2; echo {source}\n"
    done = user.sh(script, file=f"topologies/{file.name}")
    assert done.out.split() == [source for source, _ in pings]


def test_everything_is_new(runner):
    """Namespaces of its own, without a trace in those of outside."""
    before = runner.box.snapshot()
    done = runner.sh(SAY_WHERE + "; ls /run/netns; ip -o link show dev left >&2; echo pid $$")
    outside = [os.readlink(f"/proc/self/ns/{kind}") for kind in KINDS]
    inside = done.out.splitlines()[0].split()
    same = {kind for kind, a, b in zip(KINDS, inside, outside) if a == b}
    assert same == ({"user"} if runner.who == "root" else set())
    assert done.out.splitlines()[1:] == ["far", "pid 2"]
    runner.box.assert_same(before)
    assert_gone(set(inside) - set(outside))


def test_uid_0_inside_is_the_caller_outside(user):
    out = user.box.do(lambda: pathlib.Path(tempfile.mkdtemp()))
    out.chmod(0o777)
    done = user.sh(f"id -u; id -g; touch {out}/file; stat -c %u {out}/file")
    assert done.out.split() == ["0", "0", "0"]
    assert (out / "file").stat().st_uid == NOBODY
    shutil.rmtree(out)


def test_environment(runner):
    done = runner.sh("echo $NSAPPLY_LAB $NSAPPLY_FILE ${NSAPPLY_RUNDIR-none}; pwd; ulimit -Sn; umask",
                     env={"NSAPPLY_RUNDIR": "/nonexistent"})
    plain = runner.box.run("sh", "-c", "ulimit -Sn; umask").out
    assert done.out == f"lab {runner.place}/lab.yaml none\n{runner.place}\n{plain}"


def test_any_umask(runner):
    """What nsapply makes has a mode of its own; the command has the caller's."""
    command = " ".join(runner.command("--run", "lab.yaml", "--", "sh", "-c", "'umask; ls /run/netns'"))
    assert runner.box.sh(f"umask 0777; {command}", cwd=runner.place).out == "0777\nfar\n"


def test_streams(runner):
    done = runner.sh("cat; echo err >&2", input="in\n")
    assert (done.out, done.err) == ("in\n", "err\n")


def test_file_from_standard_input(runner):
    assert runner.sh("ls /run/netns; echo $NSAPPLY_FILE; cat", file="-", input=LAB).out == "far\n-\n"


def test_host_starts_from_the_defaults(runner):
    done = runner.sh("ip -o link show dev lo up; cat /proc/sys/net/ipv6/conf/left/accept_dad")
    assert done.out.startswith("1: lo:") and done.out.splitlines()[1:] == ["0"]


def test_values_are_the_same_for_everybody(box, place):
    """Nothing depends on the user namespace or on the host."""
    script = "grep -rs '' /proc/sys/net/ipv4/conf /proc/sys/net/ipv6/conf | sort"
    user, root = [Runner(box, place, who).sh(script).out for who in WHO]
    assert "ipv6/conf/left/accept_dad:0" in user and user == root


def test_works_inside(runner):
    nsapply = f"{runner.place}/nsapply"
    done = runner.sh(f"""
        ip netns exec far ip -4 -br address show dev eth0
        {nsapply} --exec far -- ip -4 -br address show dev eth0
        ping -n -q -c 1 -w 5 10.0.0.2 | grep -o '1 received'
        ip netns exec far ping -n -q -c 1 -w 5 10.0.0.1 | grep -o '1 received'
        ls /sys/class/net; ip netns exec far ls /sys/class/net
        ip netns add more; ip netns delete more
        {nsapply} --list
        {nsapply} -q --destroy; ls /run/netns
        {nsapply} --run {runner.place}/lab.yaml -- ls /run/netns
        """)
    lines = [re.sub(r"@\S+", "", line).split() for line in done.out.splitlines()]
    address = ["eth0", "UP", "10.0.0.2/24"]
    assert lines[:8] == [address, address, ["1", "received"], ["1", "received"],
                         ["left"], ["lo"], ["eth0"], ["lo"]]
    assert lines[8][0] == "lab" and lines[9:] == [["far"]]


@pytest.mark.skipif(not shutil.which("tcpdump"), reason="no tcpdump")
def test_tcpdump(runner):
    done = runner.sh("""
        seen=$(mktemp)
        trap 'rm -f "$seen"' EXIT
        tcpdump -Z root -n -c 1 -i left 'icmp[icmptype] = icmp-echo' >"$seen" 2>/dev/null & dump=$!
        while kill -0 $dump 2>/dev/null; do ping -n -q -c 1 -W 1 10.0.0.2 >/dev/null; done
        wait $dump; cat "$seen"
        """)
    assert "10.0.0.1 > 10.0.0.2: ICMP echo request" in done.out


def test_pytest(runner):
    done = runner.run("/usr/bin/python3", "-m", "pytest", "-p", "no:cacheprovider", "--version")
    assert "pytest" in done.out + done.err


def test_run_folder(runner):
    """What is in /run stays, but for namespaces and labs."""
    box = runner.box
    box.sh("""mkdir -p /run/there/deep /run/netns /run/nsapply; echo text >/run/there/deep/file
        echo plain >/run/plain; ln -s there/deep/file /run/link; ln -s nowhere /run/dangling
        mkfifo /run/fifo; chmod 755 /run/there /run/there/deep
        mkdir /run/secret; chmod 700 /run/secret; touch /run/netns/old /run/nsapply/old""")
    done = runner.sh("cat /run/link /run/plain; readlink /run/dangling; test -p /run/fifo; "
                     "ls /run/netns /run/nsapply; test -d /run/secret; touch /run/new")
    assert done.out.split("\n") == ["text", "plain", "nowhere", "/run/netns:", "far", "",
                                    "/run/nsapply:", "lab", ""]
    assert not box.do(os.path.exists, "/run/new")


def test_working_directory_below_run(runner):
    runner.box.sh("mkdir -p /run/w/x; chmod -R 755 /run/w; mkdir /run/w/x/y")
    done = runner.box.run(*runner.command("--run", runner.place / "lab.yaml", "--", "ls", "../x"),
                          cwd="/run/w/x")
    assert done.out == "y\n"


def test_side_by_side(runner):
    runs = [runner.popen("--run", "lab.yaml", "--", "sh", "-ec",
                         f"{SAY_WHERE}; ping -n -q -c 1 -w 5 10.0.0.2 >&2; ls /run/netns; exit {n}",
                         stderr=subprocess.PIPE) for n in range(10)]
    networks = set()
    for n, run in enumerate(runs):
        out, err = run.communicate(timeout=60)
        assert run.returncode == n, err
        where, names = out.splitlines()
        assert names == "far"
        networks.add(where.split()[2])
    assert len(networks) == 10


# --- how it ends ---------------------------------------------------------------------------------


@pytest.mark.parametrize("command, status, text", [
    (["true"], 0, ""),
    (["sh", "-c", "exit 7"], 7, ""),
    (["sh", "-c", "kill -TERM $$"], 143, ""),
    (["sh", "-c", "kill -KILL $$"], 137, ""),
    (["sh", "-c", "kill -KILL 1 -1; exit 3"], 3, ""),
    (["/nonexistent"], 127, "cannot run /nonexistent: No such file or directory"),
    (["/etc/passwd"], 126, "cannot run /etc/passwd: Permission denied"),
], ids=lambda v: " ".join(v) if isinstance(v, list) else "")
def test_status(runner, command, status, text):
    assert text in runner.run(*command, status=status).err


def test_status_where_a_folder_of_path_may_not_be_searched(user):
    """What is nowhere is not found; what is there and no program is refused."""
    with tempfile.TemporaryDirectory(dir=user.place) as folder, \
            tempfile.TemporaryDirectory(dir=user.place) as open_one:
        os.chmod(open_one, 0o755)
        pathlib.Path(open_one, "text").write_text("no program\n")
        path = {"PATH": f"{folder}:{os.environ['PATH']}:{open_one}"}
        assert "cannot run nowhere: No such file" in user.run("nowhere", status=127, env=path).err
        assert "cannot run text: Permission denied" in user.run("text", status=126, env=path).err
        user.run("true", env=path)


@pytest.mark.parametrize("option", ["--checked", "-v", "--keep-user", "-x"])
def test_options_behind_the_file(user, option):
    """They are no command; what follows -- is."""
    done = user("--run", "lab.yaml", option, "--", "true", status=64)
    assert f"nsapply: {option}: options stand before the first argument" in done.err
    assert f"cannot run {option}: No such file" in user.run(option, status=127).err


def test_a_user_that_is_not_there(user):
    """Of processes: an ordinary user's lab has uid 0 and no other."""
    lab = f"{{name: x, namespaces: {{a: {{processes: {{p: {{command: [sleep, 9], user: {NOBODY}}}}}}}}}}}"
    done = user.run("true", file="-", input=lab, status=125)
    assert "cannot become user" in done.err and "no user but uid 0" in done.err


def test_what_takes_root_says_what_does_not(user):
    """Applying, as an ordinary user, where there is no folder of labs, and where that is root's."""
    hint = "this takes root; a private lab does not: nsapply --run FILE -- COMMAND"
    done = user("lab.yaml", status=1)
    assert "cannot make /run/nsapply: Permission denied" in done.err and hint in done.err
    user.box.sh("mkdir -m 700 /run/nsapply")
    for args in [["lab.yaml"], ["--plan", "lab.yaml"], ["--list"]]:
        done = user(*args, status=1)
        assert "cannot open /run/nsapply: Permission denied" in done.err and hint in done.err


@pytest.mark.parametrize("lab, text", [
    ("namespaces: {a: {nonsense: 1}}", "<stdin>:2:18: error:"),
    ("namespaces: {a: {external: true}}", "a"),
    ("namespaces: {a: {sysctl: {net.ipv4.nonsense: 1}}}", "nonsense"),
])
def test_a_lab_that_cannot_be(runner, lab, text):
    """The command is not run."""
    done = runner.run("echo", "ran", file="-", input=f"name: x\n{lab}\n", status=125)
    assert text in done.err and "error:" in done.err and done.out == ""


def test_no_such_file(runner):
    assert "none.yaml" in runner.run("true", file="./none.yaml", status=125).err


# What is about to be ended: a command with children that hold on to everything.
BUSY = f"""
trap 'echo got INT; exit 41' INT
trap 'echo got TERM; exit 42' TERM
trap 'echo got HUP; exit 43' HUP
ip netns exec far sleep 1000 &
setsid sleep 1000 &
{SAY_WHERE}
while :; do sleep 0.02; done
"""


def start_busy(runner, script=BUSY):
    run = runner.popen("--run", "lab.yaml", "--", "sh", "-c", script)
    where = run.stdout.readline().split()
    own = set(where) - {os.readlink(f"/proc/self/ns/{kind}") for kind in KINDS}
    assert len(own) >= 3 and in_use(own) == own
    return run, own


def children(pid):
    return list(map(int, pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def ended(run):
    out, _ = run.communicate(timeout=30)
    return run.returncode, out


@pytest.mark.parametrize("target", ["nsapply", "group", "init", "command"])
@pytest.mark.parametrize("number, status", [(signal.SIGINT, 41), (signal.SIGTERM, 42),
                                            (signal.SIGHUP, 43), (signal.SIGKILL, None)])
def test_signals(runner, target, number, status):
    run, own = start_busy(runner)
    init = children(run.pid)[0]
    command = children(init)[0]
    if target == "init" and number != signal.SIGKILL:
        os.kill(init, number)  # nothing happens
        os.kill(command, number)
    elif target == "group":
        os.killpg(run.pid, number)
    else:
        os.kill({"nsapply": run.pid, "init": init, "command": command}[target], number)
    code, out = ended(run)
    if number == signal.SIGKILL:
        assert code == (-9 if target in ("nsapply", "group") else 137)
    else:
        assert code == status and f"got {number.name[3:]}" in out
    assert_gone(own)


def test_signals_that_the_caller_ignores(runner):
    """As nohup has it: the command ignores them as well, and nsapply does not end."""
    run = runner.box.do(lambda: subprocess.Popen(
        ["sh", "-c", "trap '' HUP; exec \"$@\"", "sh", *runner.command(
            "--run", "lab.yaml", "--", "sh", "-c", "echo; read x; echo $x")],
        cwd=runner.place, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0))
    run.stdout.readline()
    os.killpg(run.pid, signal.SIGHUP)
    out, _ = run.communicate("alive\n", timeout=30)
    assert (run.returncode, out) == (0, "alive\n")


def test_no_signal_is_ignored_that_the_caller_does_not(runner):
    def ignored(status):
        return int(re.search("SigIgn:\\s*(\\w+)", status)[1], 16)

    own = ignored(pathlib.Path("/proc/self/status").read_text())
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # python's own
        own &= ~(1 << number - 1)
    assert ignored(runner.run("grep", "SigIgn", "/proc/self/status").out) == own


def test_a_command_in_a_group_of_its_own(runner):
    """No signal to the group reaches it by itself: it is passed on."""
    run, own = start_busy(runner, f"exec setsid sh -c '{BUSY.replace(chr(39), chr(34))}'")
    os.killpg(run.pid, signal.SIGTERM)
    assert ended(run) == (42, "got TERM\n")
    assert_gone(own)


def test_what_the_command_leaves_behind_ends(runner):
    run = runner.popen("--run", "lab.yaml", "--", "sh", "-c",
                       f"{SAY_WHERE}; setsid sleep 1000 & ip netns exec far sleep 1000 & exit 5")
    own = set(run.stdout.readline().split()) - {os.readlink(f"/proc/self/ns/{k}") for k in KINDS}
    assert ended(run)[0] == 5  # and the pipe is closed, which they held
    assert_gone(own)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_signal_before_the_command(runner, number):
    """While the lab is made, which waits for duplicate address detection here."""
    file = runner.box.write("slow.yaml", "namespaces: {a: {}, b: {}}\nlinks: [[a:x, b:x]]\n".replace(
        "a: {}", "a: {interfaces: {x: {addresses: [{address: 'fd00::1/64', dad: true}]}}}"))
    file.chmod(0o644)
    text = file.read_text()
    slow = runner.place / "slow.yaml"
    slow.write_text(text)
    run = runner.popen("--run", "slow.yaml", "--", "echo", "ran")
    while not children(run.pid):
        assert run.poll() is None
    init = children(run.pid)[0]
    where = {os.readlink(f"/proc/{init}/ns/{kind}") for kind in ["mnt", "net"]}
    os.kill(run.pid, number)
    code, out = ended(run)
    assert code == (-9 if number == signal.SIGKILL else 128 + number) and out == ""
    assert_gone(where)


# --- where it cannot ------------------------------------------------------------------------------


def deny(*numbers):
    """A seccomp filter that refuses these system calls with EPERM, for preexec_fn: as a container's."""
    BPF_LD, BPF_JEQ, BPF_RET = 0x20, 0x15, 0x06
    steps = [(BPF_LD, 0, 0, 0)]  # the system call's number
    for number in numbers:
        steps += [(BPF_JEQ, 0, 1, number), (BPF_RET, 0, 0, 0x50000 | 1)]
    steps.append((BPF_RET, 0, 0, 0x7fff0000))
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))

    class Program(ctypes.Structure):
        _fields_ = [("len", ctypes.c_ushort), ("steps", ctypes.c_void_p)]

    program = Program(len(steps), ctypes.addressof(code))
    libc = ctypes.CDLL(None)

    def install():
        PR_SET_SECCOMP, SECCOMP_MODE_FILTER, PR_SET_NO_NEW_PRIVS = 22, 2, 38
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        assert libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program)) == 0

    install.keep = code
    return install


UNSHARE = {"x86_64": 272, "aarch64": 97}.get(os.uname().machine)


@pytest.mark.parametrize("kind", ["user", "mnt", "net", "pid"])
def test_limit(user, kind):
    """In a user namespace of our own, whose limits are ours to set."""
    limit = f"user.max_{kind}_namespaces"
    root = "unshare --user --map-root-user --mount"
    # Without the right to do without: uid 0, but not CAP_NET_ADMIN.
    done = user.box.run(*root.split(), "sh", "-euc", f"""
        echo 0 >/proc/sys/{limit.replace('.', '/')}
        exec setpriv --bounding-set=-net_admin --inh-caps=-all \
            {user.place}/nsapply --run {user.place}/lab.yaml -- true""", status=125)
    assert f"the limit {limit} is reached" in done.err and f"sysctl -w {limit}=" in done.err


@pytest.mark.skipif(not UNSHARE, reason="this machine's system calls are not known")
@pytest.mark.parametrize("files, text, hint", [
    ({}, "a seccomp filter forbids it", "--security-opt seccomp=unconfined"),
    ({"apparmor_restrict_unprivileged_userns": 1}, "AppArmor forbids it", "apparmor_parser -r"),
    ({"unprivileged_userns_clone": 0}, "kernel.unprivileged_userns_clone is 0",
     "sysctl -w kernel.unprivileged_userns_clone=1"),
], ids=["seccomp", "apparmor", "debian"])
def test_why_not(user, files, text, hint):
    """The kernel says no more than EPERM; /proc/sys/kernel is made to look like theirs."""
    user.box.sh("mount -t tmpfs none /proc/sys/kernel\n" + "".join(
        f"echo {value} >/proc/sys/kernel/{name}\n" for name, value in files.items()))
    run = user.popen("--run", "lab.yaml", "--", "echo", "ran", stderr=subprocess.PIPE,
                     preexec_fn=deny(UNSHARE))
    out, err = run.communicate(timeout=30)
    assert (run.returncode, out) == (125, "")
    assert len(err.splitlines()) == 2 and text in err and hint in err


def test_no_run_folder(box, place):
    """As in a bare container's image."""
    folders = [f for f in os.listdir("/") if os.path.isdir(f"/{f}") and f not in ("run", "lost+found")]
    box.sh(f"mkdir {place}/root; mount -t tmpfs none {place}/root; cd {place}/root; mkdir {' '.join(folders)}; "
           f"for f in {' '.join(folders)}; do mount --rbind /$f $f; done")
    done = box.run("chroot", place / "root", place / "nsapply", "--run", place / "lab.yaml", "--", "true", status=125)
    assert "cannot mount a new /run: No such file or directory" in done.err and "make it" in done.err
    box.sh(f"mkdir {place}/root/run")
    box.run("chroot", place / "root", place / "nsapply", "--run", place / "lab.yaml", "--", "true")
    box.sh(f"umount -l {place}/root; rmdir {place}/root")


def test_hidden_parts_of_proc(user):
    """As in a container: then no new one can be mounted, and the old one does."""
    user.box.sh("mount --bind /dev/null /proc/kallsyms")
    done = user.sh("ping -n -q -c 1 -w 5 10.0.0.2 | grep -o '1 received'; ip netns exec far true")
    assert done.out == "1 received\n"
    assert "warning: cannot mount a new /proc" in done.err and "systempaths=unconfined" in done.err


def test_read_only_proc_sys(user):
    user.box.sh("mount --bind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys")
    done = user.run("echo", "ran", status=125)
    assert done.out == ""
    assert "Read-only file system" in done.err and "/proc/sys is mounted read-only" in done.err


# --- the user -------------------------------------------------------------------------------------


def test_keep_user(user):
    done = user("--run", "--keep-user", "lab.yaml", "--", "sh", "-c", """
        id -u; id -g; ping -n -q -c 1 -w 5 10.0.0.2 | grep -o '1 received'
        ip link set lo down 2>&1; grep CapEff /proc/self/status""")
    assert done.out.splitlines() == [str(NOBODY), str(NOBODY), "1 received",
                                     "RTNETLINK answers: Operation not permitted",
                                     "CapEff:\t" + "0" * 16]


def test_keep_user_as_root(box, place):
    """That is root."""
    done = Runner(box, place, "root")("--run", "--keep-user", "lab.yaml", "--", "id", "-u")
    assert done.out == "0\n"


def test_groups_seem_to_be_given_up(user):
    """What drops privileges to the user that it is goes on; what asks for more is refused."""
    script = "import os, sys; os.setgroups(list(map(int, sys.argv[1:]))); print(os.getuid())"
    for groups, status in [([], 0), (["0"], 0), (["0", "1"], 1)]:
        user.run("/usr/bin/python3", "-c", script, *groups, status=status)


# --- terminals ------------------------------------------------------------------------------------


class Terminal:
    """A session with a terminal of its own, which runs a command."""

    def __init__(self, runner, *command):
        self.master, slave = pty.openpty()
        self.text = ""

        def call():
            return subprocess.Popen(["setsid", "--ctty", *command], cwd=runner.place, stdin=slave,
                                    stdout=slave, stderr=slave, env=dict(os.environ, PS1="$ "))
        os.fchmod(slave, 0o666)
        self.child = runner.box.do(call)
        os.close(slave)

    def is_stopped(self, name, word):
        """Is the process of this session that has such a name and such a word in its arguments?"""
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
                state, _, _, session = stat.rpartition(") ")[2].split()[:4]
                if (f"({name})" in stat and session == str(self.child.pid)
                        and word in pathlib.Path(f"/proc/{pid}/cmdline").read_text()):
                    return state == "T"
        return False

    def write(self, text):
        os.write(self.master, text.encode())

    def expect(self, pattern):
        deadline = time.monotonic() + 30
        while not (match := re.search(pattern, self.text)):
            ready, _, _ = select.select([self.master], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"no {pattern!r} in {self.text!r}"
            try:
                self.text += os.read(self.master, 4096).decode()
            except OSError:  # closed
                raise AssertionError(f"no {pattern!r} in {self.text!r}")
        self.text = self.text[match.end():]

    def end(self):
        status = self.child.wait(timeout=30)
        with contextlib.suppress(OSError):
            while rest := os.read(self.master, 4096):
                self.text += rest.decode()
        os.close(self.master)
        return status


def test_interrupt_from_the_terminal(runner):
    """The command gets it, once, and decides; nsapply waits for it."""
    terminal = Terminal(runner, *runner.command("--run", "lab.yaml", "--", "sh", "-c", """
        trap 'n=$((n + 1))' INT; n=0; echo ready
        while [ $n = 0 ]; do sleep 0.01; done; sleep 0.2; echo n is $n; exit 9"""))
    terminal.expect("ready")
    terminal.write("\x03")
    terminal.expect("n is 1")
    assert terminal.end() == 9


def test_interrupt_ends_what_does_not_mind_it(runner):
    terminal = Terminal(runner, *runner.command("--run", "lab.yaml", "--", "sh", "-c",
                                                "echo ready; exec sleep 1000"))
    terminal.expect("ready")
    terminal.write("\x03")
    assert terminal.end() == 130


# Says when it is continued, which is when the terminal is its own again. Waits for the signal: a
# handler's would be lost on a read that begins a moment later.
STOPPABLE = """python3 -uc 'import signal as s; s.pthread_sigmask(s.SIG_BLOCK, [s.SIGCONT]); """ \
    """print("rea" + "dy"); s.sigwait([s.SIGCONT]); print("con" + "tinued"); print("g" + "ot", input())'"""


def stop_and_continue(terminal):
    """STOPPABLE has been started from the shell of this terminal."""
    terminal.expect("ready\r")
    terminal.write("\x1a")
    terminal.expect(r"Stopped.*\n.*\$ ")
    # Until it has noticed, it would go on reading from the terminal.
    deadline = time.monotonic() + 30
    while not terminal.is_stopped("python3", "tinued"):
        assert time.monotonic() < deadline, "it does not stop"
        time.sleep(0.01)
    terminal.write("fg\n")
    terminal.expect("continued")
    terminal.write("more\n")
    terminal.expect(r"got more\r\n.*\$ ")
    terminal.write("exit\n")


def test_shell_with_job_control(runner):
    """An interactive bash: jobs are stopped and continued; afterwards the terminal is ours again."""
    command = " ".join(runner.command("--run", "lab.yaml", "--", "bash", "--norc", "-i"))
    terminal = Terminal(runner, "sh", "-c", f"{command}; read x; echo outside $x")
    terminal.expect(r"\$ ")
    assert "no job control" not in terminal.text
    terminal.write(STOPPABLE + "\n")
    stop_and_continue(terminal)
    terminal.expect("exit")
    terminal.write("again\n")
    terminal.expect("outside again")
    assert terminal.end() == 0


def test_stop_from_the_terminal(runner):
    """^Z stops the command as part of the shell's job, and fg continues it."""
    terminal = Terminal(runner, "bash", "--norc", "-i")
    terminal.expect(r"\$ ")
    terminal.write(" ".join(runner.command("--run", "lab.yaml", "--", STOPPABLE)) + "\n")
    stop_and_continue(terminal)
    assert terminal.end() == 0
