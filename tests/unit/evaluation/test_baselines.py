# SPDX-License-Identifier: Apache-2.0
"""Baselines: persistence repeats, seasons are found where there are some, and nobody peeks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jepa.evaluation import baselines
from jepa.world.windows import coming

HORIZONS = (1, 5, 15, 30)
FRAMES = 160


def wave(period: int, channels: int = 2) -> np.ndarray:
    t = np.arange(FRAMES)[:, None]
    square = (t % period < period // 3) * 50.0 + 10
    return np.repeat(square, channels, axis=1).astype(np.float32)


@pytest.mark.parametrize("period", [6, 11, 25, 40])
def test_a_periodic_load_is_forecast_exactly_by_its_season(period: int) -> None:
    values = wave(period)
    truth, seen = coming(values, HORIZONS)
    ours = baselines.seasonal(values, HORIZONS)
    judged = seen[3 * period :]
    np.testing.assert_allclose(ours[3 * period :][judged], truth[3 * period :][judged], rtol=1e-4)


def test_noise_has_no_season_and_the_past_window_is_repeated() -> None:
    values = np.random.default_rng(1).normal(50, 5, (FRAMES, 20)).astype(np.float32)
    found = baselines.seasons(values[-128:])
    assert (found == 0).mean() > 0.7
    same = baselines.seasonal(values, HORIZONS)[-1, found == 0]
    np.testing.assert_array_equal(same, baselines.window(values, HORIZONS)[-1, found == 0])


@settings(deadline=None, max_examples=15)
@given(now=st.integers(10, 120), seed=st.integers(0, 99))
def test_nobody_sees_what_comes(now: int, seed: int) -> None:
    values = np.random.default_rng(seed).uniform(0, 100, (130, 3)).astype(np.float32)
    changed = values.copy()
    changed[now + 1 :] = 7
    for each in (baselines.window, baselines.last, baselines.seasonal):
        np.testing.assert_array_equal(each(values, HORIZONS)[: now + 1], each(changed, HORIZONS)[: now + 1])


def test_a_channel_that_comes_and_goes_keeps_its_last_value() -> None:
    values = np.full((40, 1), 5, np.float32)
    values[10:20] = np.nan
    assert np.isfinite(baselines.seasonal(values, HORIZONS)).all()
