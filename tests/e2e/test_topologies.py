# SPDX-License-Identifier: MIT
"""Every file of topologies/: applied, planned again, applied again, probed, destroyed."""
import json

import pytest

from box import Monitor
from topologies import FILES, Topology

# What a network card of the machine is plugged into no file says.
UNKNOWN = {"existing": 1}

pytestmark = pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)


def test_comment(file):
    """Each begins with a comment that says what it shows, and names a ping."""
    lines = file.read_text().splitlines()
    assert lines[0].startswith("# yaml-language-server: $schema=../schemas/")
    assert lines[1] == "#" and lines[2].startswith("# ")
    assert any(line.startswith("# ping: ") for line in lines)


def test_validate(box, file):
    done = box.nsapply("--validate", file)
    assert done.err == "", "warnings"
    unknown = UNKNOWN.get(file.stem, 0)
    told = box.nsapply("--validate", "-v", file).err
    assert told.endswith(f", 0 will fail, {unknown} {'is' if unknown == 1 else 'are'} unknown\n")


def test_life(box, file):
    topology = Topology(box, file)
    before = box.snapshot(extra=topology.pids.values())

    plan = box.nsapply("--plan", topology.path, status=2)
    assert box.snapshot(extra=topology.pids.values()) == before, "--plan changed something"
    assert plan.out.splitlines()[-1].startswith("Plan: ")

    box.nsapply(topology.path)
    again = box.nsapply("--plan", "--format", "json", topology.path)
    assert again.json()["changes"] == []
    text = box.nsapply("--plan", topology.path)
    assert not any(line.lstrip()[:1] in ("+", "-", "~") for line in text.out.splitlines())

    for source, target in topology.pings:
        box.ping(topology.where(source), target)
    done = box.nsapply("--check", topology.path)
    assert "FAIL" not in done.out and f"{len(topology.data['checks'])} check" in done.out

    box.calm()
    Monitor(box, topology.namespaces).silent(lambda: box.nsapply(topology.path))

    box.nsapply("--destroy", topology.path)
    box.assert_same(before, lambda: box.glance(extra=topology.pids.values()))


def test_checks(box, file):
    """Each has checks, all are answered from the file alone, and the packets agree: they hold."""
    topology = Topology(box, file)
    stated, unknown = len(topology.data["checks"]), UNKNOWN.get(file.stem, 0)
    said = box.nsapply("--validate", "--format", "json", topology.path).json()
    assert said["summary"] == {"hold": stated - unknown, "fail": 0, "unknown": unknown} and stated > 0
    box.nsapply("-q", topology.path)
    seen = box.nsapply("--check", "--format", "json", topology.path).json()
    assert seen["summary"] == {"hold": stated, "fail": 0}
    assert [c["title"] for c in said["checks"]] == [c["title"] for c in seen["checks"]]
    # As stated, and not otherwise: the very opposite of each is predicted to fail, and does.
    for check in topology.data["checks"]:
        reachable = check.get("expect") == "unreachable"
        check.pop("via", None)
        check["expect"] = "reachable" if reachable else "unreachable"
    box.write(file.name, json.dumps(topology.data))
    status = 2 if stated > unknown else 0
    said = box.nsapply("--validate", "--format", "json", topology.path, status=status).json()
    assert said["summary"] == {"hold": 0, "fail": stated - unknown, "unknown": unknown}
    seen = box.nsapply("--check", "--format", "json", topology.path, status=2).json()
    assert seen["summary"] == {"hold": 0, "fail": stated}


def test_destroy_without_the_file(box, file):
    topology = Topology(box, file)
    before = box.snapshot(extra=topology.pids.values())
    box.nsapply(topology.path)
    topology.path.unlink()
    box.nsapply("--destroy", topology.data["name"])
    box.assert_same(before, lambda: box.glance(extra=topology.pids.values()))


def test_apply_right_after_destroy(box, file):
    topology = Topology(box, file)
    for _ in range(3):
        box.nsapply(topology.path)
        box.nsapply("--destroy", topology.path)
    box.nsapply(topology.path)
    box.nsapply("--plan", topology.path)


def test_script(box, file):
    """What --format ip prints, run, makes a state that --plan has nothing to say about."""
    topology = Topology(box, file)
    script = box.nsapply("--plan", "--format", "ip", topology.path, status=2).out
    box.run("sh", input=script)
    plan = box.nsapply("--plan", "--adopt", topology.path, status=None)
    assert plan.status == 0, f"{plan!r}\n--- the script\n{script}"
    for source, target in topology.pings:
        box.ping(topology.where(source), target)
