# SPDX-License-Identifier: MIT
"""Wrong (and suspicious) files, each with its exact diagnostics.

tests/errors/NAME.yaml is what is wrong, NAME.txt what nsapply says of it on
standard error. A name that begins with "warning-" is a file that is accepted.
After a deliberate change of wording, write the texts anew with
NSAPPLY_UPDATE=1, and read the difference before committing it.
"""
import json
import os
import pathlib
import subprocess

import pytest
import yaml

from box import NSAPPLY, ROOT
from randomlab import RandomLab

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "errors"
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


# --- one mistake is one error -------------------------------------------------------------------


def mappings(node, path=()):
    """Every mapping of a document, with the keys that lead there."""
    if isinstance(node, dict):
        yield path, node
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield from mappings(value, (*path, key))


def is_of_the_language(path):
    """Are the mapping's keys words of the language, and not names or sysctls?"""
    last = path[-1] if path else ""
    return last not in ("sysctl", "namespaces") and (last != "interfaces" or "defaults" in path)


def mistakes(lab):
    """The lab with one key misspelt, or one value of the wrong kind, at a time."""
    for path, mapping in mappings(lab):
        items = list(mapping.items())
        for key, value in items if is_of_the_language(path) else []:
            for name, wrong in [(f"{key}x", value), (key, [["x"]])]:
                mapping.clear()
                mapping.update((name, wrong) if k == key else (k, v) for k, v in items)
                yield (*path, name), lab
            mapping.clear()
            mapping.update(items)


def messages(lab, file):
    file.write_text(yaml.safe_dump(lab, sort_keys=False))
    done = subprocess.run([NSAPPLY, "--validate", "--format", "json", file], capture_output=True)
    return [d["message"] for d in json.loads(done.stdout)["diagnostics"]]


LABS = {path.stem: path.read_text() for path in sorted((ROOT / "topologies").glob("*.yaml"))}
LABS.update({f"random {seed}": RandomLab(seed).text() for seed in range(4)})


@pytest.mark.parametrize("text", LABS.values(), ids=LABS)
def test_one_mistake_is_one_error(text, tmp_path):
    """What follows from an error is not told as another."""
    lab = dict(yaml.load(text, yaml.BaseLoader), name="lab")
    file, seen = tmp_path / "lab.yaml", 0
    warnings = messages(lab, file)
    for where, wrong in mistakes(lab):
        said = [m for m in messages(wrong, file) if m not in warnings]
        assert len(said) == 1, (where, said)
        seen += 1
    assert seen > 15
