# SPDX-License-Identifier: MIT
"""Killed at any instant, the next apply or destroy finishes the job.

Every scenario brings the machine somewhere, kills nsapply at one point of what it does next, and
lets a second nsapply finish: the machine must then be exactly as it was found."""
import dataclasses

import labs
from machine import Failed


@dataclasses.dataclass(frozen=True)
class Scenario:
    name: str
    before: tuple        # labs that are applied beforehand
    action: str          # the lab that is applied, or "destroy"
    then: tuple          # what follows the kill: labs to be applied, or "destroy"
    points: str = "change"
    after: str = None    # counts points only after this text of the action
    found: str = labs.FOUND


DESTROY = ("destroy",)


def _scenarios():
    small, changed, big, little = labs.SMALL, labs.CHANGED, labs.BIG, labs.LITTLE
    back = "rolling back"
    # At every system call: shows that the points of the others are all that matter.
    yield Scenario("apply-call", (), small, DESTROY, "call")
    yield Scenario("destroy-call", (small,), "destroy", DESTROY, "call")
    for size, lab in [("small", small), ("big", big)]:
        bad = labs.failing(lab)
        yield Scenario(f"apply-{size}", (), lab, DESTROY)
        yield Scenario(f"apply-{size}-again", (), lab, (lab,))
        yield Scenario(f"destroy-{size}", (lab,), "destroy", DESTROY)
        yield Scenario(f"destroy-{size}-apply", (lab,), "destroy", (lab,))
        yield Scenario(f"rollback-{size}", (), bad, DESTROY, after=back)
        yield Scenario(f"rollback-{size}-apply", (), bad, (lab,), after=back)
    yield Scenario("bare", (), little, DESTROY, found=labs.BARE)
    yield Scenario("bare-again", (), little, (little,), found=labs.BARE)
    for what, lab in [("update", changed), ("move", labs.MOVED)]:
        bad = labs.failing(lab)
        yield Scenario(what, (small,), lab, DESTROY)
        yield Scenario(f"{what}-again", (small,), lab, (lab,))
        yield Scenario(f"{what}-back", (small,), lab, (small,))
        yield Scenario(f"{what}-rollback", (small,), bad, DESTROY, after=back)
        yield Scenario(f"{what}-rollback-again", (small,), bad, (lab,), after=back)
        yield Scenario(f"{what}-rollback-back", (small,), bad, (small,), after=back)
    with_processes, others = labs.PROCESSES, labs.OTHER_PROCESSES
    for points in ("change", "call"):
        suffix = "" if points == "change" else "-call"
        yield Scenario(f"processes{suffix}", (), with_processes, DESTROY, points)
        yield Scenario(f"processes-destroy{suffix}", (with_processes,), "destroy", DESTROY, points)
    yield Scenario("processes-again", (), with_processes, (with_processes,))
    yield Scenario("processes-rollback", (), labs.failing_process(with_processes), DESTROY, after=back)
    yield Scenario("processes-update", (with_processes,), others, DESTROY)
    yield Scenario("processes-update-again", (with_processes,), others, (others,))
    yield Scenario("processes-update-back", (with_processes,), others, (with_processes,))
    yield Scenario("processes-update-rollback", (with_processes,), labs.failing_process(others),
                   (with_processes,), after=back)


SCENARIOS = {s.name: s for s in _scenarios()}


def _prepare(machine, scenario):
    for lab in scenario.before:
        machine.apply(lab)


def count(machine, name):
    """What points there are."""
    scenario = SCENARIOS[name]
    _prepare(machine, scenario)
    points = machine.points(scenario.points, command=machine.command(scenario.action),
                            after=scenario.after)
    machine.destroy()
    machine.expect_as_found()
    return points


def check(machine, name, point):
    """Kills at this point and judges: what the point was."""
    scenario = SCENARIOS[name]
    _prepare(machine, scenario)
    done, said = machine.at("kill", scenario.points, point, command=machine.command(scenario.action),
                            after=scenario.after)
    try:
        if done.status != 137 and not said.startswith("past"):
            raise Failed(f"not killed: status {done.status}\n{done.err}")
        for lab in scenario.then:
            if lab != "destroy":
                machine.apply(lab)
                machine.expect_in_force(lab)
        machine.destroy()
        machine.expect_as_found()
    except Failed as failed:
        raise Failed(f"killed {said}: {failed}") from None
    return said

