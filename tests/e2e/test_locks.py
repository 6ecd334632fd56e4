# SPDX-License-Identifier: MIT
"""Several nsapply at once: labs that share nothing run side by side, the others one after the other.

Who is at work is one that was stopped right before it gives its first namespace a name: there
it waits for whoever else prepares /run/netns."""
import contextlib
import fcntl
import os
import random
import signal
import subprocess
import time

import pytest

from box import NSAPPLY

NOW = ["--lock-timeout", "0"]


def wait_until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.01)


@contextlib.contextmanager
def locked(box, path):
    fd = box.do(os.open, path, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def waits_for_a_lock(pid):
    with open("/proc/locks", encoding="ascii") as locks:
        return any("-> FLOCK" in line and line.split()[5] == str(pid) for line in locks)


def stop(child):
    child.send_signal(signal.SIGSTOP)
    wait_until(lambda: open(f"/proc/{child.pid}/stat").read().rpartition(")")[2].split()[0] == "T")


def resume(child):
    child.send_signal(signal.SIGCONT)


def start(box, *args):
    return box.spawn(NSAPPLY, *args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def start_and_stop(box, *args):
    """One that is in the middle of its work, for as long as it is not resumed."""
    box.sh("ip netns add x; ip netns delete x")  # makes /run/netns
    with locked(box, "/run/netns"):
        child = start(box, *args)
        wait_until(lambda: waits_for_a_lock(child.pid) or child.poll() is not None)
        assert child.poll() is None, child.communicate()
        stop(child)
    return child


def finish(child, status=0):
    out, err = child.communicate(timeout=60)
    assert child.returncode == status, out + err
    return err


def waiting_line(child):
    while line := child.stderr.readline():
        if line.startswith("waiting: "):
            return line
    raise AssertionError("it does not wait")


APART = """
name: {0}
namespaces: {{{0}1: {{interfaces: {{e: {{addresses: [10.0.0.1/24]}}}}}}, {0}2: {{}}}}
links: [['{0}1:e', '{0}2:e']]
"""


def apart(box, name):
    return box.write(f"{name}.yaml", APART.format(name))


# --- labs that share nothing ------------------------------------------------------------------


def test_side_by_side(box):
    before = box.snapshot()
    one, two = apart(box, "one"), apart(box, "two")
    first = start_and_stop(box, one)
    for args, status in [(["--plan", two], 2), ([two], 0), (["--plan", two], 0), ([two], 0),
                         (["--destroy", two], 0), ([two], 0)]:
        box.nsapply(*NOW, *args, status=status)
    assert box.names() == ["two1", "two2"]
    resume(first)
    finish(first)
    box.nsapply("--plan", one)
    box.nsapply("--destroy", "one")
    box.nsapply("--destroy", "two")
    box.assert_same(before)


EXTERNAL = """
name: {0}
namespaces:
  {1}: {{external: true, sysctl: {{net.ipv4.ip_default_ttl: 70}}}}
  {0}1: {{}}
"""


def test_side_by_side_in_external_namespaces(box):
    box.sh("ip netns add x1; ip netns add x2")
    one = box.write("one.yaml", EXTERNAL.format("one", "x1"))
    two = box.write("two.yaml", EXTERNAL.format("two", "x2"))
    first = start_and_stop(box, one)
    box.nsapply(*NOW, two)
    box.nsapply(*NOW, "--destroy", two)
    resume(first)
    finish(first)


def test_way_back_leaves_others_alone(box):
    """What another lab did meanwhile on the host, which this lab has nothing to do with, stays."""
    box.sh("ip link add nic type veth peer name wire")
    one = apart(box, "one")
    two = box.write("two.yaml", """
name: two
namespaces:
  host: {interfaces: {wire: {mtu: 1400, state: up}}}
  two1: {interfaces: {nic: {from: 'host:nic'}}}
""")
    first = start_and_stop(box, one)
    box.nsapply(*NOW, two)
    box.sh("ip netns add one2")
    resume(first)
    assert "cannot name namespace one2" in finish(first, status=1)
    box.nsapply("--plan", two)


# --- one lab --------------------------------------------------------------------------------------


def test_one_lab(box):
    file = apart(box, "lab")
    first = start_and_stop(box, file)
    said = f'lab "lab" is locked by "{NSAPPLY} {file}" (pid {first.pid})'
    for args in [[file], ["--plan", file], ["--destroy", file], ["--destroy", "lab"],
                 ["--destroy"], ["--list"]]:
        done = box.nsapply(*NOW, *args, status=1)
        assert f"{said} (waited 0 seconds)" in done.err and "--lock-timeout" in done.err
        assert done.out == ""
    second = start(box, file)
    third = start(box, "--plan", file)
    for child in second, third:
        assert said in waiting_line(child)
    resume(first)
    for child in first, second, third:
        finish(child)
    assert box.names() == ["lab1", "lab2"]


def test_quiet_about_waiting(box):
    file = apart(box, "lab")
    first = start_and_stop(box, file)
    second = start(box, "--quiet", file)
    third = start(box, file)
    waiting_line(third)
    resume(first)
    assert "waiting" not in finish(second)


def test_interrupted_while_waiting(box):
    file = apart(box, "lab")
    first = start_and_stop(box, file)
    for number in signal.SIGINT, signal.SIGTERM:
        second = start(box, file)
        waiting_line(second)
        second.send_signal(number)
        assert 'interrupted while waiting for the lock of lab "lab"' in finish(second, 128 + number)
    resume(first)
    finish(first)


def test_holder_is_killed(box):
    before = box.snapshot()
    file = apart(box, "lab")
    for verb in [[], ["--destroy"]]:
        first = start_and_stop(box, file)
        second = start(box, *verb, file)
        waiting_line(second)
        first.kill()
        finish(second)
        box.nsapply("--destroy", file)
        box.assert_same(before)


def test_first_apply_meanwhile_fails(box):
    """What waits for the lab is there when the folder that it waits for has gone."""
    file = apart(box, "lab")
    first = start_and_stop(box, file)
    second = start(box, file)
    waiting_line(second)
    box.sh("ip netns add lab1")
    resume(first)
    finish(first, status=1)
    assert 'namespace "lab1" exists already' in finish(second, status=1)
    box.sh("ip netns delete lab1")
    assert box.do(os.listdir, "/run") == ["netns"]


def test_folder_goes_while_waiting(box):
    """A lab is destroyed, and made again, while somebody waits for its old folder."""
    file = apart(box, "lab")
    box.nsapply(file)
    for between in [[["--destroy"]], [["--destroy"], []]]:
        with locked(box, "/run/nsapply/lab"):
            waiter = start(box, file)
            waiting_line(waiter)
            stop(waiter)
        for args in between:
            box.nsapply(*args, file)
        resume(waiter)
        finish(waiter)
        box.nsapply(*NOW, "--plan", file)
    box.nsapply("--destroy", file)
    assert box.do(os.listdir, "/run") == ["netns"]


def test_exec_does_not_wait(box):
    file = apart(box, "lab")
    box.nsapply(file)
    with locked(box, "/run/nsapply/lab"), locked(box, "/run/nsapply/.lock"):
        done = box.nsapply("--exec", "lab1", "--", "readlink", "/proc/self/ns/net")
        assert "net:" in done.out
        box.nsapply("--validate", file)


def test_slow_reader_keeps_nobody_waiting(box):
    """A plan that is printed into a full pipe."""
    names = ", ".join(f"namespace-number-{i}: {{}}" for i in range(3000))
    many = box.write("many.yaml", f"name: many\nnamespaces: {{{names}}}\n")
    first = start(box, "--plan", many)
    assert first.stdout.read(1) == "+"
    box.nsapply(apart(box, "lab"))
    assert first.poll() is None
    first.stdout.read()
    finish(first, status=2)


# --- labs that share something ---------------------------------------------------------------------

HOST = """
name: {0}
namespaces: {{{0}1: {{}}}}
links: [['host:{0}', '{0}1:e']]
"""
GUEST = """
name: guest
namespaces: {one1: {external: true, sysctl: {net.ipv4.ip_default_ttl: 70}}, g: {}}
"""
SHARING = {
    "cables": (HOST.format("one"), HOST.format("two"), 0),
    "a value": (EXTERNAL.format("one", "ext"), EXTERNAL.format("two", "ext"), 0),
    "two names": (EXTERNAL.format("one", "ext"),
                  EXTERNAL.format("two", "other").replace("true", "{path: /run/netns/ext}"), 0),
    "what one lends": ("name: one\nnamespaces: {host: {}, one1: "
                       "{interfaces: {e: {from: 'host:nic'}}}}", HOST.format("two"), 0),
    "a namespace that one owns": (APART.format("one"), GUEST, 0),
    "the name of one": ("name: one\nnamespaces: {a: {}}", "name: two\nnamespaces: {a: {}, b: {}}",
                        1),
}


@pytest.mark.parametrize("applied", [False, True], ids=["first", "again"])
@pytest.mark.parametrize("what", SHARING)
def test_one_after_the_other(box, what, applied):
    one, two, status = SHARING[what]
    box.sh("ip netns add ext; ip link add nic type veth peer name wire")
    before = box.snapshot()
    one, two = box.write("one.yaml", one), box.write("two.yaml", two)
    if applied:
        box.nsapply(one)
        text = one.read_text()
        one.write_text(text.replace("namespaces:\n", "namespaces:\n  more: {}\n")
                       .replace("namespaces: {", "namespaces: {more: {}, "))
    first = start_and_stop(box, one)
    for args in [two], ["--plan", two]:
        done = box.nsapply(*NOW, *args, status=1)
        assert f'lab "one" is locked by "{NSAPPLY} {one}" (pid {first.pid})' in done.err
    second, plan = start(box, two), start(box, "--plan", two)
    waiting_line(second)
    waiting_line(plan)
    resume(first)
    finish(first)
    finish(second, status)
    plan.communicate(timeout=60)
    assert plan.returncode in ((1,) if status else (0, 2))
    box.nsapply("--plan", one)
    for file in one, two:
        box.nsapply("--destroy", file)
    box.assert_same(before)


def test_owner_waits_for_guest(box):
    """Whoever works on what a lab holds has that lab's lock."""
    one, guest = apart(box, "one"), box.write("guest.yaml", GUEST)
    box.nsapply(one)
    first = start_and_stop(box, guest)
    for args in [one], ["--plan", one], ["--destroy", one]:
        done = box.nsapply(*NOW, *args, status=1)
        assert f'lab "one" is locked by "{NSAPPLY} {guest}" (pid {first.pid})' in done.err
    second = start(box, one)
    waiting_line(second)
    resume(first)
    finish(first)
    finish(second)


def test_crowd(box):
    """Whoever comes first: all of them end, and what they leave can be destroyed."""
    box.sh("ip netns add ext")
    before = box.snapshot()
    labs = {f"{kind}{i}": text for i in range(2) for kind, text in
            {"apart": APART, "host": HOST, "ext": EXTERNAL.replace("{1}", "ext")}.items()}
    files = [box.write(f"{name}.yaml", text.format(name)) for name, text in labs.items()]
    choose = random.Random(1)
    for _ in range(10):
        children = [start(box, *choose.choice([[], [], ["--destroy"], ["--plan"]]), file)
                    for file in choose.choices(files, k=6)]
        box.run("ip", "netns", "delete", f"{choose.choice(list(labs))}1", status=None)
        for child in children:
            out, err = child.communicate(timeout=60)
            assert child.returncode in (0, 1, 2), out + err
            assert child.returncode != 1 or "that is no namespace" in err, err
    for file in files:
        box.nsapply("--destroy", file)
    box.assert_same(before)
    assert box.do(os.listdir, "/run") == ["netns"]


# --- against ip netns -----------------------------------------------------------------------------


def inode(box, name):
    return box.do(os.stat, f"/run/netns/{name}").st_ino


def test_ip_netns_is_quicker(box):
    """A namespace of that name, made meanwhile, is not taken away by the way back."""
    file = apart(box, "lab")
    first = start_and_stop(box, file)
    box.sh("ip netns add lab2")
    there = inode(box, "lab2")
    resume(first)
    assert "cannot name namespace lab2" in finish(first, status=1)
    assert box.names() == ["lab2"] and inode(box, "lab2") == there


def test_ip_netns_is_half_done(box):
    """`ip netns delete` unmounts first: a namespace that is to go has gone by itself then."""
    file = box.write("lab.yaml", "name: lab\nnamespaces: {a: {}, b: {}}")
    box.nsapply(file)
    box.write("lab.yaml", "name: lab\nnamespaces: {b: {}, c: {}}")
    first = start_and_stop(box, file)
    box.sh("umount -l /run/netns/a")
    resume(first)
    finish(first)
    box.nsapply("--plan", file)
    assert box.names() == ["b", "c"]


def test_recorded_but_never_made(box):
    """Killed before it was made, a namespace is known by its name alone: that may be another's."""
    file = apart(box, "lab")
    box.nsapply(file)
    box.sh("""
sed -i '/cookie:/d' /run/nsapply/lab/record
ip netns delete lab1
ip netns delete lab2
ip netns add lab1
""")
    there = inode(box, "lab1")
    assert "exists already" in box.nsapply(file, status=1).err
    box.nsapply("--destroy", file)
    assert box.names() == ["lab1"] and inode(box, "lab1") == there
