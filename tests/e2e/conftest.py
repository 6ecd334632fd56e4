# SPDX-License-Identifier: MIT
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True

from box import NSAPPLY, Box  # noqa: E402


def pytest_sessionstart(session):
    if os.geteuid() != 0:
        pytest.exit("these tests make network namespaces: run them as root, or with tools/test", 1)
    if not os.access(NSAPPLY, os.X_OK):
        pytest.exit(f"{NSAPPLY} is not there: run tools/build, or set NSAPPLY", 1)


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
