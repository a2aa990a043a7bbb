# SPDX-License-Identifier: Apache-2.0
"""A branch is a trial of its first setting: what was imagined of it, and what it did."""

from typing import Any

import numpy as np
import pytest

from jepa.evaluation.courses import HORIZONS
from jepa.packs.pack import Pack
from jepa.telemetry.recording import Recording
from jepa.telemetry.schema import Schema
from jepa.world.scale import Scale
from jepa_lab.branches.store import Branch, RecordedMoment, Stretch
from jepa_lab.branches.trials import trials

CHANNEL = "system.cpu.utilization"
CONTEXT, AFTER = 40, 30


def step(action: str, target: str, value: Any, at_s: float = 0.0) -> dict[str, Any]:
    return {"at_s": at_s, "action": action, "target": target, "value": value}


def report(old: Any, new: Any, state: str = "committed") -> dict[str, Any]:
    return {"state": state, "old": old, "new": new}


@pytest.fixture
def moment(recording: Recording, schema: Schema) -> Any:
    """Makes a moment of ``recording`` whose branches with an action have another CPU utilization."""
    column = schema.names.index(CHANNEL)

    def stretch(first: int, frames: int, level: float | None = None) -> Stretch:
        values = recording.values[first : first + frames].copy()
        if level is not None:
            values[:, column] = level
        return Stretch(recording.ts_ns[first : first + frames], values)

    def make(*courses: tuple[list[dict[str, Any]], list[dict[str, Any]]]) -> RecordedMoment:
        nothing = [
            Branch(name, (), (), stretch(CONTEXT, AFTER, 80.0)) for name in ("nothing", "nothing-again")
        ]
        acted = [
            Branch(f"course {number}", tuple(steps), tuple(reports), stretch(CONTEXT, AFTER, 30.0))
            for number, (steps, reports) in enumerate(courses)
        ]
        facts = {"shape": {"memory_mib": 1024}}
        return RecordedMoment(facts, stretch(0, CONTEXT), (*nothing, *acted))

    return make


def test_the_measured_effect_is_the_branch_less_those_without(
    moment: Any, pack: Pack, schema: Schema
) -> None:
    course = ([step("cpu.weight", "background", 1)], [report(20, 1)])
    (trial,) = trials(moment(course), 7, pack, schema)
    assert (trial.session, trial.setting, trial.up) == (7, "cpu.weight.background", False)
    column = pack.schema.names.index(CHANNEL)
    rows = np.zeros((2, len(pack.schema.names)), np.float32)
    rows[:, column] = 80, 30
    before, after = Scale(pack.schema).to_unit(rows)[:, column]
    assert trial.measured[column] == pytest.approx([after - before] * len(HORIZONS), abs=1e-5)
    assert trial.noise[column] == pytest.approx([0] * len(HORIZONS))
    assert trial.imagined.shape == (len(pack.schema.names), len(HORIZONS))
    assert np.abs(trial.imagined).max() > 0.01, "the model imagines that it does something"


def test_a_second_step_ends_the_windows_that_it_falls_into(moment: Any, pack: Pack, schema: Schema) -> None:
    steps = [
        step("unit.freeze", "lab-background.service", None),
        step("cpu.weight", "background", 1, 15.0),
    ]
    (trial,) = trials(moment((steps, [report("running", "frozen"), report(20, 1)])), 0, pack, schema)
    assert trial.setting == "pause.background"
    column = pack.schema.names.index(CHANNEL)
    assert np.isfinite(trial.measured[column]).tolist() == [True, True, False]


def test_idle_is_imagined_as_the_least_weight(moment: Any, pack: Pack, schema: Schema) -> None:
    least, idle = trials(
        moment(
            ([step("cpu.weight", "background", 1)], [report(20, 1)]),
            ([step("cpu.weight", "background", "idle")], [report(20, "idle")]),
        ),
        0,
        pack,
        schema,
    )
    assert (least.setting, idle.setting) == ("cpu.weight.background", "cpu.weight.background")
    assert not idle.up
    np.testing.assert_allclose(least.imagined, idle.imagined)


@pytest.mark.parametrize(
    ("steps", "reports"),
    [
        ([step("memory.reclaim", "lab-background.service", "64M")], [report(None, "64M")]),
        ([step("cpu.weight", "background", 1)], [report(20, 1, "failed")]),
        ([step("cpu.weight", "background", 20)], [report(20, 20)]),
    ],
    ids=["not of the pack", "not taken", "no change"],
)
def test_what_the_pack_has_no_setting_for_and_what_was_not_taken_is_no_trial(
    moment: Any, pack: Pack, schema: Schema, steps: list[Any], reports: list[Any]
) -> None:
    assert trials(moment((steps, reports)), 0, pack, schema) == []
