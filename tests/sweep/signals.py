# SPDX-License-Identifier: MIT
"""Asked to stop at any instant, nsapply turns back and ends as a signal would have ended it, with
the machine as before. Asked once more it leaves at once, and destroy takes away what is left."""
import dataclasses

import labs
from machine import Failed


@dataclasses.dataclass(frozen=True)
class Scenario:
    name: str
    before: tuple        # labs that are applied beforehand
    action: str          # the lab that is applied, or "destroy"
    points: str = "change"
    early: int = None    # the first signal of two comes at this point
    after: str = None    # the second, or only one, comes after this text of the action
    too_late: int = 5    # points at the end where nothing is undone any more: the record is settled
    found: str = labs.FOUND


BACK = "rolling back"
# The last namespaces go, and the record.
GONE = 16


def _scenarios():
    small, changed, moved = labs.SMALL, labs.CHANGED, labs.MOVED
    yield Scenario("apply", (), small)
    # At every system call: shows that the points of the others are all that matter.
    yield Scenario("apply-call", (), small, "call", too_late=200)
    yield Scenario("update", (small,), changed)
    yield Scenario("move", (small,), moved)
    yield Scenario("destroy", (small,), "destroy", too_late=GONE)
    with_processes, others = labs.PROCESSES, labs.OTHER_PROCESSES
    yield Scenario("processes", (), with_processes)
    yield Scenario("processes-update", (with_processes,), others)
    yield Scenario("processes-destroy", (with_processes,), "destroy", too_late=GONE)
    yield Scenario("bare", (), labs.LITTLE, found=labs.BARE)
    # The way back of what has failed is no less a way back.
    yield Scenario("apply-failed", (), labs.failing(small), after=BACK)
    yield Scenario("update-failed", (small,), labs.failing(changed), after=BACK)
    yield Scenario("apply-twice", (), small, early=40, after=BACK)
    yield Scenario("update-twice", (small,), changed, early=50, after=BACK)
    yield Scenario("move-twice", (small,), moved, early=20, after=BACK)
    yield Scenario("destroy-twice", (small,), "destroy", early=40, after=BACK)


SCENARIOS = {s.name: s for s in _scenarios()}
INTERRUPTED = 130
FAILED = 1


def count(machine, name):
    scenario = SCENARIOS[name]
    for lab in scenario.before:
        machine.apply(lab)
    _, said = machine.at("count", scenario.points, command=machine.command(scenario.action),
                         after=scenario.after, early=scenario.early)
    machine.destroy()
    machine.expect_as_found()
    return int(said.split()[1])


def _judge_without(machine, scenario, status, before):
    """There were fewer points than when they were counted: the signal, or the second one, has not come."""
    expected = INTERRUPTED if scenario.early else FAILED if scenario.after else 0
    if status != expected:
        raise Failed("that is no status without the signal")
    if status == 0:
        machine.expect_done(scenario.action)
    else:
        machine.expect_undone(scenario.before, before)


def _judge(machine, scenario, status, said, before):
    if said.startswith("past"):
        _judge_without(machine, scenario, status, before)
        return
    _, n, _, of, *_ = said.split()
    if scenario.early:
        if status != INTERRUPTED or n != of:
            raise Failed("did not leave at once")
    elif status == INTERRUPTED:
        machine.expect_undone(scenario.before, before)
    elif status == 0 and int(of) - int(n) < scenario.too_late:
        machine.expect_done(scenario.action)
    else:
        raise Failed("that is no status for this")


def check(machine, name, point):
    scenario = SCENARIOS[name]
    for lab in scenario.before:
        machine.apply(lab)
    before = machine.whole_state() if scenario.before else None
    done, said = machine.at("signal", scenario.points, point,
                            command=machine.command(scenario.action),
                            after=scenario.after, early=scenario.early)
    machine.expect_and_destroy(lambda: _judge(machine, scenario, done.status, said, before),
                               f"SIGINT {said}: status {done.status}\n{done.err}")
    return said, done.status
