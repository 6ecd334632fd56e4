# SPDX-License-Identifier: MIT
"""Runs commands and tells what they took, and makes, reads and removes labs with all that are
compared, in turn, so that what disturbs the machine disturbs all of them."""
import collections
import dataclasses
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import time

import labs

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
HOST_PROC = "/run/host-proc"  # of before we had process numbers of our own: run, enter_own()


@dataclasses.dataclass
class Sample:
    wall: float  # seconds, as the next two
    user: float
    system: float
    memory: int  # peak, KiB
    faults: int  # of pages

    @property
    def cpu(self):
        return self.user + self.system


class Tools:
    """The programs, in a build that is optimised."""

    def __init__(self, build):
        self.nsapply = str(build / "nsapply")
        self.floor = str(build / "tests" / "bench" / "floor")
        self.timed = str(build / "tests" / "bench" / "timed")
        self.offline = str(build / "tests" / "bench" / "offline")
        self.price = str(build / "tests" / "bench" / "price")

    def run(self, *command, expect=(0,), wait=False):
        """A Sample. wait: the time is until the kernel is done with what goes in the background."""
        reading, writing = os.pipe()
        os.set_inheritable(writing, True)
        try:
            done = subprocess.run([self.timed, str(writing), *map(str, command)],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                  pass_fds=[writing], check=False)
        finally:
            os.close(writing)
        with os.fdopen(reading) as f:
            said = f.read().split()
        if len(said) != 7 or int(said[6]) not in expect:
            raise RuntimeError(f"{' '.join(map(str, command))}: {' '.join(said[6:])} "
                               f"{done.stderr.decode()[-2000:]}")
        sample = Sample(*map(float, said[:3]), *map(int, said[3:5]))
        if wait:
            sample.wall += max(0, self.settle() - float(said[5]))
        return sample

    def settle(self):
        """When the kernel had taken down the last namespace, by the monotonic clock."""
        return float(subprocess.check_output([self.floor, "settle", HOST_PROC]))

    def prices(self):
        """Of a page fault and of a system call on this machine, in microseconds."""
        return [float(f) for f in subprocess.check_output([self.price]).split()]


class Series:
    """What one lab took: by who and by work, a Sample each round."""

    def __init__(self, kind, n):
        self.kind, self.n = kind, n
        self.samples = collections.defaultdict(list)

    def add(self, who, work, sample):
        self.samples[who, work].append(sample)

    def has(self, who, work):
        return (who, work) in self.samples

    def median(self, who, work, field="wall"):
        return statistics.median(getattr(s, field) for s in self.samples[who, work])

    def memory(self, who, work):
        return max(s.memory for s in self.samples[who, work])

    def ratio(self, a, b, field="wall"):
        """The median of the ratios, round by round. a, b: (who, work)."""
        return statistics.median(getattr(x, field) / getattr(y, field)
                                 for x, y in zip(self.samples[a], self.samples[b]))


# --- labs in the kernel ----------------------------------------------------------------------

class Cycle:
    """One lab, and how each of those that are compared makes and removes it once."""

    def __init__(self, tools, kind, n, folder, series):
        self.tools, self.kind, self.n, self.folder, self.series = tools, kind, n, folder, series
        self.file, self.keep = folder / "lab.yaml", folder / "keep.yaml"
        self.pinned = os.cpu_count() > 1

    def take(self, who, work, *command, **kw):
        self.series.add(who, work, self.tools.run(*command, **kw))

    def by_floor(self):
        for work in ("create", "read", "read-all", "destroy"):
            self.take("floor", work, self.tools.floor, self.kind, work, self.n,
                      wait=work == "destroy")

    def by_nsapply(self):
        """Both kinds of create; what follows is done with what the second has made."""
        nsapply, file = self.tools.nsapply, self.file
        self.take("nsapply", "create, verified", nsapply, "-q", file)
        self.tools.run(nsapply, "-q", "--destroy", file, wait=True)
        self.take("nsapply", "create", nsapply, "-q", "--no-verify", file)
        self.take("nsapply", "plan", nsapply, "--plan", file)
        self.take("nsapply", "no-op", nsapply, "-q", file)
        self.take("libyaml", "parse", self.tools.offline, "--yaml", file)
        self.take("offline", "plan", self.tools.offline, file)
        self.swap()
        self.take("nsapply", "change", nsapply, "-q", file)
        self.swap()
        self.take("nsapply", "destroy", nsapply, "-q", "--destroy", file, wait=True)

    def swap(self):
        """The changed lab goes by the same file name: it is the same lab."""
        changed = self.folder / "changed.yaml"
        self.file.rename(self.keep)
        changed.rename(self.file)
        self.keep.rename(changed)

    def by_nsapply_on_one_processor(self):
        one = ("taskset", "-c", "0", self.tools.nsapply)
        self.take("one processor", "create", *one, "-q", "--no-verify", self.file)
        self.take("one processor", "plan", *one, "--plan", self.file)
        self.take("one processor", "destroy", *one, "-q", "--destroy", self.file, wait=True)

    def by_batch(self):
        self.take("ip -batch", "create", "sh", self.folder / "create.sh")
        self.take("ip -batch", "destroy", "sh", self.folder / "destroy.sh", wait=True)

    def by_pyroute2(self):
        for work in ("create", "destroy"):
            self.take("pyroute2", work, HERE / "with_pyroute2.py", work, self.folder / "lab.json",
                      wait=work == "destroy")

    def by_mininet(self):
        """It tells itself what making took: taking away is a part of the same process."""
        start = time.monotonic()
        said = subprocess.run([HERE / "with_mininet.py", self.folder / "lab.json", str(start)],
                              capture_output=True, check=True, text=True).stdout
        made = float(said.split()[-1])
        self.series.add("mininet", "create", Sample(made, 0, 0, 0, 0))
        gone = self.tools.settle() - start - made
        self.series.add("mininet", "destroy", Sample(gone, 0, 0, 0, 0))


# A lab so small takes a tenth of a second, and a neighbour's busy moment would be a part of all its rounds.
SMALL_LAB = 200
MORE_ROUNDS = 4  # times


def measure(tools, kind, n, others, folder, rounds):
    """`others`: names of the by_... above. Of small labs there are more rounds, without the others."""
    lab = getattr(labs, kind)(n)
    labs.write(lab, folder, changed=lab.names()[n // 2])
    cycle = Cycle(tools, kind, n, folder, Series(kind, n))
    parts = [cycle.by_floor, cycle.by_nsapply]
    if cycle.pinned:
        parts.append(cycle.by_nsapply_on_one_processor)
    all_parts = parts + [getattr(cycle, name) for name in others]
    for number in range(rounds * (MORE_ROUNDS if n <= SMALL_LAB else 1)):
        # To and fro: nobody always comes after the same.
        some = all_parts if number < rounds else parts
        for part in some if number % 2 == 0 else reversed(some):
            part()
    return cycle.series


# --- do all make the same? -------------------------------------------------------------------

def _look(names):
    """What iproute2 sees, without what differs each time: hardware addresses, indexes, and
    addresses made of them."""
    def ip(name, *args):
        out = subprocess.check_output(["ip", "-n", name, "-j", *args])
        return json.loads(out or b"[]")

    seen = {}
    for name in names:
        addresses = [(a["ifname"], "UP" in a["flags"], a.get("master"), a["mtu"],
                      sorted((i["local"], i["prefixlen"]) for i in a["addr_info"]
                             if i["scope"] != "link"))
                     for a in ip(name, "address")]
        routes = [(r["dst"], r.get("gateway"), r["dev"])
                  for family in ("-4", "-6") for r in ip(name, family, "route")
                  if not r["dst"].startswith("fe80")]
        forwarding = subprocess.check_output(
            ["ip", "netns", "exec", name, "sysctl", "-n", "net.ipv4.ip_forward",
             "net.ipv6.conf.all.forwarding"])
        seen[name] = (sorted(addresses), sorted(routes, key=repr), forwarding)
    return seen


def check_alike(tools, kind, others, folder, n=6):
    """Ends the run where those that are compared make different networks."""
    lab = getattr(labs, kind)(n)
    labs.write(lab, folder)
    makers = {
        "nsapply": ([tools.nsapply, "-q", folder / "lab.yaml"],
                    [tools.nsapply, "-q", "--destroy", folder / "lab.yaml"]),
        "floor": ([tools.floor, kind, "create", str(n)], [tools.floor, kind, "destroy", str(n)]),
        "ip -batch": (["sh", folder / "create.sh"], ["sh", folder / "destroy.sh"]),
    }
    if "by_pyroute2" in others:
        makers["pyroute2"] = tuple([HERE / "with_pyroute2.py", verb, folder / "lab.json"]
                                   for verb in ("create", "destroy"))
    seen = {}
    for who, (create, destroy) in makers.items():
        subprocess.run(create, check=True)
        seen[who] = _look(lab.names())
        subprocess.run(destroy, check=True)
        tools.settle()
    for who, network in seen.items():
        if network != seen["nsapply"]:
            different = next(n for n in network if network[n] != seen["nsapply"][n])
            raise RuntimeError(f"{who} makes another {kind} than nsapply: {different}:\n"
                               f"{network[different]}\n{seen['nsapply'][different]}")


# --- many routes, and no kernel ----------------------------------------------------------------

def measure_routes(tools, n, folder, rounds):
    """Routes are added to a namespace that stands; the two files go by the same name."""
    series = Series("routes", n)
    file = folder / "lab.yaml"
    without, with_ = labs.topology(labs.routes(0)), labs.topology(labs.routes(n))
    nsapply = tools.nsapply

    def take(who, work, *command):
        series.add(who, work, tools.run(*command))

    for _ in range(rounds):
        file.write_text(without)
        tools.run(nsapply, "-q", file)
        take("floor", "add", tools.floor, "routes", "add", n)
        take("floor", "read", tools.floor, "routes", "read", n)
        tools.run(nsapply, "-q", file)
        file.write_text(with_)
        take("nsapply", "add", nsapply, "-q", "--no-verify", file)
        take("nsapply", "plan", nsapply, "--plan", file)
        take("nsapply", "no-op", nsapply, "-q", file)
        take("libyaml", "parse", tools.offline, "--yaml", file)
        take("offline", "plan", tools.offline, file)
        take("nsapply", "validate", nsapply, "--validate", file)
        file.write_text(without)
        take("nsapply", "delete", nsapply, "-q", file)
        file.write_text(with_)
        take("nsapply", "add, verified", nsapply, "-q", file)
        tools.run(nsapply, "-q", "--destroy", file, wait=True)
    return series


def measure_offline(tools, kind, n, folder, rounds):
    """Parsing, checking and planning, with no kernel: tests/bench/offline.c."""
    series = Series(kind, n)
    file = folder / "lab.yaml"
    file.write_text(labs.topology(getattr(labs, kind)(n)))
    for _ in range(rounds):
        series.add("libyaml", "parse", tools.run(tools.offline, "--yaml", file))
        series.add("offline", "plan", tools.run(tools.offline, file))
        series.add("offline", "validate", tools.run(tools.nsapply, "--validate", file))
    return series


def instructions(tools, kind, n, folder):
    """What callgrind counts of the same."""
    file = folder / "lab.yaml"
    file.write_text(labs.topology(getattr(labs, kind)(n)))
    said = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
                           tools.offline, file], capture_output=True, check=True, text=True).stderr
    return int(re.search(r"Collected : (\d+)", said).group(1))


def count_calls(command, expect=(0,)):
    """System calls by name, as strace counts them."""
    done = subprocess.run(["strace", "-f", "-qq", "-c", "-U", "name,calls", "-o", "/dev/stdout",
                           *map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          check=False, text=True)
    if done.returncode not in expect:
        raise RuntimeError(f"strace {command}: {done.returncode}")
    return {name: int(calls) for name, calls in
            re.findall(r"^(\w+) +(\d+)$", done.stdout, re.M) if name != "total"}


def measure_calls(tools, n, folder):
    """System calls of creating and of reading: nsapply's and the floor's."""
    labs.write(labs.chain(n), folder)
    file = folder / "lab.yaml"
    calls = {"floor: create": count_calls([tools.floor, "chain", "create", n]),
             "floor: read": count_calls([tools.floor, "chain", "read", n])}
    tools.run(tools.floor, "chain", "destroy", n, wait=True)
    calls |= {"create": count_calls([tools.nsapply, "-q", "--no-verify", file]),
              "no-op": count_calls([tools.nsapply, "-q", file]),
              "plan": count_calls([tools.nsapply, "-q", "--plan", file])}
    tools.run(tools.nsapply, "-q", "--destroy", file, wait=True)
    return calls


# The kernel's functions that stand for a part of creating a lab.
PROFILE = {
    "netlink": "__x64_sys_send(to|msg)",
    "unshare": "__x64_sys_unshare",
    "sysctls (open, write)": "__x64_sys_(openat|write)",
    "mount": "__x64_sys_mount",
    "page faults": "(asm_)?exc_page_fault",
}


def _shares(command, data):
    """Shares of its time by perf, in percent; None where perf cannot."""
    done = subprocess.run(["perf", "record", "-q", "-F", "4000", "-g", "-o", data, *command],
                          check=False, capture_output=True)
    if done.returncode != 0:
        return None

    def report(*args):
        return subprocess.run(["perf", "report", "-i", data, "-g", "none", "--stdio", *args],
                              capture_output=True, check=True, text=True).stdout

    objects = {name: float(share) for share, name in
               re.findall(r"^ +([\d.]+)% +(\S+)", report("--no-children", "--sort", "dso"), re.M)}
    functions = re.findall(r"^ +([\d.]+)% .*\[k\] (\w+)", report("--children", "--sort", "symbol"),
                           re.M)
    shares = {"user space": sum(s for name, s in objects.items() if not name.startswith("["))}
    for part, pattern in PROFILE.items():
        shares[part] = sum(float(s) for s, name in functions if re.fullmatch(pattern, name))
    return shares


def profile_create(tools, n, folder):
    """The shares of nsapply's time and of the floor's, by who; empty where perf cannot."""
    labs.write(labs.chain(n), folder)
    file, data = folder / "lab.yaml", folder / "perf.data"
    if not shutil.which("perf"):
        return {}
    own = _shares([tools.nsapply, "-q", "--no-verify", file], data)
    tools.run(tools.nsapply, "-q", "--destroy", file, expect=(0, 1), wait=True)
    floor = _shares([tools.floor, "chain", "create", str(n)], data)
    tools.run(tools.floor, "chain", "destroy", n, expect=(0, 1), wait=True)
    return {"nsapply": own, "floor": floor} if own and floor else {}
