# SPDX-License-Identifier: Apache-2.0
"""A watch tells when something begins and is over, and restarts what failed within its grant and no more."""

import itertools
from dataclasses import replace
from typing import Any

from jepa.errors import JepaError
from jepa.tasks.granting import RESTARTS_PER_HOUR
from jepa.tasks.task import Task, TaskState
from jepa.tasks.watching import BLIND_S, Watching
from tests.unit.tasks.test_conditions import Seen

UNIT = "shop.service"


class Stage:
    """A unit, an actuator that restarts it, and a watch over it."""

    def __init__(self, grant: str = "0a", **spec: Any) -> None:
        self.now = 1000.0
        self.seen = Seen()
        self.seen.units = {UNIT: False}
        self.told: list[tuple[str, str | None, str]] = []
        self.asked: list[dict[str, Any]] = []
        self.kept: list[Task] = []
        self.given_up = False
        self.left_s: float | None = 3600.0
        self.refuses: JepaError | None = None
        self.heals = True
        given = {"intent": "watch", "targets": [UNIT], **spec}
        self.task = Task("t1", given, grant, 1000, since_ns=self.seen.wall_ns())
        self.watch = self.begin()

    def begin(self) -> Watching:
        this: Any = self
        return Watching(
            self.task, self.seen, this, lambda **what: what, self.kept.append, self.tell, lambda: self.now
        )  # type: ignore[arg-type,return-value]

    def tell(self, kind: str, unit: str | None, detail: str, severity: str) -> None:
        self.told.append((kind, unit, detail))

    def act(self, request: Any, consent: bool) -> Any:
        assert not consent, "a daemon gives no consent"
        self.asked.append(request)
        if self.refuses is not None:
            raise self.refuses
        self.seen.units[UNIT] = not self.heals
        return Done

    def remaining_s(self, task: Task) -> float | None:
        return self.left_s

    def give_up(self, task: Task) -> None:
        self.given_up = True

    def run(self, seconds: int) -> None:
        for _ in range(seconds):
            self.watch.step()
            self.now += 1.0
            self.seen.at += 1

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _, _ in self.told]


class Done:
    """A change that was made."""

    state = None
    id = "c1"


def test_it_tells_once_when_a_unit_fails_and_once_when_that_is_over_and_touches_nothing() -> None:
    stage = Stage(grant="")
    stage.run(20)
    assert stage.told == []
    stage.seen.units[UNIT] = True
    stage.run(60)
    assert stage.told == [("watch_began", UNIT, f"task t1: {UNIT} fails.")]
    stage.seen.units[UNIT] = False
    stage.run(60)
    assert stage.kinds == ["watch_began", "watch_over"]
    assert stage.asked == [] and not stage.watch.in_force
    stage.watch.end("User 1000 ended it.")
    stage.run(1)
    assert stage.watch.over and not stage.given_up, "there is no grant to give up"


def test_what_failed_is_restarted_within_seconds_and_the_history_says_for_what() -> None:
    stage = Stage(operation="restart")
    stage.seen.units[UNIT] = True
    stage.run(5)
    (request,) = stage.asked
    assert (request["action"], request["target"], request["task"]) == ("unit.restart", UNIT, "t1")
    assert stage.kinds == ["watch_began", "watch_acted"]
    assert stage.watch.task.changes == 1


def test_what_fails_again_and_again_is_restarted_ever_later_and_then_left_to_a_person() -> None:
    stage = Stage(operation="restart")
    stage.heals = False
    stage.seen.units[UNIT] = True
    times: list[float] = []
    for _ in range(3000):
        before = len(stage.asked)
        stage.run(1)
        times += [stage.now] * (len(stage.asked) - before)
    pauses = [later - sooner for sooner, later in itertools.pairwise(times)]
    assert len(times) == RESTARTS_PER_HOUR, "six within an hour"
    assert pauses == sorted(pauses) and pauses[0] >= 10
    assert "needs a person" in stage.watch.task.notes[-1]
    assert stage.watch.task.active, "it still tells"


def test_what_the_guard_refuses_ends_it_with_the_reason() -> None:
    stage = Stage(operation="restart")
    stage.refuses = JepaError("shop.service is protected.", "", status=403)
    stage.seen.units[UNIT] = True
    stage.run(200)
    assert stage.watch.task.state is TaskState.REFUSED
    assert "protected" in stage.watch.task.why and len(stage.asked) == 3
    assert stage.given_up


def test_it_ends_with_its_grant_and_with_its_time() -> None:
    stage = Stage(operation="restart")
    stage.left_s = 0.0
    stage.seen.units[UNIT] = True
    stage.run(10)
    assert stage.watch.task.why == "Its grant was revoked, or has ended." and stage.asked == []

    stage = Stage(grant="")
    stage.watch.task = replace(stage.watch.task, until_ns=stage.seen.wall_ns() + 5_000_000_000)
    stage.run(10)
    assert stage.watch.task.why == "Its time was over."


def test_an_actuator_that_is_away_is_asked_again_and_one_that_cannot_be_seen_is_said() -> None:
    stage = Stage(operation="restart")
    stage.refuses = JepaError("The actuator cannot be reached.", "", status=503)
    stage.seen.units[UNIT] = True
    stage.run(60)
    assert len(stage.asked) >= 3 and stage.watch.task.active
    stage.seen.units.clear()
    stage.run(int(BLIND_S) + 5)
    assert "cannot be seen" in stage.watch.task.notes[-1]
    assert "watch_over" not in stage.kinds, "what is not seen is not over"
