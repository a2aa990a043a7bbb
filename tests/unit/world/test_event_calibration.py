# SPDX-License-Identifier: Apache-2.0
"""Event probabilities follow what came: fewer false alarms, within bounds, and back without evidence."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from jepa.telemetry.schema import load_schema
from jepa.world.event_calibration import CalibrationPace, EventCalibrator, EventDetector
from jepa.world.event_definitions import EVENT_DEFINITIONS, holding

HORIZONS = (1, 5, 15)


def told(chance: float) -> np.ndarray:
    return np.full((1, len(HORIZONS)), chance, np.float32)


def spent(calibrator: EventCalibrator, frames: int, chance: float, every: int = 0) -> np.ndarray:
    """What is said after ``frames`` of one chance, an event every so many, if at all."""
    for frame in range(frames):
        holds = every > 0 and frame % every == 0
        said = calibrator.adapt(told(chance), np.array([float(holds)]))
    return said


def test_at_first_probabilities_are_the_packs_own() -> None:
    said = EventCalibrator(1, HORIZONS).adapt(told(0.7), np.zeros(1))
    np.testing.assert_allclose(said, 0.7, rtol=1e-6)


def test_what_never_comes_is_soon_no_longer_likely() -> None:
    assert spent(EventCalibrator(1, HORIZONS), 60, 0.8).max() < 0.5
    assert spent(EventCalibrator(1, HORIZONS), 600, 0.8).max() < 0.25


def test_what_comes_more_often_than_was_said_becomes_likely() -> None:
    said = spent(EventCalibrator(1, HORIZONS), 300, 0.3, every=10)
    assert said[0, -1] > 0.6, "within 15 frames it always came"
    assert said[0, 0] < said[0, 1] < said[0, 2]


def test_probabilities_that_are_right_are_kept() -> None:
    calibrator = EventCalibrator(1, HORIZONS)
    rng = np.random.default_rng(3)
    for _ in range(2000):  # an event in one of two windows of 5 frames
        said = calibrator.adapt(told(0.5), np.array([float(rng.random() < 0.13)]))
    assert abs(said[0, 1] - 0.5) < 0.15


def test_where_an_event_is_not_seen_nothing_is_learned_of_it() -> None:
    calibrator = EventCalibrator(1, HORIZONS)
    for _ in range(100):
        said = calibrator.adapt(told(0.8), np.array([np.nan]))
    np.testing.assert_allclose(said, 0.8, rtol=1e-6)
    for _ in range(100):
        silent = calibrator.adapt(told(np.nan), np.array([np.nan]))
    assert np.isnan(silent).all()
    calibrator.adapt(told(np.nan), np.zeros(1))
    np.testing.assert_allclose(calibrator.calibrated(told(0.8)), 0.8, rtol=1e-6)


def test_what_was_learned_fades_where_it_is_no_longer_seen() -> None:
    calibrator = EventCalibrator(1, HORIZONS, CalibrationPace(memory_s=20))
    learned = spent(calibrator, 100, 0.8).max()
    for _ in range(400):
        said = calibrator.adapt(told(0.8), np.array([np.nan]))
    assert said.min() > 0.75 > learned
    calibrator.adapt(told(0.8), np.zeros(1))
    calibrator.clear()
    np.testing.assert_allclose(calibrator.calibrated(told(0.8)), 0.8, rtol=1e-6)


@settings(max_examples=50, deadline=None)
@given(
    probability=arrays.arrays(np.float32, (40, 2, 3), elements=st.floats(0, 1, width=32)),
    holds=arrays.arrays(np.float32, (40, 2), elements=st.sampled_from([0.0, 1.0, np.nan])),
)
def test_whatever_comes_probabilities_stay_within_bounds_and_keep_their_order(
    probability: np.ndarray, holds: np.ndarray
) -> None:
    calibrator = EventCalibrator(2, HORIZONS)
    for each, now in zip(probability, holds, strict=True):
        said = calibrator.adapt(each, now)
        assert ((said >= 0) & (said <= 1)).all()
    low, high = calibrator.calibrated(np.full((2, 3), 0.2)), calibrator.calibrated(np.full((2, 3), 0.6))
    assert (low < high).all(), "a higher chance never becomes the lower one"


@settings(max_examples=50, deadline=None)
@given(
    values=arrays.arrays(
        np.float32,
        (12, len(EVENT_DEFINITIONS)),
        elements=st.one_of(st.just(np.nan), st.floats(0, 100, width=32)),
    )
)
def test_frame_by_frame_the_same_events_hold_as_in_a_recording(values: np.ndarray) -> None:
    schema = load_schema()
    columns = [schema.index(each.channel) for each in EVENT_DEFINITIONS]
    recorded = np.full((len(values), len(schema.names)), np.nan, np.float32)
    for column, series in zip(columns, values.T, strict=True):
        recorded[:, column] = series
    detector = EventDetector(EVENT_DEFINITIONS)
    streamed = np.stack([detector.push(frame[columns]) for frame in recorded])
    np.testing.assert_array_equal(streamed, holding(recorded, schema))
