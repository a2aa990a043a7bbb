# SPDX-License-Identifier: Apache-2.0
"""Adaptation: it leans on whoever is right, covers what it should, stays bounded, and lets go again."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jepa.world.adapt import Adapter, Pace

HORIZONS = (1, 5, 15)
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
CHANNELS = 2
SEEN = np.ones((CHANNELS, len(HORIZONS)), np.float32)


def quantiles(middle: float, width: float = 0.02) -> np.ndarray:
    spread = np.array([-2, -1, 0, 1, 2], np.float32) * width / 2
    return np.broadcast_to(middle + spread, (CHANNELS, len(HORIZONS), 2, 5)).astype(np.float32)


def stats(value: float) -> np.ndarray:
    return np.full((CHANNELS, len(HORIZONS), 2), value, np.float32)


def test_at_first_the_forecast_is_nearly_the_models_own() -> None:
    adapter = Adapter(CHANNELS, HORIZONS, LEVELS)
    fitted = adapter.adapt(quantiles(0.6), stats(0.2), SEEN)
    assert abs(fitted[0, 0, 0, 2] - 0.6) < 0.01
    np.testing.assert_allclose(fitted[0, 0, 0, [0, -1]], [0.58, 0.62], rtol=1e-3)


def test_a_model_that_is_wrong_here_is_left_for_what_is_right() -> None:
    adapter = Adapter(CHANNELS, HORIZONS, LEVELS)
    for _ in range(120):
        fitted = adapter.adapt(quantiles(0.6), stats(0.2), SEEN)
    assert np.abs(fitted[..., 2] - 0.2).max() < 0.03


def test_a_model_that_is_right_keeps_its_say() -> None:
    adapter = Adapter(CHANNELS, HORIZONS, LEVELS)
    for second in range(200):
        now = 0.3 + 0.2 * (second % 2)  # persistence is always one step behind
        fitted = adapter.adapt(quantiles(0.8 - now), stats(now), SEEN)
    assert abs(fitted[0, 0, 0, 2] - (0.8 - now)) < 0.04


def test_what_helped_once_fades_when_it_no_longer_does() -> None:
    adapter = Adapter(CHANNELS, HORIZONS, LEVELS)
    for _ in range(120):
        adapter.adapt(quantiles(0.6), stats(0.2), SEEN)
    for second in range(400):
        now = 0.3 + 0.3 * (second // 20 % 2)
        fitted = adapter.adapt(quantiles(now), stats(now), SEEN)
    assert np.abs(fitted[..., 2] - now).max() < 0.05


@pytest.mark.parametrize("width", [0.03, 0.3])
def test_intervals_come_to_cover_nine_in_ten(width: float) -> None:
    rng = np.random.default_rng(3)
    adapter = Adapter(CHANNELS, (1,), LEVELS)
    inside = []
    forecast = quantiles(0.5, width)[:, :1]
    fitted = forecast
    for second in range(3000):
        truth = np.clip(0.5 + 0.03 * rng.normal(size=(CHANNELS, 1, 2)), 0, 1).astype(np.float32)
        if second > 500:
            inside.append((truth >= fitted[..., 0]) & (truth <= fitted[..., -1]))
        fitted = adapter.adapt(forecast, truth, SEEN[:, :1])
    assert 0.85 < np.mean(inside) < 0.95


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_it_stays_bounded_ordered_and_finite_whatever_comes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pace = Pace()
    adapter = Adapter(CHANNELS, HORIZONS, LEVELS, pace)
    for _ in range(60):
        asked = np.sort(rng.uniform(0, 1, (CHANNELS, len(HORIZONS), 2, 5)), axis=-1).astype(np.float32)
        seen = rng.integers(0, 2, SEEN.shape).astype(np.float32)
        fitted = adapter.adapt(
            asked, rng.uniform(0, 1, (CHANNELS, len(HORIZONS), 2)).astype(np.float32), seen
        )
        assert np.isfinite(fitted).all()
        assert (fitted >= 0).all() and (fitted <= 1).all()
        assert (np.diff(fitted, axis=-1) >= -1e-6).all()
        # Stretched about the model's own median, and no further than that but to hold the fitted one.
        own, centre = asked[..., 2], fitted[..., 2]
        lowest = np.minimum(own - pace.widest * (own - asked[..., 0]), centre)
        highest = np.maximum(own + pace.widest * (asked[..., -1] - own), centre)
        assert (fitted[..., 0] >= lowest - 1e-5).all() and (fitted[..., -1] <= highest + 1e-5).all()


def test_a_channel_that_is_not_seen_is_left_as_it_is() -> None:
    adapter = Adapter(CHANNELS, HORIZONS, LEVELS)
    first = adapter.adapt(quantiles(0.6), stats(0.2), SEEN)
    for _ in range(50):
        fitted = adapter.adapt(quantiles(0.6), stats(0.2), np.zeros_like(SEEN))
    np.testing.assert_allclose(fitted, first, atol=1e-6)


def test_cleared_it_is_as_new() -> None:
    adapter = Adapter(CHANNELS, HORIZONS, LEVELS)
    first = adapter.adapt(quantiles(0.6), stats(0.2), SEEN)
    for _ in range(50):
        adapter.adapt(quantiles(0.6), stats(0.3), SEEN)
    adapter.clear()
    np.testing.assert_array_equal(adapter.adapt(quantiles(0.6), stats(0.2), SEEN), first)
