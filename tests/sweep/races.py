# SPDX-License-Identifier: MIT
"""Several at once: nsapply against itself, against ip, and against signals. Who wins is open; that
nobody hangs or breaks, and that the end is clean, is not.

A race is its number: the number is the seed of what runs, when, and how it is disturbed."""
import dataclasses
import os
import random
import signal
import subprocess
import time

import labs
from machine import NSAPPLY, RUN_TIMEOUT, Failed

# A second lab on the same host. Apart from the first one it has objects of its own; SHARED wants
# of the host what the first one wants as well.
APART = """
name: second
namespaces:
  host:
    interfaces:
      w0: {addresses: [10.7.0.1/24]}
      keep: {addresses: [10.50.0.7/24]}
    routes: [{to: 10.74.0.0/16, via: 10.7.0.2}]
  other:
    external: true
    interfaces: {obr: {addresses: [10.80.0.10/24]}}
  x: {interfaces: {eth0: {addresses: [10.7.0.2/24]}}, forwarding: true}
links: [[host:w0, x:eth0]]
"""
SHARED = APART.replace("  host:\n    interfaces:\n", """  host:
    forwarding: true
    interfaces:
      exist: {mtu: 1450, addresses: [10.70.0.5/24], sysctl: {ipv4.rp_filter: 1}}
""")

# What somebody else may do at any time. Not to namespaces that hold a moved interface: the kernel
# destroys it with them.
OTHERS = ["ip netns del b", "ip link del v0", "ip link del br0", "ip addr flush dev br0",
          "ip -n b addr flush dev eth0", "ip -n b link del eth0", "ip netns add b",
          "ip -n a link set eth0 down", "ip route del 10.9.0.0/24"]

STATUSES = {0, 1, 4}
LONGEST_DELAY = 0.15


@dataclasses.dataclass(frozen=True)
class Scenario:
    name: str
    races: int  # in the full run
    second: str
    first: str = labs.SMALL
    changed: str = labs.CHANGED  # what becomes of the first
    others: tuple = tuple(OTHERS)
    found: str = labs.FOUND


SCENARIOS = {s.name: s for s in [
    Scenario("one", 400, None), Scenario("two", 300, APART), Scenario("shared", 300, SHARED),
    Scenario("processes", 200, None, labs.PROCESSES, labs.OTHER_PROCESSES,
             ("ip netns del a", "ip link del v0", "ip -n a link del eth0"))]}


class Race:
    def __init__(self, machine, scenario, number):
        self.machine, self.scenario = machine, scenario
        self.random = random.Random(f"{scenario.name}/{number}")
        self.files = {}
        for name, text in [("first", scenario.first), ("second", scenario.second)]:
            if text:
                self.files[name] = machine.write(f"{name}.yaml", machine.with_here(text))
        self.log = []
        self.somebody_made_b = False

    def contestant(self):
        """A command and the signal that is sent to it, if any."""
        r = self.random
        if r.random() < 0.25:
            return r.choice(self.scenario.others).split(), None
        file = self.files[r.choice(sorted(self.files))]
        verb = r.choice([[], [], ["--destroy"], ["--plan"]])
        sent = r.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT]) if r.random() < 0.25 \
            else None
        return [NSAPPLY, "-q", *verb, str(file)], sent

    def prepare(self):
        for name, file in self.files.items():
            if self.random.random() < 0.5:
                self.machine.nsapply("-q", file)
                self.log.append(f"{name} stands")

    def run(self):
        events, running = [], []
        for _ in range(self.random.randint(2, 4)):
            command, sent = self.contestant()
            at = self.random.uniform(0, LONGEST_DELAY)
            events.append((at, "start", command, sent, self.random.uniform(0, LONGEST_DELAY)))
        if self.random.random() < 0.3:
            # The file is changed meanwhile.
            at = self.random.uniform(0, LONGEST_DELAY)
            events.append((at, "write", None, None, 0))
        begin, after = time.monotonic(), []
        for at, what, command, sent, delay in sorted(events, key=lambda e: e[0]):
            time.sleep(max(0, begin + at - time.monotonic()))
            if what == "write":
                text = self.random.choice([self.scenario.changed, self.scenario.first])
                self.machine.write("new.yaml", self.machine.with_here(text))
                os.rename(self.machine.tmp / "new.yaml", self.files["first"])
                continue
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            running.append((command, sent, process))
            if sent:
                after.append((at + delay, sent, process))
        for at, sent, process in sorted(after, key=lambda a: a[0]):
            time.sleep(max(0, begin + at - time.monotonic()))
            process.send_signal(sent)
        for command, sent, process in running:
            self.finish(command, sent, process)

    def finish(self, command, sent, process):
        try:
            out = process.communicate(timeout=RUN_TIMEOUT)[0].decode("utf-8", "replace")
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise Failed(f"{' '.join(command)} hangs") from None
        status = process.returncode
        self.log.append(f"{' '.join(command).replace(NSAPPLY, 'nsapply')}"
                        f"{f' ({sent.name})' if sent else ''}: status {status}\n{out}".rstrip())
        if command[0] != NSAPPLY:
            self.somebody_made_b |= command == "ip netns add b".split() and status == 0
            return
        allowed = STATUSES | ({2} if "--plan" in command else set())
        if sent:
            # by itself, or before it began to listen
            allowed |= {128 + sent, -sent}
        if status not in allowed:
            raise Failed(f"{' '.join(command)} ends with status {status}")

    def clean_up(self):
        self.machine.nsapply("--list")
        files = list(self.files.values())
        self.random.shuffle(files)
        for file in files:
            self.machine.nsapply("-q", "--destroy", file)
        if self.somebody_made_b and "b" in self.machine.names():
            self.machine.run("ip", "netns", "del", "b")
        self.machine.expect_as_found()


def count(machine, name):
    del machine
    return SCENARIOS[name].races


def check(machine, name, number):
    race = Race(machine, SCENARIOS[name], number)
    try:
        race.prepare()
        machine.do(race.run)
        race.clean_up()
    except Failed as failed:
        raise Failed("\n".join([str(failed), "the race was:", *race.log])) from None
