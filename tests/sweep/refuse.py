# SPDX-License-Identifier: MIT
"""All or nothing: whatever single thing the kernel refuses, the machine is as it was before the
command, or the command has done its work all the same."""
import dataclasses
import errno

import labs
from machine import Failed


@dataclasses.dataclass(frozen=True)
class Scenario:
    name: str
    before: tuple
    action: str
    points: str
    errors: tuple
    found: str = labs.FOUND


OF_REQUESTS = ("ENOMEM", "EEXIST", "EBUSY", "EPERM", "EOPNOTSUPP")
OF_DUMPS = ("ENOMEM", "EBUSY", "EPERM")
# What recvmsg() says when the kernel has not answered in time, or had no room for the answer.
OF_ANSWERS = ("EAGAIN", "ENOBUFS")
OF_FILES = ("ENOSPC", "EMFILE", "EACCES", "ENOMEM")


def _scenarios():
    small, changed = labs.SMALL, labs.CHANGED
    with_processes, others = labs.PROCESSES, labs.OTHER_PROCESSES
    for what, before, action in [("processes", (), with_processes),
                                 ("processes-update", (with_processes,), others),
                                 ("processes-destroy", (with_processes,), "destroy")]:
        yield Scenario(f"{what}-file", before, action, "file", OF_FILES)
    for what, before, action in [("apply", (), small), ("destroy", (small,), "destroy"),
                                 ("update", (small,), changed),
                                 ("move", (small,), labs.MOVED)]:
        for points, errors in [("request", OF_REQUESTS), ("dump", OF_DUMPS), ("answer", OF_ANSWERS),
                               ("file", OF_FILES)]:
            yield Scenario(f"{what}-{points}", before, action, points, errors)
    yield Scenario("bare-file", (), labs.LITTLE, "file", OF_FILES, labs.BARE)


SCENARIOS = {s.name: s for s in _scenarios()}


def count(machine, name):
    scenario = SCENARIOS[name]
    for lab in scenario.before:
        machine.apply(lab)
    points = machine.points(scenario.points, command=machine.command(scenario.action))
    machine.destroy()
    machine.expect_as_found()
    return points


def _judge(machine, scenario, status, before):
    if status == 0:
        machine.expect_done(scenario.action)
    elif status in (1, 3):
        machine.expect_undone(scenario.before, before)
    elif status == 4:
        raise Failed("not put back in full, though only one thing was refused")
    else:
        raise Failed("that is no status for this")


def check(machine, name, point, error):
    scenario = SCENARIOS[name]
    for lab in scenario.before:
        machine.apply(lab)
    before = machine.whole_state() if scenario.before else None
    done, said = machine.at("refuse", scenario.points, point, getattr(errno, error),
                            command=machine.command(scenario.action))
    machine.expect_and_destroy(lambda: _judge(machine, scenario, done.status, before),
                               f"{error} {said}: status {done.status}\n{done.err}")
    return said
