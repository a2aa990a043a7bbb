# SPDX-License-Identifier: Apache-2.0
"""Odds learn from what came: they fall where alarms were in vain, stay bounded, and go back."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from jepa.telemetry.schema import load_schema
from jepa.world.hazards import HAZARDS, happening
from jepa.world.odds import Happenings, OddsAdapter, OddsPace

HORIZONS = (1, 5, 15)


def told(chance: float) -> np.ndarray:
    return np.full((1, len(HORIZONS)), chance, np.float32)


def spent(adapter: OddsAdapter, frames: int, chance: float, every: int = 0) -> np.ndarray:
    """What is said after ``frames`` of one chance, an event happening every so many, if at all."""
    for frame in range(frames):
        happens = every > 0 and frame % every == 0
        said = adapter.adapt(told(chance), np.array([float(happens)]))
    return said


def test_at_first_the_odds_are_the_packs_own() -> None:
    said = OddsAdapter(1, HORIZONS).adapt(told(0.7), np.zeros(1))
    np.testing.assert_allclose(said, 0.7, rtol=1e-6)


def test_what_never_comes_is_soon_no_longer_likely() -> None:
    assert spent(OddsAdapter(1, HORIZONS), 60, 0.8).max() < 0.5
    assert spent(OddsAdapter(1, HORIZONS), 600, 0.8).max() < 0.25


def test_what_comes_more_often_than_was_said_becomes_likely() -> None:
    said = spent(OddsAdapter(1, HORIZONS), 300, 0.3, every=10)
    assert said[0, -1] > 0.6, "within 15 frames it always came"
    assert said[0, 0] < said[0, 1] < said[0, 2]


def test_odds_that_are_right_are_kept() -> None:
    adapter = OddsAdapter(1, HORIZONS)
    rng = np.random.default_rng(3)
    for _ in range(2000):
        said = adapter.adapt(told(0.5), np.array([float(rng.random() < 0.13)]))  # one in two within 5 frames
    assert abs(said[0, 1] - 0.5) < 0.15


def test_where_an_event_is_not_seen_nothing_is_learned_of_it() -> None:
    adapter = OddsAdapter(1, HORIZONS)
    for _ in range(100):
        said = adapter.adapt(told(0.8), np.array([np.nan]))
    np.testing.assert_allclose(said, 0.8, rtol=1e-6)
    for _ in range(100):
        silent = adapter.adapt(told(np.nan), np.array([np.nan]))
    assert np.isnan(silent).all()
    adapter.adapt(told(np.nan), np.zeros(1))
    np.testing.assert_allclose(adapter.fitted(told(0.8)), 0.8, rtol=1e-6)


def test_what_was_learned_fades_where_it_is_no_longer_seen() -> None:
    adapter = OddsAdapter(1, HORIZONS, OddsPace(memory_s=20))
    learned = spent(adapter, 100, 0.8).max()
    for _ in range(400):
        said = adapter.adapt(told(0.8), np.array([np.nan]))
    assert said.min() > 0.75 > learned
    adapter.adapt(told(0.8), np.zeros(1))
    adapter.clear()
    np.testing.assert_allclose(adapter.fitted(told(0.8)), 0.8, rtol=1e-6)


@settings(max_examples=50, deadline=None)
@given(
    odds=arrays.arrays(np.float32, (40, 2, 3), elements=st.floats(0, 1, width=32)),
    happens=arrays.arrays(np.float32, (40, 2), elements=st.sampled_from([0.0, 1.0, np.nan])),
)
def test_whatever_comes_odds_stay_odds_and_keep_their_order(odds: np.ndarray, happens: np.ndarray) -> None:
    adapter = OddsAdapter(2, HORIZONS)
    for each, now in zip(odds, happens, strict=True):
        said = adapter.adapt(each, now)
        assert ((said >= 0) & (said <= 1)).all()
    low, high = adapter.fitted(np.full((2, 3), 0.2)), adapter.fitted(np.full((2, 3), 0.6))
    assert (low < high).all(), "a higher chance never becomes the lower one"


@settings(max_examples=50, deadline=None)
@given(
    values=arrays.arrays(
        np.float32,
        (12, len(HAZARDS)),
        elements=st.one_of(st.just(np.nan), st.floats(0, 100, width=32)),
    )
)
def test_frame_by_frame_happens_what_happens_in_a_recording(values: np.ndarray) -> None:
    schema = load_schema()
    columns = [schema.index(hazard.channel) for hazard in HAZARDS]
    recorded = np.full((len(values), len(schema.names)), np.nan, np.float32)
    for column, series in zip(columns, values.T, strict=True):
        recorded[:, column] = series
    happenings = Happenings(HAZARDS)
    streamed = np.stack([happenings.push(frame[columns]) for frame in recorded])
    np.testing.assert_array_equal(streamed, happening(recorded, schema))
