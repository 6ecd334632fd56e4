# SPDX-License-Identifier: MIT
"""Random pairs of labs A, B. B over A is B; twice is once; destroy ends where it began.

NSAPPLY_PAIRS: how many (200). NSAPPLY_SEED: run only this one, as a failure prints it.
"""
import os

import pytest

from box import Box, assert_same_state, comparable, indexes
from randomlab import RandomLab

SEEDS = [int(os.environ["NSAPPLY_SEED"])] if os.environ.get("NSAPPLY_SEED") else \
    range(int(os.environ.get("NSAPPLY_PAIRS", "200")))
# Something on the host that no lab knows.
HOST = """ip link add keep type bridge
ip link set keep address 02:00:00:00:77:77 up
ip address add 10.200.0.1/24 dev keep
ip route add 10.201.0.0/16 via 10.200.0.9
ip netns add stranger"""


def machine(make_box):
    box = make_box()
    box.sh(HOST)
    return box


@pytest.mark.parametrize("seed", SEEDS)
def test_pair(make_box, seed):
    print(f"again: NSAPPLY_SEED={seed} tools/test -k test_pair")
    a, b = RandomLab(2 * seed), RandomLab(2 * seed + 1)
    box, fresh = machine(make_box), machine(make_box)
    before = box.snapshot()
    file = box.write("random.yaml", a.text())
    # Ports would listen and learn for half a minute (test_ready.py).
    apply = ["-q", "--wait", "0"] if "stp: true" in a.text() + b.text() else ["-q"]
    box.nsapply(*apply, file)
    file.write_text(b.text())
    box.nsapply(*apply, file)
    box.nsapply("--plan", file)

    other = fresh.write("random.yaml", b.text())
    fresh.nsapply(*apply, other)
    assert_same_state(fresh, box)

    once = box.snapshot()
    box.nsapply(*apply, file)
    box.assert_same(comparable(once), lambda: comparable(box.glance()))
    assert indexes(box.snapshot()) == indexes(once)

    box.nsapply("-q", "--destroy", file)
    box.assert_same(before)


def test_script_of_random_labs(make_box):
    """The iproute2 script of a lab builds the lab."""
    for seed in range(20):
        print("seed", seed)
        box = make_box()
        file = box.write("random.yaml", RandomLab(seed).text())
        script = box.nsapply("--plan", "--format", "ip", file, status=None)
        if script.status == 0:
            continue
        box.run("sh", input=script.out)
        box.nsapply("--plan", "--adopt", file)


def test_validate_random_labs(tmp_path):
    """The generator makes files that are right."""
    box = Box(tmp_path)
    try:
        files = [box.write(f"{seed}.yaml", RandomLab(seed).text()) for seed in range(400)]
        box.nsapply("--validate", *files)
    finally:
        box.close()
