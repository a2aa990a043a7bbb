# SPDX-License-Identifier: Apache-2.0
"""What came of a task's changes is taken from frames, kept over a restart, used, and forgotten."""

from pathlib import Path

import numpy as np
import pytest

from jepa.errors import JepaError
from jepa.packs.effects import ChannelEffect, KnownEffects, SettingEffects
from jepa.planning.learning import LEAST_SCORED, ForeseenEffect
from jepa.service.learning import Learning
from jepa.service.ring import Entry, Ring
from jepa.telemetry.frame import Frame
from jepa.telemetry.schema import Schema
from jepa.world.scale import Scale

PACK, CHANNEL, SETTING = "machine 1", "system.role.background.cpu", "cpu.weight.background"
SECOND = 1_000_000_000


class Stage:
    """A jepad whose clock and frames a test moves."""

    def __init__(self, schema: Schema, path: Path | None) -> None:
        self.schema, self.path, self.now = schema, path, 1000
        self.ring = Ring()
        self.in_force: set[str] = set()
        self.at = schema.index(CHANNEL)
        self.learning = self.begin()

    def begin(self) -> Learning:
        return Learning(
            self.path, self.schema, self.ring, lambda: frozenset(self.in_force), lambda: self.now * SECOND
        )

    def run(self, seconds: int, value: float) -> None:
        """So many frames in which the channel has ``value``, on the unit scale."""
        row = np.zeros(len(self.schema.channels), np.float32)
        row[self.at] = value
        values = Scale(self.schema).from_unit(row)
        for _ in range(seconds):
            self.now += 1
            frame = Frame(self.now * SECOND, values, np.ones(len(values), np.bool_))
            self.ring.append(Entry(self.now, frame, None))
            self.learning.look()

    def change(self, imagined: float = -0.2, horizons: tuple[int, ...] = (5, 15)) -> None:
        """A change of which that is foreseen, where the channel would stay at a half."""
        effects = [ForeseenEffect(SETTING, False, CHANNEL, each, imagined, 0.5, 0.01) for each in horizons]
        self.learning.expect(effects, PACK, self.now * SECOND)


@pytest.fixture
def stage(schema: Schema, tmp_path: Path) -> Stage:
    return Stage(schema, tmp_path / "learning.jsonl")


def effects(size: float = 1.0) -> KnownEffects:
    known = {horizon: ChannelEffect(size=size, spread=0.8, changes=20) for horizon in (5, 15)}
    setting = SettingEffects(low=-1.0, high=1.0, up={}, down={CHANNEL: known})
    return KnownEffects(lower_90=None, coverage_90=None, windows=0, settings={SETTING: setting})


def size_of(found: KnownEffects, horizon: int = 15) -> float:
    return found.settings[SETTING].down[CHANNEL][horizon].size


def teach(stage: Stage, count: int, value: float = 0.18) -> None:
    for _ in range(count):
        stage.change()
        stage.run(30, value)


def test_windows_after_a_change_are_learned_and_correct_the_next_plan_once_they_predicted_better(
    stage: Stage,
) -> None:
    stage.change()
    stage.run(10, 0.18)
    shown = stage.learning.shown(PACK, effects())
    assert [(each.horizon_s, each.outcomes) for each in shown.effects] == [(5, 1)], "15 s are not over"
    assert shown.effects[0].after.size > 1.0 and not shown.effects[0].used
    assert stage.learning.corrected(PACK, effects()) == effects(), "one outcome decides nothing"
    teach(stage, LEAST_SCORED + 2)
    assert 1.4 < size_of(stage.learning.corrected(PACK, effects())) < 1.65
    assert stage.learning.shown(PACK, effects()).used == 2


def test_it_outlives_jepad_means_nothing_to_another_pack_and_is_forgotten_at_once(stage: Stage) -> None:
    teach(stage, LEAST_SCORED + 2)
    before = size_of(stage.learning.corrected(PACK, effects()))
    assert stage.path is not None
    with stage.path.open("a") as file:
        file.write("damaged\n")
    stage.learning = stage.begin()
    assert size_of(stage.learning.corrected(PACK, effects())) == pytest.approx(before, abs=1e-3)
    assert stage.learning.corrected("machine 2", effects()) == effects()
    assert stage.learning.reset() == 2 * (LEAST_SCORED + 2)
    assert stage.learning.corrected(PACK, effects()) == effects()
    assert stage.begin().shown(PACK, effects()).effects == []


def test_nothing_is_learned_of_a_window_in_which_something_else_was_changed(stage: Stage) -> None:
    stage.change()
    stage.run(7, 0.18)
    stage.in_force.add("another")
    stage.run(30, 0.9)
    assert [each.horizon_s for each in stage.learning.shown(PACK, effects()).effects] == [5]


def test_nothing_is_learned_of_a_window_that_was_not_seen(stage: Stage) -> None:
    stage.change()
    stage.now += 60
    stage.run(5, 0.18)
    assert stage.learning.shown(PACK, effects()).effects == []


def test_a_full_disk_costs_only_what_a_restart_would_keep(stage: Stage, schema: Schema) -> None:
    stage.path = Path("/proc/nowhere/learning.jsonl")
    stage.learning = stage.begin()
    teach(stage, 1)
    assert stage.learning.shown(PACK, effects()).outcomes == 2
    with pytest.raises(JepaError, match="cannot be kept") as error:
        stage.learning.reset()
    assert error.value.status == 507
