# SPDX-License-Identifier: Apache-2.0
"""What a planner lacks: forecasts that are the past, and effects that are the scheduler's shares."""

import numpy as np
import pytest

from jepa.telemetry.frame import Frame
from jepa.telemetry.schema import load_schema
from jepa.world.controls import CONTROL_NAMES
from jepa.world.forecast import Forecast
from tests.bench.control_ablated import Shares, persistent

SCHEMA = load_schema()
WAITS, FRONT, BACK = (
    f"system.role.{name}" for name in ("foreground.pressure.cpu", "foreground.cpu", "background.cpu")
)


def forecast(**values: float) -> Forecast:
    middle = np.zeros((len(SCHEMA.names), 2), np.float32)
    for name, value in values.items():
        middle[SCHEMA.index(name)] = value
    mean = np.stack([middle * 0.9, middle, middle * 1.1], axis=-1)
    return Forecast(0, SCHEMA.names, (5, 15), (0.05, 0.5, 0.95), mean, mean)


def test_without_forecasts_the_window_to_come_is_as_the_last_one() -> None:
    frames = []
    for at in range(20):
        values = np.zeros(len(SCHEMA.names), np.float32)
        values[SCHEMA.index(WAITS)] = at
        frames.append(Frame(at, values, np.ones(len(values), np.bool_)))
    found = persistent(forecast(**{WAITS: 50.0}), frames, SCHEMA)
    column = SCHEMA.index(WAITS)
    assert found.mean[column, 0, 1] == pytest.approx(17.0)
    assert found.mean[column, 1, 1] == pytest.approx(12.0)
    assert found.mean[column, 0, 2] - found.mean[column, 0, 1] == pytest.approx(5.0)


def sequences(**strengths: float) -> np.ndarray:
    row = np.zeros((1, 4, len(CONTROL_NAMES)), np.float32)
    for name, value in strengths.items():
        row[..., CONTROL_NAMES.index(name)] = value
    return row


def test_by_the_rules_less_weight_is_less_waiting_and_a_frozen_background_none() -> None:
    shares = Shares(forecast(**{WAITS: 30.0, FRONT: 30.0, BACK: 60.0}), CONTROL_NAMES)
    tried = [
        {},
        {"cpu.weight.background": -0.5},
        {"cpu.weight.background": -1.0},
        {"pause.background": 1.0},
    ]
    found = shares.rollout(np.concatenate([sequences(**each) for each in tried])).mean
    waits = found[:, SCHEMA.index(WAITS), 1]
    assert waits[0] == pytest.approx(30.0)
    assert waits[0] > waits[1] > waits[2] >= waits[3] == pytest.approx(0.0)
    assert found[3, SCHEMA.index(BACK), 1] < 1


def test_what_is_set_now_is_what_was_asked_first() -> None:
    shares = Shares(forecast(**{WAITS: 2.0, FRONT: 30.0, BACK: 5.0}), CONTROL_NAMES)
    kept = shares.rollout(sequences(**{"cpu.weight.background": -1.0})).mean
    released = shares.rollout(sequences()).mean
    assert kept[0, SCHEMA.index(WAITS), 1] == pytest.approx(2.0)
    assert released[0, SCHEMA.index(WAITS), 1] > 20
