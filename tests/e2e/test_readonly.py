# SPDX-License-Identifier: MIT
"""Planning writes nothing: what strace sees of --plan, --validate and --list."""
import re

import pytest

from box import NSAPPLY
from topologies import FILES, Topology

# strace names the type, or gives its number where the socket is of another network namespace.
TYPE = re.compile(r"nlmsg_type=(?:(RTM_\w+)|(0x[0-9a-f]+))")
WRITES = re.compile(r"\b(open|openat|openat2|creat)\(.*\b(O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND)")
FORBIDDEN = re.compile(
    r"\b(unshare|mount|umount2?|mkdir(at)?|rmdir|unlink(at)?|rename(at2?)?|link(at)?|symlink(at)?|"
    r"truncate|ftruncate|mknod(at)?|chmod|fchmod(at)?|chown|fchown(at)?|kill|fork|vfork|"
    r"execveat|move_mount|open_tree)\(")
HARMLESS = re.compile(r'"/dev/(null|tty)"')


def traced(box, *args, status):
    log = box.tmp / "strace.log"
    box.run("strace", "-f", "-s", "4096", "-o", log, NSAPPLY, *args, status=status)
    return log.read_text(errors="replace").splitlines()


def changes(call):
    """Is one of the netlink messages in this call other than a question? Of the four types of each
    object (linux/rtnetlink.h: NEW, DEL, GET, SET, from 16 on) only GET is."""
    for name, number in TYPE.findall(call):
        if name and not name.startswith("RTM_GET"):
            return True
        if number and int(number, 16) >= 16 and int(number, 16) % 4 != 2:
            return True
    return False


def offences(lines):
    found = []
    for line in lines:
        call = line.split(None, 1)[-1]
        if re.match(r"(sendto|sendmsg|sendmmsg|write|writev)\(", call) and changes(call):
            found.append(line)
        if WRITES.match(call) and not HARMLESS.search(call):
            found.append(line)
        if FORBIDDEN.match(call):
            found.append(line)
    return found


def test_the_trace_shows_changes(box):
    """What is looked for can be seen at all: an apply is full of it."""
    file = box.write("lab.yaml", "namespaces: {a: {}, b: {}}\nlinks: [[a:x, b:y]]\n")
    found = "\n".join(offences(traced(box, file, status=0)))
    assert re.search(r"^\d+ +send\w+\(.*nlmsg_type=(0x10|RTM_NEWLINK)\b", found, re.M)
    assert re.search(r"O_WRONLY|O_RDWR|O_CREAT", found)
    assert "unshare(" in found and "mount(" in found


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_plan(box, file):
    topology = Topology(box, file)
    before = box.snapshot(extra=topology.pids.values())
    for form in ["text", "json", "ip"]:
        lines = traced(box, "--plan", "--format", form, topology.path, status=2)
        assert offences(lines) == []
    assert box.snapshot(extra=topology.pids.values()) == before
    box.nsapply(topology.path)
    assert offences(traced(box, "--plan", topology.path, status=0)) == []


def test_validate(box):
    assert offences(traced(box, "--validate", *FILES, status=0)) == []


def test_list(box):
    assert offences(traced(box, "--list", status=0)) == []
    box.nsapply(box.write("lab.yaml", "namespaces: {a: {}}\n"))
    assert offences(traced(box, "--list", status=0)) == []


def test_plan_of_what_is_not_there(box):
    """Namespaces that do not exist are not made, and an external one is an error."""
    file = box.write("lab.yaml", "namespaces: {a: {}, b: {forwarding: true}}\n")
    assert offences(traced(box, "--plan", file, status=2)) == []
    file = box.write("lab2.yaml", "namespaces: {a: {}, gone: {external: true}}\n")
    for line in offences(traced(box, "--plan", file, status=None)):
        raise AssertionError(line)
    assert box.names() == []
