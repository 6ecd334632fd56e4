# SPDX-License-Identifier: MIT
"""Every file of topologies/: applied, planned again, applied again, probed, destroyed."""
import pytest

from box import Monitor
from topologies import FILES, Topology

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
