# SPDX-License-Identifier: MIT
"""From samples to RESULTS.md: the targets, the figures, and the plot of how they grow."""
import dataclasses
import datetime
import math
import os
import pathlib
import platform
import re
import statistics
import subprocess

import measure

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Results:
    def __init__(self, rounds):
        self.rounds = rounds
        self.load = f"{os.getloadavg()[0]:.1f}"
        self.series = {}  # (kind, n) -> measure.Series
        self.offline = {}
        self.instructions = {}
        self.calls, self.calls_n = {}, 0
        self.profile, self.profile_n = {}, 0
        self.prices = (0, 0)  # of a page fault and of a system call, in microseconds
        self.starts = {}  # by who: seconds until the command of --run begins

    def calls_each(self, who):
        """System calls for each namespace."""
        return sum(self.calls[who].values()) / self.calls_n

    def sizes(self, kind):
        return sorted(n for k, n in self.series if k == kind)

    def both(self, kind):
        """The series that targets are about: N = 100 and 1000, or what comes nearest."""
        return list({s.n: s for s in (self.at(kind, 100), self.at(kind, 1000))}.values())

    def at(self, kind, wanted):
        """The series of this size, or of the size that comes nearest."""
        n = min(self.sizes(kind), key=lambda n: abs(math.log(n / wanted)))
        return self.series[kind, n]

    def growth(self, kind, who, work, field="wall"):
        """The exponent: the slope of the line through the medians, both axes being logarithms."""
        points = [(math.log(n), math.log(self.series[kind, n].median(who, work, field)))
                  for n in self.sizes(kind)]
        mean_x, mean_y = (sum(p[i] for p in points) / len(points) for i in (0, 1))
        return (sum((x - mean_x) * (y - mean_y) for x, y in points) /
                sum((x - mean_x) ** 2 for x, _ in points))


@dataclasses.dataclass
class Target:
    work: str
    target: str
    figure: str
    met: bool
    why: str = ""  # where it is not met: what the time goes to


# --- the targets -----------------------------------------------------------------------------

def at_most(work, limit, value, unit=" times", digits=2):
    return Target(work, f"at most {limit}{unit}", f"{value:.{digits}f}{unit}", value <= limit)


def _of_cpu(target, s, a, b):
    """The same in CPU, which tells more where the machine had other things to do."""
    if all(x.cpu > 0 for who in (a, b) for x in s.samples[who]):
        target.figure += f" (of CPU {s.ratio(a, b, 'cpu'):.2f})"
    return target


def _slower(work, limit, s, a, b):
    return _of_cpu(at_most(work, limit, s.ratio(a, b)), s, a, b)


def _faster(work, limit, s, a, b):
    value = s.ratio(a, b)
    return _of_cpu(Target(work, f"at least {limit} times faster", f"{value:.1f} times",
                          value >= limit), s, a, b)


def _because(target, why):
    target.why = why
    return target


def _floor_is_near(s, work):
    floor = s.ratio(("ip -batch", work), ("floor", work))
    return (f"The floor itself is {floor:.1f} times as fast as `ip -batch` here: what the kernel "
            "does for each thing costs all of them the same.")


def _faults(r, s, who, work):
    """What memory that is touched for the first time costs."""
    faults = s.median(who, work, "faults")
    return f"{faults:,.0f} page faults ({_number(faults * r.prices[0] / 1e6)} ms here)"


def _beyond_floor(r, s, work):
    """What the floor does not do."""
    more = s.median("nsapply", work, "cpu") - s.median("floor", "create", "cpu")
    return (f"It takes {_number(more)} ms of CPU more. To parse, check and plan the file, which needs "
            f"no kernel, takes {_number(s.median('offline', 'plan', 'cpu'))} ms. Partly the same: "
            f"it has {_faults(r, s, 'nsapply', work)}, the floor "
            f"{_faults(r, s, 'floor', 'create')}; without verification "
            f"{r.calls_each('create'):.1f} system calls a namespace, the floor "
            f"{r.calls_each('floor: create'):.1f}, the cheapest being {r.prices[1]:.2f} µs here.")


def _file_alone(r, s):
    """What stands before the kernel can be read."""
    all_tables = s.ratio(("floor", "read-all"), ("floor", "read"))
    return (f"Routes of other tables are pruned as well, so all tables are read: that takes the "
            f"floor {all_tables:.2f} times as long. And the file comes first: to parse, check and "
            f"plan it takes {_number(s.median('offline', 'plan', 'cpu'))} ms in one thread, with "
            f"{_faults(r, s, 'offline', 'plan')}; libyaml's part is "
            f"{_number(s.median('libyaml', 'parse', 'cpu'))} ms. "
            "What is left of the time is the kernel's answers, in as many threads as there are "
            "processors.")


def _routes_alone(r, s, floor):
    """What a file of many lines costs, and what is left of the time."""
    parse, offline = s.median("libyaml", "parse"), s.median("offline", "plan")
    bare = s.median("floor", floor)
    return (f"libyaml alone, that does nothing with what it parses, takes {_number(parse)} ms for "
            f"this file, and all of nsapply's work on the file, without a kernel, "
            f"{_number(offline)} ms, with {_faults(r, s, 'offline', 'plan')}: {offline / bare:.1f} times as long as all that the floor does "
            f"({_number(bare)} ms).")


def _create(r):
    plain, verified = ("nsapply", "create"), ("nsapply", "create, verified")

    for s in r.both("chain"):
        for how, own, limit in (("without verification", plain, 1.15), ("verified", verified, 1.3)):
            yield _because(_slower(f"create, chain, N = {s.n}, {how}, against the floor", limit,
                                   s, own, ("floor", "create")), _beyond_floor(r, s, own[1]))
    for kind, limit in (("chain", 3.5), ("star", 4)):
        for s in r.both(kind):
            yield _because(
                _faster(f"create, {kind}, N = {s.n}, verified, against nsenter and `ip -batch`",
                        limit, s, ("ip -batch", "create"), verified), _floor_is_near(s, "create"))
    s = r.at("chain", 100)
    for who, limit in (("pyroute2", 8), ("mininet", 20)):
        if s.has(who, "create"):
            yield _faster(f"create, chain, N = {s.n}, verified, against {who}", limit,
                          s, (who, "create"), verified)


def _read(r):
    s = r.at("chain", 1000)
    for work in ("no-op", "plan"):
        yield _because(_slower(f"{work}, chain, N = {s.n}, against the floor's bare read", 1.3,
                               s, ("nsapply", work), ("floor", "read")), _file_alone(r, s))
    yield _slower(f"one attribute changed, N = {s.n}, against a no-op", 1.1,
                  s, ("nsapply", "change"), ("nsapply", "no-op"))


def _destroy(r):
    """The kernel does the most of it in the background, in nobody's CPU time."""
    for kind in ("chain", "star"):
        for s in r.both(kind):
            target = at_most(f"destroy, {kind}, N = {s.n}, until really gone, against `ip -batch`",
                             1.05, s.ratio(("nsapply", "destroy"), ("ip -batch", "destroy")))
            cpu, whole = (s.median("nsapply", "destroy", field) for field in ("cpu", "wall"))
            floor = s.ratio(("floor", "destroy"), ("ip -batch", "destroy"))
            yield _because(target, f"nsapply's own CPU is {_number(cpu)} of {_number(whole)} ms. It takes "
                           "all names away before it lets go of the first namespace (all or none), "
                           "so the kernel begins only then, where the others have it begin at once. "
                           f"The floor is at {floor:.2f} times.")


def _routes(r):
    s = r.at("routes", 100000)
    yield _because(_slower(f"{s.n:,} routes: add, against raw netlink", 1.25,
                           s, ("nsapply", "add"), ("floor", "add")), _routes_alone(r, s, "add"))
    yield _because(_slower(f"{s.n:,} routes: no-op, against raw netlink", 1.5,
                           s, ("nsapply", "no-op"), ("floor", "read")), _routes_alone(r, s, "read"))


def _grows(r, kind, work, limit):
    sizes = r.sizes(kind)
    target = at_most(f"growth exponent of {work}, {kind}, N = {sizes[0]} to {sizes[-1]}", limit,
                     r.growth(kind, "nsapply", work), unit="")
    of_floor = "read" if work == "no-op" else work
    target.figure += (f" (of CPU {r.growth(kind, 'nsapply', work, 'cpu'):.2f}; "
                      f"the floor's {r.growth(kind, 'floor', of_floor):.2f})")
    return target


def _growth(r):
    for work, limit in (("create", 1.1), ("no-op", 1.05), ("destroy", 1.05)):
        yield _grows(r, "chain", work, limit)
    yield _grows(r, "star", "create", 1.2)


def _memory(r):
    small, chain, routes = r.at("chain", 100), r.at("chain", 1000), r.at("routes", 100000)
    each = ((chain.memory("nsapply", "create") - small.memory("nsapply", "create")) /
            max(1, chain.n - small.n))
    for s, what, limit in ((chain, f"chain, N = {chain.n}", 10),
                           (routes, f"{routes.n:,} routes", 60)):
        worst = max((w for who, w in s.samples if who == "nsapply"),
                    key=lambda w: s.memory("nsapply", w))
        target = at_most(f"peak memory, {what}", limit, s.memory("nsapply", worst) / 1024,
                         " MiB", 1)
        target.figure += f" ({worst})"
        yield _because(target, f"A namespace with its ten objects takes {each:.1f} KiB: in the "
                       "file, in the goal, in what there is and in the record.")


def _objects(kind, n):
    import labs
    return getattr(labs, kind)(n).objects()


def _offline(r):
    names = {"cables": "namespaces and cables", "chain": "namespaces of a chain"}
    for kind, what in names.items():
        n = max(n for k, n in r.offline if k == kind)
        small = min(n for k, n in r.offline if k == kind)
        objects = {m: _objects(kind, m) for m in (n, small)}
        each = {m: r.offline[kind, m].median("offline", "plan", "cpu") / objects[m] * 1e6
                for m in (n, small)}
        done = {m: r.instructions[kind, m] / objects[m] for m in (n, small)}
        libyaml = r.offline[kind, n].median("libyaml", "parse", "cpu") / objects[n] * 1e6
        faults = r.offline[kind, n].median("offline", "plan", "faults") / objects[n]
        target = at_most(f"parse and plan alone, {n:,} {what} ({objects[n]:,} objects), "
                         "CPU each object", 4, each[n], " µs")
        target.figure += (f" ({done[n]:,.0f} instructions; N = {small:,}: {each[small]:.2f} µs, "
                          f"{done[small]:,.0f})")
        yield _because(target, f"libyaml alone takes {libyaml:.2f} µs of it, page faults "
                       f"{faults * r.prices[0]:.2f} µs ({faults:.2f} each object). The instructions are "
                       "as many on any day, and the machine does more or fewer of them in the time: "
                       f"{done[n] / each[n] / 1000:.1f} in a nanosecond, of this.")


def _threads(r):
    if not r.at("chain", 100).has("one processor", "create"):
        return
    small, large = r.at("chain", 100), r.at("chain", 1000)
    # Only what is read is read in threads: making things waits for one lock of the kernel, RTNL.
    for work, limit in (("create", 1.05), ("plan", 0.95)):
        values = [s.ratio(("nsapply", work), ("one processor", work)) for s in (small, large)]
        yield Target(f"threads, {work}: against nsapply on one processor",
                     f"N = {small.n}: at most 1.05 times; N = {large.n}: at most {limit}",
                     f"{values[0]:.2f}, {values[1]:.2f} times",
                     values[0] <= 1.05 and values[1] <= limit)


def _profile(r):
    if r.profile:
        target = at_most(f"create, N = {r.profile_n}: share of user space", 10,
                         r.profile["nsapply"]["user space"], " %", 1)
        yield _because(target, f"Of the floor, which does nothing but call the kernel, it is "
                       f"{r.profile['floor']['user space']:.1f} %: entering the kernel counts as well.")
    count = {who: r.calls_each(who) for who in r.calls}
    for work in ("no-op", "plan"):
        target = at_most(f"system calls of {work}, N = {r.calls_n}, against the floor's read", 1.5,
                         count[work] / count["floor: read"])
        target.figure += f" ({count[work]:.1f} a namespace, the floor {count['floor: read']:.1f})"
        yield target


def _start(r):
    own = r.starts["nsapply"]
    ratio = {who: statistics.median(x / y for x, y in zip(other, own))
             for who, other in r.starts.items()}
    yield Target("the command of --run begins, crossover.yaml, against unshare and a script",
                 "at least 3 times faster",
                 f"{ratio['script']:.1f} times (a script of `ip -batch`: {ratio['ip -batch']:.1f})",
                 ratio["script"] >= 3)


def targets(r):
    for part in (_create, _read, _destroy, _routes, _growth, _memory, _offline, _threads,
                 _profile, _start):
        yield from part(r)


# --- the page --------------------------------------------------------------------------------

def table(head, rows):
    def line(cells):
        return "| " + " | ".join(cells) + " |"
    return "\n".join([line(head), line(["---"] * len(head)), *map(line, rows)])


def _number(seconds):
    return f"{seconds * 1000:.0f}" if seconds >= 0.1 else f"{seconds * 1000:.1f}"


COLUMNS = ("nsapply", "floor", "ip -batch", "libyaml", "offline", "pyroute2", "mininet")
WORKS = {"create": "create, unverified", "create, verified": "create", "read": "bare read",
         "read-all": "bare read, all tables", "parse": "libyaml alone",
         "plan": "`--plan`", "no-op": "no-op apply", "change": "one attribute changed",
         "destroy": "destroy until gone", "add": "add, unverified", "add, verified": "add",
         "delete": "delete", "validate": "`--validate`"}


def _cell(series, who, work):
    if not series.has(who, work):
        return ""
    wall = _number(series.median(who, work))
    if not series.memory(who, work):  # mininet, which tells only how long it took
        return wall
    return (f"{wall} ({_number(series.median(who, work, 'cpu'))}, "
            f"{series.memory(who, work) / 1024:.1f} MiB)")


def _figures(series):
    who = [w for w in COLUMNS if any(w == x for x, _ in series.samples)]
    rows = []
    for work, name in WORKS.items():
        cells = [_cell(series, w, work) for w in who]
        if any(cells):
            rows.append([name, *cells])
    return table([f"{series.kind}, N = {series.n:,}", *who], rows)


def _said(*command, default="?"):
    try:
        return subprocess.run(command, capture_output=True, check=True, text=True,
                              cwd=ROOT).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return default


def _machine(r):
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        model = re.search(r"model name\s*: (.*)", f.read())
    with open("/proc/meminfo", encoding="utf-8") as f:
        memory = int(re.search(r"MemTotal: +(\d+)", f.read()).group(1)) / 1024 / 1024
    with open("/etc/os-release", encoding="utf-8") as f:
        system = re.search(r'PRETTY_NAME="(.*)"', f.read()).group(1)
    commit = _said("git", "rev-parse", "--short=12", "HEAD")
    if _said("git", "status", "--porcelain", "--untracked-files=no", "--", "src"):
        commit += ", with changes"
    return table(["", ""], [
        ["machine", f"{model.group(1) if model else platform.machine()}, {os.cpu_count()} "
                    f"processors, {memory:.0f} GiB of memory"],
        ["kernel", platform.release()],
        ["system", system],
        ["compiler", _said("cc", "--version").split("\n", 1)[0] + ", `--buildtype=release`"],
        ["iproute2", _said("ip", "-V").replace("ip utility, iproute2-", "")],
        ["a page fault, a system call", f"{r.prices[0]:.2f} µs, {r.prices[1]:.2f} µs (`price.c`)"],
        ["load before the run", r.load],
        ["date", datetime.date.today().isoformat()],
        ["commit", commit],
    ])


INTRO = """\
# Benchmark

Made by `tests/bench/run`; do not edit. What is measured, how, and how to repeat it stands below.
"""

HOW = """\
## What is measured, and how

    tests/bench/run             # everything; writes this page and the plot
    tests/bench/run --quick     # small labs and few rounds, to the terminal
    tests/bench/run --calls     # only the system calls, counted

- **chain**: N namespaces in a row, in both families, forwarding, with static routes to both ends.
  **star**: N namespaces on one bridge. **routes**: a namespace with that many static routes.
  **cables**: N namespaces and N cables, and nothing else. `labs.py` has them all.
- **nsapply**: all of it, from the start of the process to its end: YAML, checks, plan, record.
- **floor**: raw netlink in C (`floor.c`), the cheapest sequence of requests known, in one thread,
  with nothing parsed, checked, recorded or compared. Its read is one dump each of links, addresses
  and the main tables of both families, and the two forwarding switches. (nsapply has to read the
  other tables as well, since it prunes them; so does the floor in its "bare read, all tables".)
- **libyaml**: `offline --yaml`, that has libyaml parse nsapply's file and does nothing else.
  **offline**: nsapply's own parser, checks and planner, for a machine that has nothing of it.
- **ip -batch**: one `ip -batch` for namespaces and cables, then for each namespace one
  `nsenter sh -c '...; exec ip -batch'`. **pyroute2** and **mininet**: `with_pyroute2.py`,
  `with_mininet.py`.
- iproute2 checks before anything is timed that all of them make the same network (mininet: that no
  command of it complains).
- Everybody takes turns, to and fro, {rounds} rounds, with labs of up to {small} namespaces nsapply and
  the floor {more} rounds. Figures are medians in milliseconds of wall clock, and in brackets of CPU;
  ratios are medians of the ratios of each round. Peak memory (in brackets as well) is the most of
  all rounds.
- *Until gone*: destroying returns while the kernel still takes the namespaces down. The clock
  stops when its worker falls idle.
- *Parse and plan alone* is `offline.c`: no kernel. Instructions are callgrind's. An object is a
  namespace, a cable, an address or a route.
- *Until the command begins*: as a user without privilege. nsapply --run, beside `unshare --user
  --net --mount` and a shell that makes the same network with one ip for each thing, or with one
  `ip -batch` for each namespace (`start.py` has the scripts). The scripts make no pid namespace and
  no /proc, and wait for nothing.
- *On one processor* is `taskset -c 0`: where threads help it is slower, elsewhere it is not faster.
"""


def _profile_text(r):
    if not r.profile:
        return ""
    rows = [[part, *(f"{r.profile[who][part]:.1f} %" for who in r.profile)]
            for part in r.profile["nsapply"]]
    return (f"## Where create spends its time (perf, chain, N = {r.profile_n})\n\n"
            + table(["part", *r.profile], rows) + "\n\n")


def start_text(starts):
    rows = [[who, *(_number(value) for value in
                    (statistics.median(took), min(took), max(took)))] for who, took in starts.items()]
    rounds = len(starts["nsapply"])
    return (f"## Until the command of --run begins (ms, crossover.yaml, {rounds} rounds)\n\n"
            + table(["", "median", "least", "most"], rows) + "\n\n")


def calls_text(r):
    names = sorted({n for calls in r.calls.values() for n in calls},
                   key=lambda n: (-max(c.get(n, 0) for c in r.calls.values()), n))
    rows = [[n, *(f"{r.calls[who].get(n, 0) / r.calls_n:.2f}" for who in r.calls)]
            for n in names if max(c.get(n, 0) for c in r.calls.values()) >= r.calls_n / 2]
    rows.append(["all", *(f"{r.calls_each(who):.2f}" for who in r.calls)])
    return (f"## System calls for each namespace (strace, chain, N = {r.calls_n})\n\n"
            + table(["call", *r.calls], rows) + "\n\n")


def _why_text(missed):
    if not missed:
        return ""
    return "## Why some are not met\n\n" + "\n".join(
        f"- {t.work}: {t.figure}. {t.why}".rstrip() for t in missed) + "\n"


def markdown(r):
    all_targets = list(targets(r))
    rows = [[t.work, t.target, t.figure, "met" if t.met else "**not met**"] for t in all_targets]
    figures = "\n\n".join(_figures(s) for s in r.series.values())
    return "\n".join([
        INTRO, _machine(r), "", "## Targets", "", table(["work", "target", "figure", ""], rows), "",
        _why_text([t for t in all_targets if not t.met]),
        "## Figures", "", figures, "", "## Growth", "", "![growth](growth.svg)", "",
        _profile_text(r) + calls_text(r) + start_text(r.starts) +
        HOW.format(rounds=r.rounds, small=measure.SMALL_LAB,
                   more=measure.MORE_ROUNDS * r.rounds)])


# --- the plot --------------------------------------------------------------------------------

LINES = [("nsapply", "create", "nsapply: create, unverified"),
         ("floor", "create", "floor: create"),
         ("ip -batch", "create", "ip -batch: create"),
         ("nsapply", "destroy", "nsapply: destroy until gone"),
         ("ip -batch", "destroy", "ip -batch: destroy until gone"),
         ("nsapply", "no-op", "nsapply: no-op apply"),
         ("nsapply", "plan", "nsapply: --plan"),
         ("floor", "read", "floor: bare read")]
COLORS = {"nsapply": "#1f77b4", "floor": "#555555", "ip -batch": "#d62728"}
POINTS = {"create": 7, "destroy": 5, "no-op": 9, "plan": 8, "read": 9}


def plot(r, file):
    sizes = r.sizes("chain")
    script = ["set terminal svg size 860,640 font 'sans,12' background '#ffffff'",
              f"set output '{file}'", "set logscale xy", "set key outside bottom center maxcols 3",
              "set title 'chain: time over the number of namespaces'", "set grid",
              "set xlabel 'namespaces'", "set ylabel 'seconds of wall clock, median'",
              "set xtics (" + ", ".join(f"'{n}' {n}" for n in sizes) + ")",
              f"set xrange [{sizes[0] * .9}:{sizes[-1] * 1.1}]"]
    curves, data = [], []
    for who, work, title in LINES:
        curves.append(f"'-' with linespoints lc rgb '{COLORS[who]}' pt {POINTS[work]} "
                      f"title '{title}'")
        data += [f"{n} {r.series['chain', n].median(who, work)}" for n in sizes] + ["e"]
    script.append("plot " + ", ".join(curves))
    subprocess.run(["gnuplot"], input="\n".join(script + data) + "\n", text=True, check=True)


def write(r, folder):
    folder.mkdir(parents=True, exist_ok=True)
    plot(r, folder / "growth.svg")
    (folder / "RESULTS.md").write_text(markdown(r), encoding="utf-8")
    print(f"wrote {folder}/RESULTS.md and growth.svg")
