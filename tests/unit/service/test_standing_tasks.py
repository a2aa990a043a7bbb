# SPDX-License-Identifier: Apache-2.0
"""Tasks are accepted from whoever gave the grant, act through a real actuator, and go on after a restart."""

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jepa.actions.actuator.connect import connect
from jepa.actions.change import Change
from jepa.actions.clock import HostClock
from jepa.errors import JepaError
from jepa.planning.energy import AtMost, Energy
from jepa.planning.plan import CourseVerdict, Plan, Settable, Step
from jepa.service.actuator_view import ActuatorView
from jepa.service.api import TaskRequest
from jepa.service.metrics import _add_tasks, _Page
from jepa.service.standing_tasks import StandingTasks
from jepa.tasks.granting import grant_for
from jepa.tasks.store import TaskStore
from jepa.tasks.task import Outcomes, Task
from tests.unit.shell.verbs.conftest import Process, nice_of
from tests.unit.shell.verbs.conftest import sleeper as sleeper
from tests.unit.tasks.machine import WAIT, Channels, plan
from tests.unit.tasks.test_conditions import Seen

ME = os.getuid()
SPEC = {"intent": "prioritize"}
GOAL = Energy((AtMost(WAIT, 1.0),))


class Shared:
    """One actuator for all who ask: a journal is held by one process at a time, and by one in it."""

    def __init__(self) -> None:
        self.actuator = connect(local=True)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.actuator, name)

    def close(self) -> None:
        """Whoever asks may be done; others are not."""


class Service:
    """Tasks with everything but a model: one that wants a process to be nicer."""

    def __init__(self, folder: Path, process: Process) -> None:
        self.folder, self.process = folder, process
        self.clock = HostClock()
        self.actuator: Any = Shared()
        self.fails: JepaError | None = None
        self.made: dict[str, Plan] = {}
        self.goals: dict[str, Energy | None] = {}
        self.gave_way: list[bool] = []
        self.spec: dict[str, Any] = dict(SPEC)
        self.seen = Seen()
        self.carried: list[str] = []
        self.told: list[tuple[str, ...]] = []
        self.tasks = self.begin()

    def begin(self) -> StandingTasks:
        this: Any = self
        return StandingTasks(
            TaskStore(self.folder / "tasks.jsonl"),
            this,
            this,
            ActuatorView(self.folder),
            connect=lambda: self.actuator,
            give_way=self.gave_way.append,
            circumstances=self.seen,
            tell=lambda *event: self.told.append(tuple(map(str, event))),
        )

    def wanted(self, *, steps: bool = True) -> Plan:
        pid, now = str(self.process.pid), nice_of(self.process)
        step = Step(1, "process.nice", pid, now, 7, "process.nice", "tune", True)
        return replace(
            plan(spec=self.spec),
            boot_id=self.clock.boot_id,
            expires_s=self.clock.boottime_s() + 60,
            steps=(step,) if steps and now != 7 else (),
            verdict=CourseVerdict("ask"),
            goal=GOAL,
            settable=(Settable("process.nice", (pid,), (0, 7)),),
        )

    # What tasks plan with.

    def plan(self, task: Task, measured: Sequence[Outcomes] = ()) -> Mapping[str, Any]:
        if self.fails is not None:
            raise self.fails
        return self.wanted().as_dict()

    def done(self, task: Task, plan: Mapping[str, Any], change: Change) -> None:
        self.carried.append(plan["id"])

    def observed(self, task: Task, seconds: float) -> float | None:
        return 0.2

    def begin_with(self, task: Task, goal: Energy | None) -> None:
        self.goals[task.id] = goal

    def forget(self, task: str) -> None:
        pass

    def get(self, plan_id: str) -> dict[str, Any]:
        return self.made[plan_id].as_dict()

    def goal(self, plan_id: str) -> Energy | None:
        return self.made[plan_id].goal

    # What a person's client does.

    def granted(self, task: str = "t1") -> TaskRequest:
        shown = self.wanted()
        content = shown.as_dict()
        self.made[content["id"]] = shown
        grant = self.actuator.grant(grant_for(task, content))
        return TaskRequest(task=task, grant=grant, spec=dict(self.spec), plan=content["id"])

    def until(self, done: Callable[[dict[str, Any]], object], task: str = "t1") -> dict[str, Any]:
        end = time.monotonic() + 30
        while time.monotonic() < end:
            found: dict[str, Any] = self.tasks.detail(task)["task"]
            if done(found):
                return found
            time.sleep(0.05)
        raise AssertionError(found)


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sleeper: Process) -> Iterator[Service]:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    # What else runs on this host would be judged as well.
    monkeypatch.setattr("jepa.actions.channel_reader.KernelChannels", Channels)
    made = Service(tmp_path, sleeper)
    yield made
    made.tasks.stop()
    made.actuator.actuator.close()


def refused(service: Service, wanted: TaskRequest, uid: int = ME) -> JepaError:
    with pytest.raises(JepaError) as error:
        service.tasks.accept(wanted, uid)
    assert error.value.remedy
    return error.value


def test_a_task_acts_goes_on_after_a_restart_and_leaves_nothing(service: Service, sleeper: Process) -> None:
    before = nice_of(sleeper)
    wanted = service.granted()
    assert service.tasks.accept(wanted, ME)["state"] == "active"
    assert service.goals == {"t1": GOAL}, "the energy is known before it makes a plan of its own"
    found = service.until(lambda task: task["settled"])
    assert nice_of(sleeper) == 7
    service.until(lambda task: service.gave_way[-1:] == [True])
    ((change,), state) = found["in_force"], found["state"]
    assert (change["from"], change["to"], state, found["changes"]) == (before, 7, "active", 1)
    assert 500 < change["left_s"] <= 600
    assert "1 stands, 1 changes of theirs in force." in service.tasks.part().reason

    service.tasks.stop()
    assert nice_of(sleeper) == before, "nobody looks after it"
    service.fails = JepaError("The model is loaded.", "", status=503)
    service.tasks = service.begin()
    service.tasks.start()
    assert service.tasks.all()[0]["state"] == "active"
    with pytest.raises(JepaError, match="is of user"):
        service.tasks.end("t1", ME + 1)
    service.tasks.end("t1", ME)
    ended = service.until(lambda task: task["state"] != "active")
    assert (ended["state"], ended["why"]) == ("ended", f"User {ME} ended it.")
    service.until(lambda task: "t1" not in [each["task"] for each in service.actuator.grants()])
    with pytest.raises(JepaError, match="has ended already"):
        service.tasks.end("t1", ME)
    assert refused(service, wanted).status == 403, "its grant was given up"


def test_a_hold_out_window_and_what_a_task_brings_are_told_in_status_and_metrics(service: Service) -> None:
    service.tasks.accept(service.granted(), ME)
    service.until(lambda task: task["settled"])
    (standing,) = service.tasks._snapshot()
    standing.task = replace(standing.task, taken=(0.1, 0.3), without=(0.5,))
    told = _Page()
    _add_tasks(told, service.tasks.all())
    assert 'jepa_task_hold_out{task="t1"} 0' in told.lines
    assert 'jepa_task_energy{task="t1",changes="with"} 0.2' in told.lines
    assert 'jepa_task_energy{task="t1",changes="without"} 0.5' in told.lines
    assert "old-out" not in service.tasks.part().reason

    standing.hold_out_since_s = service.clock.boottime_s()
    told = _Page()
    _add_tasks(told, service.tasks.all())
    assert 'jepa_task_hold_out{task="t1"} 1' in told.lines
    assert "Hold-out window of t1: nothing is done for it" in service.tasks.part().reason

    standing.hold_out_since_s = None
    windows = [0.2, 0.21, 0.19, 0.2, 0.22, 0.18]
    standing.task = replace(
        standing.task, taken=tuple(windows), without=tuple(each + 0.3 for each in windows)
    )
    assert re.search(
        r"t1 saves 0\.2\d+ \.\. 0\.3\d+ of its energy, by 6 hold-out", service.tasks.part().reason
    )
    told = _Page()
    _add_tasks(told, service.tasks.all())
    assert any(line.startswith('jepa_task_saved_energy{task="t1",end="low"} 0.2') for line in told.lines)

    standing.end("Over.")
    service.until(lambda task: task["state"] == "ended")
    told = _Page()
    _add_tasks(told, service.tasks.all())
    assert [line for line in told.lines if not line.startswith("#")] == ["jepa_tasks 0"]


def test_only_a_grant_of_ones_own_for_this_task_and_daemon_will_do(service: Service) -> None:
    wanted = service.granted()
    assert "given by user" in refused(service, wanted, ME + 1).problem
    assert refused(service, replace(wanted, task="t2")).status == 403
    assert refused(service, replace(wanted, grant="none")).status == 403
    assert refused(service, replace(wanted, task="../t1")).status == 422
    assert refused(service, replace(wanted, spec={"intent": "dance"})).status == 422
    healing = {"task": "t3", "daemon": "jepa-healing.service", "actions": ["process.nice"], "targets": ["*"]}
    theirs = service.actuator.grant(healing)
    assert refused(service, replace(wanted, task="t3", grant=theirs)).status == 403
    assert service.tasks.all() == []


def test_a_plan_of_another_spec_is_not_carried_out(service: Service) -> None:
    wanted = replace(service.granted(), spec={"intent": "limit"})
    assert "another task spec" in refused(service, wanted).problem


def test_a_task_under_a_condition_does_not_stand_as_if_there_were_none(service: Service) -> None:
    wanted = service.granted()
    under = replace(wanted, spec={**wanted.spec, "condition": {"kind": "plugged"}})
    assert "is not watched" in refused(service, under).problem


def test_a_task_acts_only_while_its_condition_holds(service: Service, sleeper: Process) -> None:
    before = nice_of(sleeper)
    spec = {**SPEC, "condition": {"kind": "on_battery"}}
    service.spec = spec
    service.tasks.accept(service.granted(), ME)
    waiting = service.until(lambda task: task["settled"])
    assert waiting["waits"] == "the machine runs on battery" and nice_of(sleeper) == before
    service.seen.battery = True
    service.until(lambda task: task["in_force"])
    assert nice_of(sleeper) == 7
    service.seen.battery = False
    found = service.until(lambda task: task["waits"])
    assert found["in_force"] == [] and nice_of(sleeper) == before
    assert "Taken back until" in found["notes"][-1]


def test_to_be_told_takes_no_grant_and_no_more_room_than_a_share(service: Service) -> None:
    watch = TaskRequest(task="w0", grant="", spec={"intent": "watch", "targets": ["shop.service"]})
    assert service.tasks.accept(watch, ME + 1)["state"] == "active"
    service.seen.units["shop.service"] = True
    service.until(lambda task: "fails" in " ".join(task["notes"]), "w0")
    assert [each[:2] for each in service.told] == [("watch_began", "shop.service")]
    for number in range(1, 8):
        service.tasks.accept(replace(watch, task=f"w{number}"), ME + 1)
    assert refused(service, replace(watch, task="w8"), ME + 1).status == 429
    assert service.tasks.accept(replace(watch, task="w9"), ME)["state"] == "active", "others have room"
    restart = replace(watch, task="w10", spec={**watch.spec, "operation": "restart"})
    assert refused(service, restart).status == 403, "to act takes a grant"
