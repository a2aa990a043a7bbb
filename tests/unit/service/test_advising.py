# SPDX-License-Identifier: Apache-2.0
"""Advice on a standing goal: given where something is short, seldom, and never where it is done already."""

from collections.abc import Mapping
from typing import Any

import pytest

from jepa.errors import JepaError
from jepa.service.advising import FIRST_S, PLAN_EVERY_S, TELL_EVERY_S, Advising
from tests.unit.tasks.test_conditions import Seen

STEP = {"action": "cpu.weight", "target": "background.slice", "from": "default", "to": "idle"}


class Stage:
    """A machine whose foreground waits, and the model that says what would help."""

    def __init__(self) -> None:
        self.now = 0.0
        self.seen = Seen()
        self.mode, self.kept = "advise", {"quiet-foreground": ""}
        self.stands: list[str] = []
        self.steps: list[dict[str, Any]] = [STEP]
        self.energy: float | None = None
        self.fails: JepaError | None = None
        self.plans: list[tuple[float, str]] = []
        self.told: list[tuple[float, str, str]] = []
        self.advising = Advising(
            lambda: self.mode, lambda: self.kept, lambda: self.stands, self, self.seen, self.tell,
            lambda: self.now,
        )  # fmt: skip

    def advice(self, name: str, spec: Mapping[str, Any]) -> Mapping[str, Any]:
        self.plans.append((self.now, name))
        if self.fails is not None:
            raise self.fails
        self.energy = 0.3
        return {"steps": self.steps}

    def needed(self, name: str) -> float | None:
        return self.energy

    def tell(self, kind: str, unit: str | None, detail: str, severity: str) -> None:
        self.told.append((self.now, kind, detail))

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.advising.look()
            self.now += 10.0


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_what_would_help_is_said_once_an_hour_with_how_to_allow_it(stage: Stage) -> None:
    stage.run(3 * TELL_EVERY_S)
    assert 3 <= len(stage.told) <= 4 and stage.told[0][0] == FIRST_S
    _, kind, detail = stage.told[0]
    assert kind == "goal_advised" and "cpu.weight of background.slice default -> idle" in detail
    assert "`jepa autonomy ask`" in detail
    stage.mode = "ask"
    stage.run(TELL_EVERY_S + 10)
    assert "`jepa autonomy --approve quiet-foreground`" in stage.told[-1][2]


@pytest.mark.parametrize(
    "change",
    [
        {"mode": "off"},
        {"mode": "auto"},
        {"stands": ["quiet-foreground"]},
        {"kept": {}},
        {"kept": {"disk-headroom": ""}},
    ],
)
def test_where_it_is_done_or_nobody_asked_no_plan_is_made(stage: Stage, change: dict[str, Any]) -> None:
    vars(stage).update(change)
    stage.run(TELL_EVERY_S)
    assert stage.plans == [] and stage.told == []


def test_a_plan_is_made_seldom_and_none_while_nothing_is_short(stage: Stage) -> None:
    stage.steps = []
    stage.run(TELL_EVERY_S)
    assert len(stage.plans) <= TELL_EVERY_S / PLAN_EVERY_S and stage.told == []
    stage.energy = 0.0
    before = len(stage.plans)
    stage.run(TELL_EVERY_S)
    assert len(stage.plans) == before
    stage.energy = None
    stage.fails = JepaError("No pack is in use.", "", status=503)
    stage.run(2 * PLAN_EVERY_S)
    assert len(stage.plans) > before and stage.told == []


def test_a_goal_with_a_condition_is_advised_on_only_while_that_holds(stage: Stage) -> None:
    stage.kept = {"energy-on-battery": ""}
    stage.run(TELL_EVERY_S)
    assert stage.plans == []
    stage.seen.battery = True
    stage.run(60)
    assert [name for _, name in stage.plans] == ["energy-on-battery"] and len(stage.told) == 1
