"""Tests of a program over a network: conftest.py says how they are run."""
import os
import pathlib
import subprocess
import sys

import pytest

pytestmark = pytest.mark.lab("lab.yaml")

SERVICE = [sys.executable, pathlib.Path(__file__).with_name("service.py")]
SERVER = "10.0.2.2"


def inside(namespace, *command):
    return ["ip", "netns", "exec", namespace, *command]


def ask():
    return subprocess.run(inside("client", *SERVICE, "ask", SERVER), capture_output=True, text=True)


@pytest.fixture(scope="module")
def service():
    """The service, on the server."""
    with subprocess.Popen(inside("server", *SERVICE, "serve"), stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "ready\n"
        yield
        child.kill()


@pytest.fixture
def repaired():
    """For a test that breaks the network: applying the lab again mends what differs from the file."""
    yield
    subprocess.run(["nsapply", "--quiet", "--wait", "10", os.environ["NSAPPLY_FILE"]], check=True)


def test_answer(service):
    assert ask().stdout == "hello 10.0.1.2\n"


def test_no_route(service, repaired):
    subprocess.run(["ip", "-n", "client", "route", "delete", "default"], check=True)
    assert "unreachable" in ask().stderr


def test_restart(service):
    """The service is asked after others may have broken the network."""
    assert [ask().stdout for _ in range(3)] == ["hello 10.0.1.2\n"] * 3
