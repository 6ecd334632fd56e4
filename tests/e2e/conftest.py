# SPDX-License-Identifier: MIT
import os
import pathlib
import signal
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True

from box import NSAPPLY, Box  # noqa: E402


def pytest_sessionstart(session):
    # A shell has what it runs in the background ignore it, and so would all that is started here.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup's
    if os.geteuid() != 0:
        pytest.exit("these tests make network namespaces: run them as root, or with tools/test", 1)
    if not os.access(NSAPPLY, os.X_OK):
        pytest.exit(f"{NSAPPLY} is not there: run tools/build, or set NSAPPLY", 1)


def pytest_collection_modifyitems(config, items):
    """NSAPPLY_SHARD=2/4 runs the second quarter: tools/test runs several side by side, since most
    of the time is waiting."""
    shard = os.environ.get("NSAPPLY_SHARD")
    if not shard:
        return
    number, shards = map(int, shard.split("/"))
    # What shares a module's fixture stays together.
    own = [item for i, item in enumerate(items)
           if (0 if item.module.__name__ == "test_contributing" else i) % shards == number - 1]
    config.hook.pytest_deselected(items=[item for item in items if item not in own])
    items[:] = own


@pytest.fixture
def make_box(tmp_path_factory):
    """Makes boxes that end with the test."""
    boxes = []

    def make():
        boxes.append(Box(tmp_path_factory.mktemp("box")))
        return boxes[-1]

    yield make
    for box in boxes:
        box.close()


@pytest.fixture
def box(make_box):
    return make_box()
