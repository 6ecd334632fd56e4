# SPDX-License-Identifier: MIT
"""What --validate says of checks, and of what is surely a mistake. The judges are the exact texts of
tests/planted, and ping and traceroute in the lab: what is predicted must be what they see."""
import ipaddress
import json
import os
import pathlib
import re
import subprocess

import pytest
import yaml

from box import NSAPPLY, ROOT
from walklab import WalkLab

PLANTED = ROOT / "tests" / "planted"
SEEDS = range(int(os.environ.get("NSAPPLY_SEED", 0)),
              int(os.environ.get("NSAPPLY_SEED", 0)) + int(os.environ.get("NSAPPLY_WALKS", 6)))

# The classic mistakes: what is replaced by what in topologies/crossover.yaml.
MISTAKES = {
    "both-ends-the-same-address": [("10.9.9.10/30", "10.9.9.9/30")],
    "gateway-is-its-own-address": [("via: 10.9.9.9}", "via: 10.9.9.10}")],
    "no-route-back": [("    routes:\n      - {to: default, via: 10.9.9.9}\n", "")],
    "no-route-back-from-the-host": [
        ("    routes:\n      - {to: 10.9.9.8/30, via: 10.13.37.2}\n", "")],
    "no-forwarding": [("    forwarding: true\n", "")],
    "wrong-prefix-length": [("10.9.9.10/30", "10.9.9.10/24")],
    "host-prefix-length": [("10.9.9.9/30", "10.9.9.9/32")],
    "end-of-cable-down": [("[10.9.9.9/30]", "[10.9.9.9/30], state: down")],
    "end-in-the-bridge-down": [
        ("[10.13.37.1/24]}", "[10.13.37.1/24]}\n      veth0_left: {state: down}")],
    "mtus-differ": [("[10.9.9.10/30]", "[10.9.9.10/30], mtu: 1500")],
    "loop": [("via: 10.13.37.1}", "via: 10.13.37.1}\n      - {to: 10.9.9.10, via: 10.13.37.1}")],
    "loop-for-what-is-nowhere": [
        ("via: 10.13.37.2}", "via: 10.13.37.2}\n      - {to: 10.8.0.0/16, via: 10.13.37.2}")],
    "duplicate-on-the-bridge": [
        ("[veth0_left]", "[veth0_left, other]"),
        ("  bar:\n", "  baz:\n    interfaces:\n      eth0: {addresses: [10.13.37.2/24]}\n  bar:\n"),
        ("  - [host:veth0", "  - [host:other, baz:eth0]\n  - [host:veth0")],
    "rp-filter-on-the-shorter-way-back": [
        ("[veth0_left]", "[veth0_left, other]"),
        ("[10.9.9.10/30]}\n", "[10.9.9.10/30], sysctl: {ipv4.rp_filter: 1}}\n"
                              "      eth1: {addresses: [10.13.37.3/24]}\n"),
        ("  - [host:veth0", "  - [host:other, bar:eth1]\n  - [host:veth0")],
    "circle-of-bridges": [
        ("[veth0_left]", "[veth0_left, p1, p2]"),
        ("  - [host:veth0", "  - [host:p1, switch:p1]\n  - [host:p2, switch:p2]\n  - [host:veth0"),
        ("  bar:\n", "  switch:\n    interfaces:\n"
                     "      br0: {kind: bridge, ports: [p1, p2]}\n  bar:\n")],
}
# What the file is not accepted with: nothing is predicted then.
FAILS = {"both-ends-the-same-address", "gateway-is-its-own-address", "no-route-back", "no-forwarding",
         "host-prefix-length", "end-of-cable-down", "end-in-the-bridge-down", "mtus-differ", "loop",
         "rp-filter-on-the-shorter-way-back"}


def plant(name):
    text = (ROOT / "topologies" / "crossover.yaml").read_text()
    for old, new in MISTAKES[name]:
        assert old in text
        text = text.replace(old, new, 1)
    return text


def validate(file, *options):
    return subprocess.run([NSAPPLY, "--validate", "--color", "never", *options, file.name],
                          cwd=file.parent, capture_output=True, text=True, timeout=60)


def predictions(file):
    done = validate(file, "--format", "json")
    assert done.returncode in (0, 2), done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", MISTAKES)
def test_planted(name, tmp_path):
    """Each is named, with its line."""
    file, expected = tmp_path / "crossover.yaml", PLANTED / f"{name}.txt"
    file.write_text(plant(name))
    done = validate(file, "-q")
    if os.environ.get("NSAPPLY_UPDATE"):
        expected.write_text(done.stderr)
    assert done.stderr == expected.read_text()
    assert done.stdout == ""
    assert done.returncode == (2 if name in FAILS else 0)


def test_all_are_planted():
    assert {p.stem for p in PLANTED.glob("*.txt")} == set(MISTAKES)


# --- the judges ------------------------------------------------------------------------------------


def _command(check):
    if "size" in check:
        return ["ping", "-n", "-q", "-c", "2", "-i", "0.3", "-W", "1", "-M", "do",
                "-s", str(check["size"]), check["to"]]
    return ["ping", "-n", "-q", "-c", "2", "-i", "0.3", "-W", "1", check["to"]]


def _hops(text):
    return re.findall(r"^ *\d+ +(\S+)", text, re.M)


def _start(box, namespace, command):
    return box.inside(namespace, lambda: subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))


def look(box, checks):
    """For each, whether it holds: all are reached, or are not."""
    pings = [_start(box, c["from"], _command(c)) for c in checks]
    holds = []
    for check, child in zip(checks, pings):
        child.communicate(timeout=30)
        reached = child.returncode == 0
        holds.append(reached == (check.get("expect") != "unreachable"))
    # One at a time: a router answers few packets whose time is up.
    for i, check in enumerate(checks):
        if holds[i] and "via" in check:
            trace = _start(box, check["from"], ["traceroute", "-n", "-I", "-q", "1", "-N", "1", "-w", "1.5",
                                                "-m", str(len(check["via"]) + 2), check["to"]])
            hops = _hops(trace.communicate(timeout=60)[0])
            stated = [str(ipaddress.ip_address(a)) for a in [*check["via"], check["to"]]]
            holds[i] = hops == stated
    return holds


def quiet_icmp(box, namespaces):
    """Every packet whose time is up is told of: traceroute asks more often than net.ipv4.icmp_ratelimit
    has it."""
    for namespace in namespaces:
        for name in ["ipv4/icmp_ratelimit", "ipv6/icmp/ratelimit"]:
            box.inside(namespace, lambda n=name: pathlib.Path("/proc/sys/net", n).write_text("0"))


def compare(box, checks, predicted, broken=None):
    seen = look(box, checks)
    # A packet may be late; and one whose source is not answered takes others along that wait for the
    # same neighbour, for three seconds. So what looks wrong is looked at once more, alone, and anew.
    for i, (check, p) in enumerate(zip(checks, predicted)):
        if p["holds"] is not None and p["holds"] != seen[i]:
            for namespace in {c["from"] for c in checks}:
                box.inside(namespace, lambda: subprocess.run(["ip", "neigh", "flush", "all"], check=True))
            seen[i] = look(box, [check])[0]
    wrong = [f"{p['title']}: predicted {p['holds']} ({p['reason']}), seen {s}"
             for p, s in zip(predicted, seen) if p["holds"] is not None and p["holds"] != s]
    assert not wrong, "\n".join([f"broken on purpose: {broken}", *wrong])
    return seen


@pytest.mark.parametrize("name", sorted(set(MISTAKES) - {"circle-of-bridges"}))
def test_planted_for_real(name, box):
    file = box.tmp / "crossover.yaml"
    file.write_text(plant(name))
    said = predictions(file)
    box.nsapply(file)
    quiet_icmp(box, ["host", "foo", "bar"])
    checks = [
        {"from": "host", "to": "10.9.9.9" if "10.9.9.9 " in said["checks"][0]["title"] else "10.9.9.10",
         "via": ["10.13.37.2"]},
        {"from": "host", "to": "10.13.37.2", "via": []},
        {"from": "foo", "to": "10.9.9.10", "size": 8972},
        {"from": "bar", "to": "10.13.37.1"},
        {"from": "bar", "to": "10.13.37.9", "expect": "unreachable"},
    ]
    if name == "both-ends-the-same-address":
        checks[0]["to"] = checks[2]["to"] = "10.9.9.9"
    compare(box, checks, said["checks"])


@pytest.mark.parametrize("seed", SEEDS)
def test_random(seed, box, record_property):
    """Repeat with: NSAPPLY_SEED=N NSAPPLY_WALKS=1 ... -k test_random. What --junitxml writes tells how
    many predictions there were, and how many of them unknown."""
    lab = WalkLab(seed)
    file = box.tmp / "walk.yaml"
    file.write_text(lab.text())
    done = validate(file, "--format", "json")
    if done.returncode == 3:
        pytest.skip("what was broken makes an error")
    said = json.loads(done.stdout)
    assert lab.broken or not said["warnings"], said["diagnostics"]
    if box.nsapply("-q", file, status=None).status != 0:
        pytest.skip("what was broken is refused by the kernel")
    quiet_icmp(box, [n for n in lab.namespaces if n != "host"] + ["host"])
    seen = compare(box, lab.checks, said["checks"], lab.broken)
    unknown = [p for p in said["checks"] if p["holds"] is None]
    record_property("predictions", len(seen))
    record_property("unknown", len(unknown))
    assert len(unknown) < len(seen) / 2 or lab.broken, unknown


@pytest.mark.parametrize("first", range(0, 200, 25))
def test_sound_labs_have_no_warnings(first, tmp_path):
    file = tmp_path / "walk.yaml"
    for seed in range(first, first + 25):
        file.write_text(WalkLab(seed, sound=True).text())
        done = validate(file)
        warnings = [line for line in done.stderr.splitlines() if "warning: " in line]
        assert not warnings, (seed, warnings)


# --- what is said ------------------------------------------------------------------------------------

UNKNOWN = """\
name: lab
namespaces:
  host:
    interfaces:
      a: {addresses: [10.0.0.1/24]}
  foo:
    interfaces:
      b: {addresses: [10.0.0.2/24]}
    routes: [{to: default, via: 10.0.0.1}]
links: [[host:a, foo:b]]
checks:
  - {from: foo, to: 198.51.100.1}
  - {from: foo, to: 198.51.100.1, expect: unreachable}
  - {from: foo, to: host:a}
  - {from: foo, to: host:a, protocol: tcp, port: 80}
  - {from: foo, to: 10.0.0.7, protocol: tcp, port: 80}
"""


def test_words(tmp_path):
    file = tmp_path / "lab.yaml"
    file.write_text(UNKNOWN)
    done = validate(file, "-v")
    assert done.stderr == """\
lab.yaml:12: unknown: the check from foo to 198.51.100.1: the file does not say what host does with packets to 198.51.100.1
lab.yaml:13: unknown: the check from foo to 198.51.100.1: the file does not say what host does with packets to 198.51.100.1
lab.yaml:15: unknown: the check from foo to host:a (10.0.0.1), tcp port 80: the way is there; the file does not say who listens on the port
lab.yaml: of 5 checks 1 will hold, 1 will fail, 3 are unknown
lab.yaml:16:5: error: the check from foo to 10.0.0.7, tcp port 80 will fail: nobody on the network of foo:b has the address 10.0.0.7
   16 |   - {from: foo, to: 10.0.0.7, protocol: tcp, port: 80}
      |     ^
      = hint: see line 8
"""
    assert done.returncode == 2


def test_json(tmp_path):
    file = tmp_path / "lab.yaml"
    file.write_text(UNKNOWN)
    said = predictions(file)
    assert said["summary"] == {"hold": 1, "fail": 1, "unknown": 3}
    assert said["errors"] == 1 and len(said["diagnostics"]) == 1
    assert [c["holds"] for c in said["checks"]] == [None, None, True, None, False]
    assert said["checks"][4] == {
        "title": "from foo to 10.0.0.7, tcp port 80: reachable", "holds": False,
        "reason": "nobody on the network of foo:b has the address 10.0.0.7",
        "cause_line": 8, "file": "lab.yaml", "line": 16, "column": 5}


def test_an_error_of_the_file_comes_first(tmp_path):
    """Nothing is predicted of a file that is wrong; status 3."""
    file = tmp_path / "lab.yaml"
    file.write_text(UNKNOWN.replace("10.0.0.2/24", "10.0.0.2"))
    done = validate(file)
    assert done.returncode == 3
    assert "will fail" not in done.stderr


# --- how the kernel does it ----------------------------------------------------------------------------

CASES = sorted((ROOT / "tests" / "predict").glob("*.yaml"))


def stated(file):
    """What the comment behind each check says that it is."""
    text = file.read_text()
    return re.findall(r"# ((?:holds|fails: |unknown: ).*)$", text[text.index("\nchecks:"):], re.M)


@pytest.mark.parametrize("file", CASES, ids=lambda f: f.stem)
def test_case(file):
    """Each of tests/predict is as its comments say."""
    words = {True: "holds", False: "fails: ", None: "unknown: "}
    said = [words[c["holds"]] + (c["reason"] or "") for c in predictions(file)["checks"]]
    assert said == stated(file)


@pytest.mark.parametrize("file", CASES, ids=lambda f: f.stem)
def test_case_for_real(file, box):
    """And so it is in the kernel."""
    lab = yaml.safe_load(file.read_text())
    box.nsapply(file)
    quiet_icmp(box, ["host", *lab["namespaces"]])
    checks = [c for c in lab["checks"] if "protocol" not in c]
    predicted = [p for c, p in zip(lab["checks"], predictions(file)["checks"]) if "protocol" not in c]
    compare(box, checks, predicted)
