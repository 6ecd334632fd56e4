# SPDX-License-Identifier: MIT
"""tests/examples: each command that a file there tells its readers to type, and the scripts of the CI jobs."""
import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time
import xml.etree.ElementTree as ElementTree

import pytest
import yaml

from box import NSAPPLY, ROOT
from test_run import NOBODY, has_nobody

EXAMPLES = ROOT / "tests" / "examples"
PARALLEL = 4


def told():
    """Commands stand in the text at the head of a file, indented by four more than it."""
    for name in ["conftest.py", "network.bats", "network.sh", "meson.build"]:
        indent = "    " if name.endswith(".py") else "#     "
        commands = re.findall(rf"^{indent}((?:nsapply|pytest|\./|meson) ?.*)$", (EXAMPLES / name).read_text(), re.M)
        for number, command in enumerate(commands, 1):
            yield name if len(commands) == 1 else f"{name} {number}", command


def scripts():
    """Of the jobs, what comes after that which needs the host of the forge."""
    github = yaml.safe_load((EXAMPLES / "github.yml").read_text())["jobs"]["network"]["steps"]
    yield "github.yml", next(step["run"] for step in github if step.get("name") == "test")
    yield "gitlab.yml", "\n".join(yaml.safe_load((EXAMPLES / "gitlab.yml").read_text())["network"]["script"])


COMMANDS = dict([*told(), *scripts()])
each_example = pytest.mark.parametrize("example", COMMANDS)


def test_all_are_found():
    assert list(COMMANDS) == ["conftest.py 1", "conftest.py 2", "conftest.py 3", "network.bats", "network.sh",
                              "meson.build", "github.yml", "gitlab.yml"]


class Copy:
    """The folder as somebody has it who has copied it, with nsapply installed."""

    def __init__(self, box, path, who):
        if who == "user" and not has_nobody():
            pytest.skip("no other user here")
        self.box, self.path, self.folder = box, path, path / "examples"
        shutil.copytree(EXAMPLES, self.folder, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ["bin", "tmp"]:
            (path / name).mkdir()
        shutil.copy(NSAPPLY, path / "bin")
        path.chmod(0o755)
        self.prefix = []
        if who == "user":
            self.prefix = ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]
            for name in ["examples", "tmp"]:
                shutil.chown(path / name, NOBODY, NOBODY)
        # Whatever sets up this pytest does not set up theirs.
        self.env = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "NSAPPLY"))}
        self.env |= {"PATH": f"{path}/bin:/usr/bin:/bin:/usr/sbin:/sbin", "TMPDIR": str(path / "tmp"),
                     "HOME": str(path / "tmp"), "PYTHONDONTWRITEBYTECODE": "1",
                     "PYTEST_ADDOPTS": "-p no:cacheprovider"}

    def edit(self, name, old, new):
        text = (self.folder / name).read_text()
        assert old in text
        (self.folder / name).write_text(text.replace(old, new))

    def start(self, command, number=0):
        """What a command writes into the folder has a name with this number."""
        command = re.sub(r"\b(build|network(?=\.xml))\b", rf"\1-{number}", command)
        return self.box.spawn(*map(str, self.prefix), "bash", "-eo", "pipefail", "-c", command, cwd=self.folder,
                              env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)

    def run(self, command):
        child = self.start(command)
        out, _ = child.communicate(timeout=60)
        return child.returncode, out

    def processes(self):
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{pid}/cwd").startswith(str(self.path)):
                    yield pathlib.Path(f"/proc/{pid}/cmdline").read_text().split("\0")

    def assert_nothing_left(self):
        # nsapply has ended all that ran in a lab; the programs around it may take a moment.
        deadline = time.monotonic() + 10
        while left := list(self.processes()):
            assert time.monotonic() < deadline, f"left: {left}"
            time.sleep(0.02)
        # pytest keeps its last temporary folders, as always.
        assert [name for name in os.listdir(self.path / "tmp") if not name.startswith("pytest-of-")] == []
        assert self.box.do(os.listdir, "/run") == []
        assert [link["ifname"] for link in self.box.ip("host", "link", "show")] == ["lo"]


@pytest.fixture
def copy(box):
    with tempfile.TemporaryDirectory(prefix="nsapply-examples-") as name:
        yield lambda who="user": Copy(box, pathlib.Path(name), who)


@pytest.fixture(autouse=True)
def tools():
    for program in ["bats", "meson", "pytest"]:
        if not os.access(f"/usr/bin/{program}", os.X_OK):
            pytest.skip(f"no {program}: tools/install-deps build test")


@each_example
def test_as_root(copy, example):
    copy = copy("root")
    status, out = copy.run(COMMANDS[example])
    assert status == 0, out
    copy.assert_nothing_left()


@each_example
def test_side_by_side(copy, example):
    """As an ordinary user, several of the same file."""
    copy = copy()
    runs = [copy.start(COMMANDS[example], number) for number in range(PARALLEL)]
    for number, run in enumerate(runs):
        out, _ = run.communicate(timeout=120)
        assert run.returncode == 0, out
        if "network.xml" in COMMANDS[example]:
            suite = ElementTree.parse(copy.folder / f"network-{number}.xml").getroot()
            assert len(list(suite.iter("testcase"))) == 2 and not list(suite.iter("failure"))
    copy.assert_nothing_left()


@each_example
@pytest.mark.parametrize("file, old, new, tells", [
    ("service.py", "hello", "hullo", "hullo 10.0.1.2"),
    ("lab.yaml", "size: 1472", "size: 1473, within: 100ms", "1501 bytes"),
], ids=["program", "network"])
def test_failure(copy, example, file, old, new, tells):
    """What is wrong fails, says so, and leaves nothing either."""
    copy = copy()
    copy.edit(file, old, new)
    status, out = copy.run(COMMANDS[example])
    assert status not in (0, 4), out
    # The report of the jobs is in a file, if it is the network.
    assert tells in out + "".join(path.read_text() for path in copy.folder.glob("*.xml"))
    copy.assert_nothing_left()


def test_skip(copy):
    """network.sh, where there can be no private lab: uid 0, but without CAP_NET_ADMIN."""
    status, out = copy().run("""unshare --user --map-root-user --mount sh -euc '
        echo 0 >/proc/sys/user/max_user_namespaces
        exec setpriv --bounding-set=-net_admin --inh-caps=-all ./network.sh'""")
    assert status == 4
    assert "1..0 # SKIP" in out and "user.max_user_namespaces is reached" in out


def test_a_lab_that_cannot_be_is_no_skip(copy):
    copy = copy()
    copy.edit("lab.yaml", "10.0.1.2/24", "nonsense")
    status, out = copy.run("./network.sh")
    assert status not in (0, 4) and "lab.yaml:" in out


OUTCOMES = """\
import os
import pytest

lab = pytest.mark.lab("lab.yaml")

@pytest.fixture
def broken():
    yield
    raise OSError("at the end")

class TestClass:
    @lab
    @pytest.mark.parametrize("word", ["a//b", "c d"])
    def test_passes(self, word):
        assert os.environ["NSAPPLY_LAB"] == "lab"

def test_outside():
    assert "NSAPPLY_LAB" not in os.environ

@lab
def test_skipped():
    pytest.skip("not today")

@lab
@pytest.mark.xfail
def test_xfailed():
    assert False

@lab
def test_failed():
    assert 6 * 9 == 42

@lab
def test_error(broken):
    pass

@lab
def test_ends():
    os._exit(0)

@pytest.mark.lab("none.yaml")
def test_no_lab():
    pass
"""


@pytest.mark.parametrize("options", ["", "-n 2"])
def test_outcomes(copy, options):
    """Those of conftest.py's tests in labs of their own are those of tests without."""
    copy = copy()
    (copy.folder / "test_outcomes.py").write_text(OUTCOMES)
    status, out = copy.run(f"pytest -rA {options} test_outcomes.py")
    assert status == 1
    # test_error passes, and then has an error.
    assert re.search(r"= 1 failed, 4 passed, 1 skipped, 1 xfailed, 3 errors in ", out), out
    for text in ["not today", "assert (6 * 9) == 42", "at the end", "none.yaml"]:
        assert text in out
    copy.assert_nothing_left()
