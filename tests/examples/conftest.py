"""pytest: a network for the tests, without root. Copy this, lab.yaml, and
test_network.py with service.py, which stands for your program.

All tests in one private lab; needs nothing of this file:

    nsapply --run --checked lab.yaml -- pytest

The same in parallel: a lab for each of pytest-xdist's workers:

    pytest --max-worker-restart 0 --dist load --tx '4*popen//python=nsapply --run --checked lab.yaml -- python3'

A new lab for each test that asks for one, with @pytest.mark.lab("lab.yaml"), or for all of a module with
pytestmark. That is what this file is for. It goes with `-n`, and with tests that need no network:

    pytest -n 4

The tests are the same in all three.
"""
import ast
import os
import subprocess
import sys
import tempfile

import pytest


def pytest_configure(config):
    config.addinivalue_line("markers", "lab(file): run the test in a private lab of its own")
    if reports := os.environ.get("LAB_REPORTS"):
        config.pluginmanager.register(Reporter(config, reports))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item):
    mark = item.get_closest_marker("lab")
    if mark is None:
        return None
    file = os.path.realpath(item.path.parent / mark.args[0])
    # nsapply --run tells in which lab we are.
    if os.path.realpath(os.environ.get("NSAPPLY_FILE", "-")) == file:
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in run_in_lab(item, file):
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def run_in_lab(item, file):
    """Another pytest runs this test, fixtures and all, in a lab; its reports are ours."""
    config = item.config
    with tempfile.NamedTemporaryFile("r", prefix="lab-") as reports:
        done = subprocess.run(
            ["nsapply", "--run", "--checked", file, "--", sys.executable, "-m", "pytest",
             "-p", "no:cacheprovider", "-o", "addopts=", "--rootdir", config.rootpath,
             f"{config.rootpath}/{item.nodeid}"],
            env=dict(os.environ, LAB_REPORTS=reports.name), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        found = [config.hook.pytest_report_from_serializable(config=config, data=ast.literal_eval(line))
                 for line in reports]
    if not found or found[-1].when != "teardown":  # there was no lab, or it did not get to the end
        call = pytest.CallInfo.from_call(lambda: pytest.fail(done.stdout, pytrace=False), "setup")
        found.append(item.ihook.pytest_runtest_makereport(item=item, call=call))
    return found


class Reporter:
    def __init__(self, config, path):
        self.config, self.path = config, path

    def pytest_runtest_logreport(self, report):
        data = self.config.hook.pytest_report_to_serializable(config=self.config, report=report)
        with open(self.path, "a") as file:
            print(repr(data), file=file)  # unlike JSON it keeps tuples
