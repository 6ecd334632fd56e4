#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What nsapply asks of the kernel and of the allocator, counted: system calls, netlink requests
(changes, dumps, questions), heap allocations. Counts do not depend on how fast or busy a machine
is, so a test (test_counts.py) can compare them with those in counts.json.

Each is taken for two sizes of a lab. The difference, divided, is what one more namespace (or route)
costs: "each". The rest, which no lab can avoid, is "fixed".

    tests/e2e/counts.py        as root: prints the figures and writes them to counts.json
"""
import json
import os
import pathlib
import re
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "bench")]

import labs  # noqa: E402
from box import BUILD, NSAPPLY, Box  # noqa: E402

FILE = HERE / "counts.json"
PRELOADED = BUILD / "tests" / "libcounted.so"
SIZES = {"chain": (10, 30), "star": (10, 30), "routes": (200, 600)}
# Which share more than committed is too much. Requests are nsapply's alone. System calls are also
# libc's and depend a little on how the kernel cuts its answers; allocations are also libyaml's.
TOLERANCE = {"changes": 0.0, "dumps": 0.0, "questions": 0.0, "calls": 0.03, "allocations": 0.05}
# And how many of the fixed ones: other versions of libraries, another machine's sysctls.
TOLERANCE_FIXED = {"changes": 2, "dumps": 2, "questions": 4, "calls": 150, "allocations": 300}


def counts_are_possible():
    with open(NSAPPLY, "rb") as f:
        return b"__asan_init" not in f.read()


def _strace(box, command):
    """Calls that were not just begun again (the kernel's way to wait for the lock of rtnetlink)."""
    log = box.tmp / "strace"
    # Destroy looks at every process: here there are just its own.
    box.run("unshare", "--pid", "--fork", "--mount-proc", "--propagation", "unchanged",
            "strace", "-f", "-qq", "-o", log, *command, status=None)
    calls = re.findall(r"^\d+ +\w+\((?!.*ERESTART).*$", log.read_text(errors="replace"), re.M)
    return {"calls": len(calls)}


def _preload(box, command):
    told = box.tmp / "told"
    box.run(*command, status=None, env={"LD_PRELOAD": str(PRELOADED), "NSAPPLY_COUNTS": str(told)})
    return {what: int(n) for what, n in (line.split() for line in told.read_text().splitlines())}


def _works(file, changed):
    """What is done with a lab, in turn; `changed` takes the file's place for a moment."""
    # How much of it is not ready at once depends on how busy the machine is.
    yield "create", [NSAPPLY, "-q", "--wait", "0", file]
    yield None, [NSAPPLY, "-q", file]
    yield "no-op", [NSAPPLY, "-q", file]
    yield "plan", [NSAPPLY, "--plan", file]
    if changed:
        original = file.read_text()
        file.write_text(changed)
        yield "change", [NSAPPLY, "-q", "--wait", "0", file]
        file.write_text(original)
        yield None, [NSAPPLY, "-q", file]
    yield "destroy", [NSAPPLY, "-q", "--destroy", file]


def _count(box, kind, n):
    lab = getattr(labs, kind)(n)
    file = box.tmp / "lab.yaml"
    changed = labs.topology(lab, lab.names()[0]) if kind != "routes" else None
    counts = {}
    box.sh("ip netns add x; ip netns delete x")  # _strace()'s mounts come here from now on
    for by in (_strace, _preload):
        file.write_text(labs.topology(lab))
        for work, command in _works(file, changed):
            counted = by(box, command)
            if work:
                counts.setdefault(work, {}).update(counted)
    return counts


def measure(box, kind):
    """{work: {what: {"each": ..., "fixed": ...}}}"""
    small, large = SIZES[kind]
    low, high = _count(box, kind, small), _count(box, kind, large)
    figures = {}
    for work, counted in high.items():
        figures[work] = {}
        for what, n in counted.items():
            each = (n - low[work][what]) / (large - small)
            figures[work][what] = {"each": round(each, 3), "fixed": round(n - each * large)}
    return figures


def excesses(kind, figures, committed):
    """What is more than committed, in words."""
    for work, counted in figures.items():
        for what, now in counted.items():
            before = committed[kind][work][what]
            if now["each"] > before["each"] * (1 + TOLERANCE[what]) + 0.02:
                yield (f"{kind}, {work}: {now['each']:g} {what} for each "
                       f"{'route' if kind == 'routes' else 'namespace'}, was {before['each']:g}")
            if now["fixed"] > before["fixed"] + TOLERANCE_FIXED[what]:
                yield f"{kind}, {work}: {now['fixed']} {what} fixed, were {before['fixed']}"


def main():
    figures = {}
    for kind in SIZES:
        with tempfile.TemporaryDirectory(prefix="nsapply-counts-") as folder:
            box = Box(folder)
            try:
                figures[kind] = measure(box, kind)
            finally:
                box.close()
    lines = json.dumps(figures, indent=1)
    # One line for each count, not three.
    lines = re.sub(r'\{\s+"each": ([\d.-]+),\s+"fixed": (-?\d+)\s+\}',
                   r'{"each": \1, "fixed": \2}', lines)
    FILE.write_text(lines + "\n")
    print(lines)


if __name__ == "__main__":
    os.chdir(HERE.parents[1])
    main()
