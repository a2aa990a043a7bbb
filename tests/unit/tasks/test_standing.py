# SPDX-License-Identifier: Apache-2.0
"""A task does what its plans say within its grant, gives way to persons, and leaves nothing behind."""

import os
import shutil
from collections import deque
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jepa.actions.catalogue import action_type
from jepa.actions.change import Caller, Change, Proposal, State
from jepa.actions.guard.grants import Grant
from jepa.actions.messages import Verdict
from jepa.errors import JepaError
from jepa.tasks import standing
from jepa.tasks.standing import Standing
from jepa.tasks.task import Outcomes, Task, TaskState
from tests.unit.actions.file_machine import ME, memory_folder
from tests.unit.tasks.machine import NAMES, WAIT, Machine, plan

ONE, TWO, THREE = NAMES
SPEC = {"intent": "prioritize"}
DAEMON = Caller(os.getuid(), os.getpid(), "jepad.service")


class Granted:
    """A guard that knows of one grant, as the actuator keeps it."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.grant = Grant(
            "0a",
            "t1",
            "jepad.service",
            (ONE, TWO),
            ("*",),
            {ONE: (5, 50)},
            rate_per_hour=30,
            most_for_s=600.0,
        )
        self.remaining_s = 7200.0

    def judge(self, proposal: Proposal, changes: Sequence[Change], now_s: float) -> Verdict:
        if not proposal.caller.autonomous:
            return Verdict("allow")
        why = self.grant.refuses(proposal, ("machine",), changes, now_s, self.remaining_s)
        return Verdict("deny" if why or self.remaining_s <= 0 else "allow", (why,))

    def judge_undo(self, change: Change, caller: Caller) -> Verdict:
        return Verdict("allow")


class Stage:
    """A machine, a task on it, and a model of few words."""

    def __init__(self, folder: Path, seed: int = 0, **spec: Any) -> None:
        self.machine = Machine(folder, caller=DAEMON)
        self.files = self.machine.files
        self.clock: Any = self.files.clock
        self.guard: Any = Granted(self.machine)
        self.machine.executor._admission = replace(self.machine.executor._admission, guard=self.guard)
        self.wanted: deque[Any] = deque()
        """Steps of the next plans, or the errors instead of them; then no steps."""
        self.energy: float | None = 0.2
        self.released: float | None = None
        self.left: list[tuple[tuple[str, str], ...]] = []
        self.measured: Sequence[Outcomes] = ()
        """What the last plan was told that would be lost."""
        self.kept: list[Task] = []
        self.carried: list[str] = []
        """The plans that were carried out in full."""
        self.away = self.given_up = False
        self.seed = seed
        self.task = Task("t1", {**SPEC, **spec}, "0a", 1000, since_ns=0)
        self.standing = self.begin()

    def begin(self) -> Standing:
        return Standing(
            self.task, self, self, self.machine.make, self.kept.append, self.clock.boottime_s, self.wall_ns,
            Random(self.seed),
        )  # fmt: skip

    def wall_ns(self) -> int:
        return int(self.clock.boottime_s() * 1e9)

    # What a task needs of the world model.

    def plan(self, task: Task, measured: Sequence[Outcomes] = ()) -> Mapping[str, Any]:
        self.left.append(task.left)
        self.measured = measured
        next_one = self.wanted.popleft() if self.wanted else ()
        if isinstance(next_one, Exception):
            raise next_one
        steps = tuple(
            (name, self.files.value(name), new)
            for name, new in next_one
            if (name, "") not in task.left and self.files.value(name) != new
        )
        content = plan(*steps, spec=task.spec).as_dict()
        content["imagined"]["energy"].update(released=self.released, without=0.0)
        return content

    def done(self, task: Task, plan: Mapping[str, Any], change: Change) -> None:
        assert change.in_force and plan["steps"]
        self.carried.append(plan["id"])

    def observed(self, task: Task, seconds: float) -> float | None:
        return self.energy

    # What it needs of the actuator.

    def act(self, request: Any, consent: bool) -> Change:
        self._there()
        return self.machine.act(request, consent)

    def undo(self, change: str = "") -> Sequence[Change]:
        self._there()
        return self.machine.undo(change)

    def in_force(self, task: str) -> Sequence[Change]:
        self._there()
        return [each for each in self.machine.executor.journal.in_force if each.task == task]

    def ended(self, changes: Sequence[Change]) -> Sequence[Change]:
        found = [self.machine.executor.journal.get(each.id) for each in changes]
        return [each for each in found if not each.in_force]

    def holds(self, change: Change) -> bool:
        return self.files.value(change.setting) == change.new

    def remaining_s(self, task: Task) -> float | None:
        return None if self.away else self.guard.remaining_s

    def give_up(self, task: Task) -> None:
        self._there()
        self.given_up = True

    def _there(self) -> None:
        if self.away:
            raise JepaError("The actuator cannot be reached.", "", status=503)

    def run(self, seconds: float) -> None:
        """Let time pass, as the loop does; timers run too."""
        end = self.clock.boottime_s() + seconds
        while self.clock.boottime_s() < end:
            self.tick()

    def tick(self) -> None:
        self.machine.executor.expire_due()
        self.standing.step()
        self.clock.sleep(1.0)

    def says(self) -> str:
        return " ".join([*self.standing.task.notes, self.standing.task.why])


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_a_plan_is_carried_out_within_five_seconds_and_stays(stage: Stage) -> None:
    stage.run(20)
    stage.wanted.append([(ONE, 20)])
    stage.energy = 0.9  # a phase has changed
    begun = stage.clock.boottime_s()
    while stage.files.value(ONE) == 60:
        stage.tick()
    (change,) = stage.in_force("t1")
    assert change.applied_s is not None and change.applied_s - begun <= 5
    stage.run(60)
    (change,) = stage.in_force("t1")
    assert (change.state, change.new, change.task) == (State.COMMITTED, 20, "t1")
    assert change.predicted == {WAIT: (8.0, 11.0, 14.0)}
    assert change.observed[WAIT] == 12.0
    assert stage.standing.task.changes == 1
    assert stage.standing.settled


def test_what_a_person_was_shown_is_done_first(stage: Stage) -> None:
    stage.standing.begin_with(plan((TWO, 60, 7)).as_dict())
    stage.tick()
    assert stage.files.value(TWO) == 7
    assert not stage.left, "no other plan was made"


def test_a_machine_that_rests_is_planned_for_only_now_and_then(stage: Stage) -> None:
    stage.run(300)
    assert 300 / standing.REST_S <= stage.standing.task.plans <= 5, "at 0, 30, 90 and 210 s"
    assert stage.standing.task.changes == 0


def test_a_machine_that_rests_for_days_is_still_planned_for(stage: Stage) -> None:
    for _ in range(1100):
        for pause_s in (standing.REST_S, standing.LEAST_BETWEEN_S):
            stage.clock.sleep(pause_s)
            stage.standing.step()
    assert stage.standing.task.active
    assert stage.standing.task.plans >= 1100


def test_its_own_change_is_no_reason_for_a_plan_but_what_comes_after_it_is(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standing, "action_type", lambda name: action_type(name)._replace(conserving=True))
    worse = 0.0
    stage.observed = lambda task, seconds: worse + (0.0 if stage.in_force("t1") else 0.4)  # type: ignore[method-assign]
    stage.wanted.append([(ONE, 20)])
    stage.run(standing.REST_S - 10)
    assert stage.files.value(ONE) == 20
    assert stage.standing.task.plans == 1, "the energy fell because of what it did"
    worse = 2 * standing.MOVED
    stage.run(3)
    assert stage.standing.task.plans == 2


def test_a_machine_that_never_rests_does_not_cost_a_plan_every_other_second(stage: Stage) -> None:
    values = Random(1)
    stage.observed = lambda task, seconds: values.random()  # type: ignore[method-assign]
    stage.run(600)
    most = 600 / standing.MOVE_EVERY_S + 600 / standing.PLAN_EVERY_S + standing.MOVES
    assert stage.standing.task.plans <= most


def test_plans_that_take_long_come_seldom(stage: Stage) -> None:
    begun, made = [], stage.plan

    def plan_slowly(task: Task, measured: Sequence[Outcomes] = ()) -> Mapping[str, Any]:
        begun.append(stage.clock.boottime_s())
        stage.clock.sleep(2.0)
        return made(task, measured)

    stage.plan = plan_slowly  # type: ignore[method-assign]
    stage.wanted.append([(ONE, 20)])
    stage.run(60)
    assert len(begun) == 2
    assert begun[1] - begun[0] >= 2.0 / standing.PLANS_SHARE


@pytest.mark.parametrize("end", ["asked", "time", "revoked", "unsure", "gone"])
def test_at_every_end_all_of_it_is_taken_back(tmp_path: Path, end: str) -> None:
    stage = Stage(tmp_path)
    stage.wanted.append([(ONE, 20), (TWO, 30)])
    stage.run(20)
    assert stage.machine.values()[:2] == [20, 30]
    match end:
        case "asked":
            stage.standing.end("User 0 ended it.")
        case "time":
            stage.standing.task = replace(stage.standing.task, until_ns=stage.wall_ns() + 10**9)
        case "revoked":
            stage.guard.remaining_s = 0.0
        case "unsure":
            stage.wanted.extend([JepaError("The machine surprises the model.", "", status=503)] * 100)
        case _:
            stage.wanted.extend([JepaError("There is no unit web.", "", status=404)] * 100)
    stage.run(100)
    assert stage.machine.values() == [60, 60, 60]
    assert stage.standing.task.state is TaskState.ENDED
    assert stage.standing.over
    assert stage.kept[-1] == stage.standing.task
    assert stage.given_up, "its grant is of no more use"
    said = {
        "asked": "User 0 ended",
        "time": "time was over",
        "revoked": "grant",
        "unsure": "surprises",
        "gone": "gone",
    }
    assert said[end] in stage.standing.task.why


def test_a_plan_that_was_being_made_when_the_end_was_asked_for_sets_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended_meanwhile(task: Task, measured: Sequence[Outcomes] = ()) -> Mapping[str, Any]:
        stage.standing.end("User 0 ended it.")
        return Stage.plan(stage, task, measured)

    stage.wanted.append([(ONE, 20)])
    monkeypatch.setattr(stage, "plan", ended_meanwhile)
    stage.run(3)
    assert stage.machine.values() == [60, 60, 60]
    assert stage.standing.over
    assert stage.standing.task.changes == 0


def test_a_short_doubt_ends_nothing(stage: Stage) -> None:
    stage.wanted.append([(ONE, 20)])
    stage.wanted.extend([JepaError("The machine surprises the model.", "", status=503)] * 10)
    stage.run(90)
    assert stage.standing.task.active
    assert stage.files.value(ONE) == 20


def test_a_model_may_take_long_to_load_but_not_for_ever(stage: Stage) -> None:
    stage.wanted.extend([JepaError("The model is loaded.", "", status=503)] * 1000)
    stage.run(250)
    assert stage.standing.task.active
    stage.run(100)
    assert stage.standing.task.state is TaskState.REFUSED


def test_nothing_is_done_outside_the_grant_and_refusals_end_it(stage: Stage) -> None:
    stage.wanted.extend([[(THREE, 20)], [(ONE, 4)], [(TWO, 7), (ONE, 51)]] * 3)
    stage.run(600)
    assert stage.machine.values() == [60, 60, 60]
    assert "does not name vm.dirty_background_ratio" in stage.says()
    assert "from 5 to 50, not 4" in stage.says()
    assert "refused 5 times in a row" in stage.standing.task.why
    assert not any(each.in_force for each in stage.machine.executor.journal.changes)


def test_a_value_that_a_person_set_is_theirs_from_then_on(stage: Stage) -> None:
    stage.wanted.append([(ONE, 20), (TWO, 30)])
    stage.run(10)
    (stage.files.root / ONE).write_text("44\n")  # systemctl set-property
    stage.wanted.extend([[(ONE, 20)], [(ONE, 21)]])
    stage.run(60)
    assert stage.machine.values() == [44, 30, 60]
    assert stage.standing.task.left == ((ONE, ""),)
    assert "Somebody else set what vm.swappiness had set. It is left alone from now on." in stage.says()
    assert stage.left[-1] == ((ONE, ""),)
    stage.standing.end("Over.")
    stage.run(5)
    assert stage.machine.values() == [44, 60, 60]


def test_of_two_tasks_that_want_the_same_setting_the_later_has_it(stage: Stage) -> None:
    stage.wanted.append([(ONE, 20)])
    stage.run(10)
    stage.guard.grant = replace(stage.guard.grant, task="t2")
    other = stage.machine.make(action=ONE, value=40, task="t2", for_s=600)
    stage.machine.act(other, consent=False)
    stage.run(60)
    assert stage.files.value(ONE) == 40
    assert stage.standing.task.left == ((ONE, ""),)
    stage.machine.executor.undo(DAEMON, task="t2")
    assert stage.files.value(ONE) == 60, "what there was before either of them"


class Whoever(Granted):
    """Every task has such a grant."""

    def judge(self, proposal: Proposal, changes: Sequence[Change], now_s: float) -> Verdict:
        self.grant = replace(self.grant, task=proposal.request.task or "")
        return super().judge(proposal, changes, now_s)


def test_two_tasks_that_contradict_each_other_come_to_rest_and_leave_nothing(stage: Stage) -> None:
    other = copy(stage)
    stage.guard = other.guard = Whoever(stage.machine)
    stage.machine.executor._admission = replace(stage.machine.executor._admission, guard=stage.guard)
    other.task, other.left, other.kept = Task("t2", SPEC, "0b", 1000, since_ns=0), [], []
    other.standing = other.begin()
    stage.wanted, other.wanted = (deque([[(ONE, value)]] * 600) for value in (20, 40))
    for _ in range(280):
        stage.standing.step()
        other.tick()
    assert stage.files.value(ONE) == 40
    assert (stage.standing.task.left, other.standing.task.left) == (((ONE, ""),), ())
    assert stage.standing.task.changes + other.standing.task.changes == 2
    for each in (other, stage):
        each.standing.end("User 0 ended it.")
        each.run(3)
    assert stage.machine.values() == [60, 60, 60]
    assert not any(each.in_force for each in stage.machine.executor.journal.changes)


def test_a_change_that_a_person_took_back_is_not_repeated(stage: Stage) -> None:
    stage.wanted.append([(ONE, 20)])
    stage.run(10)
    stage.machine.executor.undo(ME, stage.in_force("t1")[0].id)
    stage.wanted.append([(ONE, 20)])
    stage.run(60)
    assert stage.files.value(ONE) == 60
    assert stage.standing.task.left == ((ONE, ""),)


def test_what_is_in_force_never_outlives_a_dead_daemon_by_more_than_the_lease(stage: Stage) -> None:
    stage.wanted.append([(ONE, 20)])
    stage.run(400)
    assert stage.files.value(ONE) == 20
    died = stage.clock.boottime_s()
    while stage.files.value(ONE) == 20:  # nobody calls the task any more
        stage.clock.sleep(1.0)
        stage.machine.executor.expire_due()
    assert stage.clock.boottime_s() - died <= 600


def test_a_change_is_renewed_and_each_setting_has_one(tmp_path: Path) -> None:
    stage = Stage(tmp_path, amount={"value": 20, "unit": "%"}, intent="limit")
    stage.wanted.append([(ONE, 20)])
    stage.run(3600)
    assert stage.files.value(ONE) == 20
    assert len(stage.in_force("t1")) == 1
    assert 7 <= stage.standing.task.changes <= 9
    assert stage.standing.task.benefit.windows == 0, "a limit that was asked for holds all the time"


def test_a_restarted_daemon_goes_on_with_what_is_in_force(stage: Stage) -> None:
    stage.wanted.append([(ONE, 20)])
    stage.run(10)
    stage.task = stage.standing.task
    stage.standing = stage.begin()
    stage.run(10)
    assert [each.new for each in stage.standing.in_force] == [20]
    stage.standing.end("Over.")
    stage.run(3)
    assert stage.files.value(ONE) == 60


def test_a_clean_stop_takes_back_and_the_task_stands_on(stage: Stage) -> None:
    stage.wanted.append([(ONE, 20)])
    stage.run(10)
    stage.standing.suspend()
    assert stage.files.value(ONE) == 60
    assert stage.standing.task.active


def test_hold_out_windows_show_the_benefit(tmp_path: Path) -> None:
    stage = Stage(tmp_path, seed=3)

    class Wanting(deque[Any]):
        def popleft(self) -> Any:
            return [(ONE, 20)]

        def __bool__(self) -> bool:
            return True

    stage.wanted = Wanting()
    stage.observed = lambda task, seconds: 0.1 if stage.files.value(ONE) == 20 else 0.5  # type: ignore[method-assign]
    held_out = 0
    for _ in range(2 * 3600):
        stage.tick()
        held_out += stage.files.value(ONE) == 60
    found = stage.standing.task.benefit
    assert found.windows >= 6
    assert (round(found.taken or 0, 6), round(found.without or 0, 6)) == (0.1, 0.5)
    assert found.interval is not None and found.interval[0] > 0
    assert stage.standing.task.active
    assert held_out < 2 * 3600 / 16, "so short that it hardly disturbs"


class Certain(Random):
    """Whatever may happen by chance, happens."""

    def random(self) -> float:
        return 0.0


@pytest.fixture
def held_out(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """In its first hold-out window, of what conserves work."""
    monkeypatch.setattr(standing, "action_type", lambda name: action_type(name)._replace(conserving=True))
    stage.standing._random = Certain()
    stage.energy = 0.0
    stage.wanted.append([(ONE, 20)])
    while stage.standing.hold_out_since_s is None:
        stage.tick()
    assert stage.files.value(ONE) == 60
    return stage


def test_nothing_is_held_out_in_the_first_minutes(held_out: Stage) -> None:
    stood_s = held_out.clock.boottime_s() - held_out.machine.executor.journal.changes[0].applied_s
    least_s = standing.FIRST_WINDOWS * standing.WINDOW_S
    assert least_s <= stood_s < least_s + 2 * standing.WINDOW_S


def test_after_a_hold_out_window_the_same_is_in_force_again_without_a_plan(held_out: Stage) -> None:
    stage = held_out
    plans, begun = stage.standing.task.plans, stage.clock.boottime_s()
    stage.energy = 0.5
    while stage.files.value(ONE) == 60:
        stage.tick()
    stage.run(standing.LOOKED_AT_S)
    stage.energy = 0.0
    stage.run(10)
    assert (stage.standing.task.plans, stage.standing.task.benefit.windows) == (plans, 1)
    (change,) = stage.in_force("t1")
    assert change.applied_s is not None and change.applied_s - begun <= standing.HOLD_OUT_S + 1
    assert (change.state, change.inverse) == (State.COMMITTED, 60)
    stage.run(standing.REST_S)
    assert stage.measured == [{WAIT: (12.0, 30.0)}], "what was seen of it is not forgotten"


def test_what_was_renewed_is_in_force_again_after_a_hold_out_window(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standing, "action_type", lambda name: action_type(name)._replace(conserving=True))
    monkeypatch.setattr(standing, "HOLD_OUT", 0.0)
    stage.energy = 0.0
    stage.wanted.append([(ONE, 20)])
    while stage.standing.task.changes < 2:
        stage.tick()
    monkeypatch.setattr(standing, "HOLD_OUT", 1.0)
    for _ in range(1000):
        if stage.standing.hold_out_since_s is None:
            stage.tick()
    assert stage.files.value(ONE) == 60
    plans = stage.standing.task.plans
    stage.run(standing.HOLD_OUT_S + 3)
    assert (stage.files.value(ONE), stage.standing.task.plans) == (20, plans)
    assert "was not set again" not in stage.says()


def test_what_somebody_set_in_a_hold_out_window_stays(held_out: Stage) -> None:
    stage = held_out
    plans = stage.standing.task.plans
    (stage.files.root / ONE).write_text("44\n")
    stage.run(standing.HOLD_OUT_S + 3)
    assert stage.files.value(ONE) == 44
    assert stage.standing.task.plans == plans + 1, "a plan is made of the machine as it is"
    assert "was not set again" in stage.says()


def test_a_window_in_which_nothing_was_observed_says_nothing(held_out: Stage) -> None:
    stage = held_out
    stage.energy = None
    taken = stage.standing.task.taken
    stage.run(standing.HOLD_OUT_S + 3)
    assert stage.files.value(ONE) == 20
    stage.run(3 * standing.WINDOW_S)
    assert stage.standing.task.benefit.windows == 0
    assert stage.standing.task.taken == taken
    assert stage.files.value(ONE) == 20, "nor is anything held out that could not be seen"


@pytest.mark.parametrize("end", ["asked", "revoked"])
def test_what_ends_in_a_hold_out_window_is_not_set_again(held_out: Stage, end: str) -> None:
    stage = held_out
    if end == "asked":
        stage.standing.end("User 0 ended it.")
    else:
        stage.guard.remaining_s = 0.0
    stage.run(standing.HOLD_OUT_S + standing.SETTLE_S)
    assert stage.machine.values() == [60, 60, 60]
    assert (stage.standing.over, stage.given_up) == (True, True)


def test_what_brings_nothing_ends_and_says_so(tmp_path: Path) -> None:
    stage = Stage(tmp_path, seed=3)
    values = Random(5)
    stage.observed = lambda task, seconds: (
        0.3 + values.random() / 100 + (0.02 if stage.in_force("t1") else 0)
    )  # type: ignore[method-assign]
    for _ in range(8 * 3600):
        if not stage.wanted:
            stage.wanted.append([(ONE, 20)])
        stage.tick()
        if not stage.standing.task.active:
            break
    assert "brings nothing: in" in stage.standing.task.why
    stage.run(3)
    assert stage.machine.values() == [60, 60, 60]


def test_what_is_not_needed_is_released(stage: Stage) -> None:
    stage.wanted.append([(ONE, 20)])
    stage.run(20)
    stage.released = 0.0
    stage.run(40)
    assert stage.files.value(ONE) == 60
    assert "not needed now" in stage.says()
    assert stage.standing.task.left == ()


def test_what_was_seen_of_a_limit_is_believed_for_a_while(stage: Stage) -> None:
    stage.wanted.append([(ONE, 20)])
    stage.run(40)
    assert stage.measured == [{WAIT: (12.0, 30.0)}], "observed with it, forecast without"
    stage.run(standing.BELIEVED_S)
    assert stage.in_force("t1") and stage.measured == []


def test_what_was_seen_of_what_conserves_work_is_believed_as_long_as_it_is_in_force(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standing, "action_type", lambda name: action_type(name)._replace(conserving=True))
    stage.wanted.append([(ONE, 20)])
    stage.run(20 + standing.BELIEVED_S)
    assert stage.measured == [{WAIT: (12.0, 30.0)}]
    stage.released = 0.0
    stage.run(2 * standing.REST_S + 5)
    assert stage.in_force("t1") == [] and stage.measured == []


def test_a_step_that_only_takes_back_does_just_that(stage: Stage) -> None:
    stage.wanted.append([(ONE, 20)])
    stage.run(16)
    stage.wanted.append([(ONE, 60)])
    stage.run(20)
    assert stage.files.value(ONE) == 60
    assert stage.in_force("t1") == []
    assert stage.standing.task.changes == 1


def test_without_the_actuator_it_waits(stage: Stage) -> None:
    stage.wanted.append([(ONE, 20)])
    stage.run(10)
    stage.away = True
    stage.standing.end("Over.")
    stage.run(30)
    assert stage.standing.in_force
    stage.away = False
    stage.run(3)
    assert stage.standing.over
    assert stage.files.value(ONE) == 60


values = st.sampled_from([0, 5, 20, 30, 50, 51, 60, 99])
steps = st.lists(st.tuples(st.sampled_from(NAMES), values), max_size=3, unique_by=lambda step: step[0])
errors = st.sampled_from([403, 404, 409, 500, 503]).map(lambda status: JepaError("No.", "", status=status))
happenings = st.one_of(
    st.tuples(st.just("wait"), st.integers(1, 200)),
    st.tuples(st.just("plan"), st.lists(st.one_of(steps, errors), max_size=5)),
    st.tuples(st.just("energy"), st.floats(0, 1)),
    st.tuples(st.just("person"), st.tuples(st.sampled_from(NAMES), st.sampled_from([33, 44]))),
    st.tuples(st.just("away"), st.booleans()),
    st.tuples(st.just("restart"), st.booleans()),
    st.tuples(st.just("released"), st.sampled_from([None, 0.0, 1.0])),
)


@given(st.integers(0, 2**16), st.lists(happenings, max_size=12), st.sampled_from(["asked", "revoked"]))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_happens_it_stays_within_its_grant_and_leaves_nothing(
    tmp_path: Path, seed: int, happened: list[tuple[str, Any]], end: str
) -> None:
    folder = memory_folder(tmp_path / f"{seed}")
    stage = Stage(folder, seed)
    theirs: set[str] = set()
    for what, detail in [*happened, ("end", end), ("wait", 200)]:
        match what:
            case "wait":
                stage.run(detail)
            case "plan":
                stage.wanted.extend(detail)
            case "energy":
                stage.energy = detail
            case "person":
                (stage.files.root / detail[0]).write_text(f"{detail[1]}\n")
                theirs.add(detail[0])
            case "away":
                stage.away = detail
            case "released":
                stage.released = detail
            case "restart":
                stage.task = stage.standing.task
                stage.standing = stage.begin()
            case "end" if end == "asked":
                stage.away = False
                stage.standing.end("Over.")
            case _:
                stage.away = False
                stage.guard.remaining_s = 0.0
    changes = stage.machine.executor.journal.changes
    assert all(each.action in (ONE, TWO) for each in changes)
    assert all(5 <= int(str(each.new)) <= 50 for each in changes if each.action == ONE)
    made = sorted(each.applied_s or 0 for each in changes)
    restarts = sum(what == "restart" for what, _ in happened)
    for at, first in enumerate(made):
        within = [each for each in made[at:] if each - first < 60]
        assert len(within) <= standing.MOST_PER_MINUTE * (1 + restarts)
    assert not stage.in_force("t1")
    assert stage.standing.over
    for name in NAMES:
        assert stage.files.value(name) == 60 or name in theirs, name
    stage.machine.executor.journal.close()
    shutil.rmtree(folder)


def test_it_acts_only_while_its_condition_holds_and_a_crash_undoes_nothing_meanwhile(tmp_path: Path) -> None:
    stage = Stage(tmp_path, condition={"kind": "on_battery"})
    holds: list[bool | None] = [False]
    stage.standing._applies = lambda now_s: holds[0]
    stage.wanted.append([(ONE, 20)])
    stage.run(10)
    assert stage.files.value(ONE) == 60 and stage.standing.settled
    assert stage.standing.waits == "the machine runs on battery"
    holds[0] = True
    stage.run(10)
    assert stage.files.value(ONE) == 20 and stage.standing.waits == ""

    stage.task = stage.standing.task  # jepad is killed, and at first cannot see
    stage.standing = stage.begin()
    holds[0] = None
    stage.standing._applies = lambda now_s: holds[0]
    stage.run(10)
    assert stage.files.value(ONE) == 20, "neither set nor taken back on no evidence"
    holds[0] = False
    stage.run(3)
    assert stage.files.value(ONE) == 60 and stage.standing.in_force == ()
    assert "Taken back until" in stage.standing.task.notes[-1]
