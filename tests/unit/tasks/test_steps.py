# SPDX-License-Identifier: Apache-2.0
"""The steps of a plan are all kept or none, by the transaction that every change goes through."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from jepa.actions.change import Change, State
from jepa.actions.messages import Verdict
from jepa.errors import JepaError
from jepa.tasks.steps import Carried, Terms, carry_out, requests
from tests.unit.tasks.machine import NAMES, WAIT, Channels, Machine, plan

ONE, TWO, THREE = NAMES
STEPS = ((ONE, 60, 10), (TWO, 60, 20), (THREE, 60, 30))

TERMS = Terms(task="t1", why="a call", for_s=60, watch_s=15)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def carried(machine: Machine, *steps: tuple[str, int, int], told: list[Change] | None = None) -> Carried:
    wanted = requests(
        plan(*(steps or STEPS)).as_dict(), Terms(task="t1", why="a call", for_s=60, watch_s=15)
    )
    said = [] if told is None else told
    return carry_out(wanted, machine, machine.make, consent=True, told=said.append)


def test_all_steps_are_done_in_their_order(machine: Machine) -> None:
    done = carried(machine)
    assert done.problem is None
    assert machine.values() == [10, 20, 30]
    assert [change.action for change in done.changes] == list(NAMES)
    assert all(change.state is State.COMMITTED and change.until_s for change in done.changes)
    assert {(change.task, change.why) for change in done.changes} == {("t1", "a call")}
    assert {change.plan for change in done.changes} == {plan(*STEPS).as_dict()["hash"]}


def test_what_the_plan_predicts_stands_beside_what_was_observed_of_all_of_it(machine: Machine) -> None:
    *first, last = carried(machine).changes
    assert last.predicted == {WAIT: (8.0, 11.0, 14.0)}
    assert last.observed[WAIT] == 12.0
    assert not any(change.predicted for change in first)
    assert [request.watch_s for request in machine.asked] == [3, 3, 15]


@pytest.mark.parametrize("moved", [ONE, TWO, THREE])
def test_a_machine_that_has_moved_is_left_as_it_was_found(machine: Machine, moved: str) -> None:
    (machine.files.root / moved).write_text("55\n")
    before = machine.values()
    told: list[Change] = []
    done = carried(machine, told=told)
    assert done.problem is not None
    assert done.problem.status == 409 and "The plan is stale" in done.problem.problem
    assert machine.values() == before
    assert [change.state for change in done.changes] == [State.UNDONE] * NAMES.index(moved)
    undone = [change.action for change in told if change.state is State.UNDONE]
    assert undone == list(reversed(NAMES[: NAMES.index(moved)])), "the newest first"


def test_a_step_that_makes_things_worse_takes_those_before_it_along(machine: Machine) -> None:
    class Worse(Channels):
        def read(self) -> Mapping[str, float]:
            return {"system.pressure.cpu.some": 90.0 if machine.values()[1] == 20 else 5.0}

    machine.channels = Worse
    done = carried(machine)
    assert done.problem is not None and "rose from" in done.problem.problem
    assert machine.values() == [60, 60, 60]
    assert [change.state for change in done.changes] == [State.UNDONE, State.REVERTED]


def test_what_the_guard_refuses_is_said_and_nothing_is_left(machine: Machine) -> None:
    machine.files.guard.verdict = Verdict("deny", ("It is protected.",))
    done = carried(machine)
    assert done.problem is not None and "It is protected." in done.problem.problem
    assert done.changes == ()
    assert machine.values() == [60, 60, 60]


def test_what_cannot_be_taken_back_is_shown_as_in_force(machine: Machine) -> None:
    (machine.files.root / TWO).write_text("55\n")
    machine.files.family.fails["undo"] = JepaError("The kernel does not want to.", "")
    done = carried(machine)
    assert [change.in_force for change in done.changes] == [True]
    assert machine.values()[0] == 10
