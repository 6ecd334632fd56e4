# SPDX-License-Identifier: MIT
"""The table of sysctls that a namespace starts from, held against the kernel that runs the tests."""
import os
import re
import subprocess

import pytest

from box import NSAPPLY, ROOT

# As the manual prints it; what is the lab's own choice is marked.
ROW = re.compile(r"^\.It net\.(\S+) Ta (-?\d+)( \(the lab's, not the kernel's\))?$", re.M)
TABLE = {name.replace(".", "/"): (value, bool(ours)) for name, value, ours in
         ROW.findall((ROOT / "man/nsapply.yaml.5").read_text())}
# Secrets and identifiers; what belongs to each device; another name of ipv4/ip_forward.
LEFT_OUT = {"stable_secret", "ioam6_id", "ioam6_id_wide", "mtu"}
SAME_AS_ANOTHER = {"ipv4/conf/all/forwarding"}
INHERIT = "/proc/sys/net/core/devconf_inherit_init_net"


def writable(family):
    """The paths of a family's conf/all and conf/default that can be written."""
    for folder in ["all", "default"]:
        with os.scandir(f"/proc/sys/net/{family}/conf/{folder}") as entries:
            for entry in entries:
                if entry.stat().st_mode & 0o200:
                    yield f"{family}/conf/{folder}/{entry.name}"


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_complete(box, family):
    """What this kernel lets a host change, and a new namespace inherit, is in the table."""
    found = {path for path in box.do(lambda: list(writable(family)))
             if path.rsplit("/", 1)[1] not in LEFT_OUT} - SAME_AS_ANOTHER
    assert len(found) > 20
    assert sorted(found - TABLE.keys()) == []


def test_values(box):
    """The table's values are the kernel's. IPv4's cannot be told: they are inherited."""
    try:
        with open(INHERIT) as file:
            inherit = file.read().strip()
    except FileNotFoundError:
        pytest.skip("only the initial namespace tells whether others inherit IPv6's values")
    if inherit not in ("0", "2"):
        pytest.skip(f"net.core.devconf_inherit_init_net is {inherit}: IPv6's values are inherited")
    wrong = {}
    for path, (value, ours) in TABLE.items():
        if not path.startswith("ipv6/") or ours:
            continue
        try:
            found = box.sysctl(None, "net/" + path)
        except FileNotFoundError:
            continue  # this kernel has no such switch
        if found != value:
            wrong[path] = found
    assert wrong == {}


def test_in_force(box):
    """A namespace of a lab has the whole table's values, those that nsapply chose included."""
    box.nsapply(box.write("lab.yaml", "namespaces: {a: {}}\n"))
    for path, (value, _) in TABLE.items():
        try:
            assert box.sysctl("a", "net/" + path) == value, path
        except FileNotFoundError:
            pass


def test_in_force_of_the_initial_namespace():
    """Where nsapply is told whether IPv6's values are inherited, it does not read them: what a
    namespace begins with is the same."""
    wanted = {path: value for path, (value, _) in TABLE.items()}
    shown = subprocess.run([NSAPPLY, "--run", "-", "--", "sh", "-c", """
        for path; do [ ! -e /proc/sys/net/$path ] || echo $path $(cat /proc/sys/net/$path); done
        """, "sh", *wanted], input=b"{name: plain}", check=True, stdout=subprocess.PIPE)
    found = dict(line.split(" ", 1) for line in shown.stdout.decode().splitlines())
    assert len(found) > 100
    assert found == {path: wanted[path] for path in found}
