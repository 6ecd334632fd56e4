# SPDX-License-Identifier: MIT
"""The shape of the code: who includes whom, how long functions are. See CONTRIBUTING.md."""
import re

import pytest

from box import ROOT

FILES = sorted((ROOT / "src").glob("*.[ch]"))
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.M)

# From the top: a file may include what is of its own layer or of one below.
LAYERS = [
    ["main", "generate"],
    ["command", "lab", "transaction"],
    ["load", "check", "normalise", "probe", "networks", "holding", "plan", "predict", "execute", "emit", "record",
     "rundir", "lock", "goal", "kernel"],
    ["model", "names", "netns", "document", "kind", "attr"],
    ["error", "util", "memory", "interrupt"],
]
GENERATED = {"config.h"}


def layer(file):
    """The layer's number; the longest beginning of the name that a layer lists counts."""
    stem = re.split(r"[._]", file)[0]
    for number, names in enumerate(LAYERS):
        if stem in names:
            return number
    raise AssertionError(f"{file} belongs to no layer: name it in LAYERS")


def includes(file):
    return [name for _, name in INCLUDE.findall(file.read_text())]


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.name)
def test_layers(file):
    for quote, name in INCLUDE.findall(file.read_text()):
        if quote == '"':
            if name in GENERATED:
                continue
            assert (ROOT / "src" / name).exists(), f"{file.name} includes {name}"
            assert layer(file.name) <= layer(name), f"{file.name} includes {name}, from above"


def test_who_sees_yaml():
    seen = {f.name for f in FILES if "yaml.h" in includes(f)}
    assert seen <= {"document.c", "emit.c"}


def test_who_sees_libnl():
    for file in FILES:
        if any(name.startswith("netlink/") for name in includes(file)):
            assert re.match(r"attr_wire\.|kernel_", file.name), file.name


def _closure(file, seen=None):
    seen = set() if seen is None else seen
    for name in includes(file):
        if name not in seen:
            seen.add(name)
            inner = ROOT / "src" / name
            if inner.exists():
                _closure(inner, seen)
    return seen


def test_the_planner_is_pure():
    """The planner sees neither libnl nor stdio, and calls nothing that prints or does I/O."""
    for file in FILES:
        if not re.match(r"(plan|predict|diff|holding)[._]", file.name):
            continue
        assert "stdio.h" not in includes(file), file.name
        assert not any(n.startswith("netlink/") for n in _closure(file)), file.name
        text = re.sub(r"/\*.*?\*/", "", file.read_text(), flags=re.S)
        for word in ["printf(", "fprintf(", "open(", "openat(", "socket(", "kernel_"]:
            assert not re.search(rf"(?<![\w]){re.escape(word)}", text), f"{file.name}: {word}"


def test_only_kind_c_names_the_kinds():
    kinds = {f.stem for f in FILES if f.name.startswith("kind_")}
    for file in FILES:
        if file.name in ("kind.c", "kind.h") or file.stem in kinds:
            continue
        text = re.sub(r"/\*.*?\*/", "", file.read_text(), flags=re.S)
        for kind in kinds:
            assert not re.search(rf"\b{kind}\b", text), f"{file.name} names {kind}"


def test_libraries_do_not_print_or_exit():
    for file in FILES:
        if file.suffix != ".c" or layer(file.name) < 2 or file.name.startswith(("error", "memory")):
            continue
        text = re.sub(r"/\*.*?\*/", "", file.read_text(), flags=re.S)
        words = ["printf", "puts", "perror", "exit", "_exit"]
        if file.name == "kernel_start.c":  # what ends there is a child of its own
            words.remove("_exit")
        for word in words:
            assert not re.search(rf"(?<!\w){word}\(", text), f"{file.name}: {word}"


def functions(text):
    """(name, lines, the comment above) of each function: what begins at the left margin, with the
    kernel's brace on a line of its own."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if line != "{":
            continue
        head = number
        while head > 0 and lines[head - 1] and not re.match(r"[{}#/ ]|.*[;}]$|.*\*/$", lines[head - 1]):
            head -= 1
        name = re.search(r"(\w+)\(", " ".join(lines[head:number]))
        if not name:
            continue
        end = number
        while lines[end] != "}" and end + 1 < len(lines) and not lines[end].startswith("}"):
            end += 1
        comment = head
        while comment > 0 and re.match(r"(/\*| \*|.*\*/$)", lines[comment - 1]):
            comment -= 1
        yield name.group(1), end - number - 1, "\n".join(lines[comment:head])


@pytest.mark.parametrize("file", [f for f in FILES if f.suffix == ".c"], ids=lambda f: f.name)
def test_sizes(file):
    """A function over 60 lines says why in its comment ("long: ..."), and so does a long file."""
    text = file.read_text()
    for name, size, comment in functions(text):
        assert size <= 60 or "long:" in comment.lower(), f"{file.name}: {name}() has {size} lines"
    is_table = text.count(".key = ") > 10
    assert is_table or len(text.splitlines()) <= 500, f"{file.name} is too long"


def test_functions_are_seen():
    text = "\n/* long: a table */\nstatic int f(int a,\n\t     int b)\n{\n" + "\tx();\n" * 70 + "}\n"
    assert list(functions(text)) == [("f", 70, "/* long: a table */")]


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.name)
def test_beginning(file):
    lines = file.read_text().splitlines()
    assert lines[0] == "/* SPDX-License-Identifier: MIT */"
    assert lines[1].startswith("/* ") or file.suffix == ".h"


def test_no_default_in_switches_over_own_enums():
    """-Wswitch-enum sees a forgotten enumerator only where no default hides it."""
    for file in FILES:
        text = file.read_text()
        for match in re.finditer(r"switch \(([^)]*)\) \{(.*?)\n\t*\}", text, re.S):
            body = match.group(2)
            if re.search(r"case (ATTR|WIRE|OP|ACTION|OBJECT|NODE|NETNS|SEVERITY)_\w+:", body):
                assert "default:" not in body, f"{file.name}: switch ({match.group(1)})"
