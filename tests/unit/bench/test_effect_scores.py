# SPDX-License-Identifier: Apache-2.0
"""Imagined effects are scored by the same figures, whoever imagined them."""

import numpy as np
import pytest

from jepa.evaluation.courses import HORIZONS
from jepa.evaluation.effect_errors import Trial
from jepa.telemetry.schema import load_schema
from tests.bench.effect_scores import (
    PLANNED,
    Cells,
    calibrated,
    cells,
    error,
    ratio_interval,
    sign_right,
    size,
)

SCHEMA = load_schema()


def some(share: float, seed: int = 0) -> Cells:
    """Effects of eight sessions, of which ``share`` is imagined and the rest is luck."""
    rng = np.random.default_rng(seed)
    shape = (len(SCHEMA.channels), len(HORIZONS))
    trials = []
    for number in range(64):
        measured = rng.normal(0, 0.2, shape).astype(np.float32)
        trials.append(
            Trial(
                number // 8,
                "cpu.weight.background",
                True,
                share * measured,
                measured,
                np.full(shape, 0.002, np.float32),
            )
        )
    return cells(trials, SCHEMA, pooled=False)


def test_only_channels_that_plans_look_at_are_judged() -> None:
    found = some(1)
    assert len(found.measured) == 64 * len(PLANNED) * len(HORIZONS)
    assert set(found.family) == {"cpu.weight"}
    assert found.clear.mean() == pytest.approx(0.8, abs=0.03), "beyond 0.05, of a deviation of 0.2"


def test_who_imagines_half_has_the_sign_and_half_of_the_size() -> None:
    half = some(0.5)
    assert sign_right(half) == 1
    assert size(half) == pytest.approx(0.5)
    assert error(half) == pytest.approx(0.5)


def test_a_share_that_is_always_the_same_is_as_good_as_all_of_it() -> None:
    half, none = some(0.5), some(0.0)
    ours, theirs = calibrated(half), calibrated(none)
    assert ours.crps(half).sum() < 0.1 * theirs.crps(none).sum()
    assert ours.held(half).mean() > 0.85


def test_of_no_effect_the_interval_is_that_of_the_effects_of_other_sessions() -> None:
    none = some(0.0)
    assert calibrated(none).held(none).mean() == pytest.approx(0.9, abs=0.02)
    assert sign_right(none) == 0
    assert error(none) == 1


def test_an_interval_of_a_ratio_draws_sessions_and_holds_it() -> None:
    rng = np.random.default_rng(1)
    session = np.repeat(np.arange(8), 20)
    theirs = rng.uniform(1, 2, 160)
    low, high = ratio_interval(0.8 * theirs * rng.uniform(0.8, 1.2, 160), theirs, session)
    assert low < 0.8 < high
    assert high - low < 0.1
