# SPDX-License-Identifier: MIT
"""Wrong (and suspicious) files, each with its exact diagnostics.

tests/errors/NAME.yaml is what is wrong, NAME.txt what nsapply says of it on
standard error. A name that begins with "warning-" is a file that is accepted.
After a deliberate change of wording, write the texts anew with
NSAPPLY_UPDATE=1, and read the difference before committing it.
"""
import os
import pathlib
import subprocess

import pytest

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "errors"
ROOT = FOLDER.parent.parent
NSAPPLY = os.path.abspath(os.environ.get("NSAPPLY", ROOT / "build" / "nsapply"))
FILES = sorted(FOLDER.glob("*.yaml"))


def validate(name):
    """Runs from the folder, so that file names in messages are short."""
    return subprocess.run(
        [NSAPPLY, "-q", "--validate", "--color", "never", name],
        cwd=FOLDER, stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"})


def test_there_are_enough():
    assert len(FILES) >= 80
    texts = {path.with_suffix(".yaml") for path in FOLDER.glob("*.txt")}
    assert texts == set(FILES)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_diagnostics(path):
    result = validate(path.name)
    said = result.stderr.decode()
    if os.environ.get("NSAPPLY_UPDATE"):
        path.with_suffix(".txt").write_text(said)
    assert said == path.with_suffix(".txt").read_text()
    assert result.stdout == b""
    assert result.returncode == (0 if path.stem.startswith("warning-") else 3)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_diagnostic_has_a_place(path):
    for line in path.with_suffix(".txt").read_text().splitlines():
        assert not line.startswith("nsapply: "), line
