# SPDX-License-Identifier: Apache-2.0
"""Window statistics agree with NumPy's and do not depend on how the frames come."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from jepa.telemetry.schema import Schema
from jepa.world.scale import Scale
from jepa.world.windows import Trailing, WindowStats, all_window_stats, filled, stats_on_scale

LENGTHS = (1, 3, 8)
VALUES = st.one_of(st.just(float("nan")), st.floats(0, 1e6, width=32))
FRAMES = arrays.arrays(np.float32, st.tuples(st.integers(1, 30), st.integers(1, 4)), elements=VALUES)


def at_the_end(values: np.ndarray) -> WindowStats:
    trailing = Trailing(values.shape[1], LENGTHS)
    return [trailing.push(frame) for frame in values][-1]


@settings(deadline=None)
@given(FRAMES)
def test_mean_and_p90_are_those_of_the_observed_frames(values: np.ndarray) -> None:
    stats = at_the_end(values)
    for channel in range(values.shape[1]):
        for column, length in enumerate(LENGTHS):
            window = values[-length:, channel]
            window = window[~np.isnan(window)]
            assert stats.share[channel, column] == np.float32(len(window) / length)
            if len(window):
                np.testing.assert_allclose(
                    stats.mean[channel, column], np.float32(window.mean(dtype=float)), rtol=1e-5
                )
                wanted = np.quantile(window.astype(float), 0.9)
                np.testing.assert_allclose(stats.p90[channel, column], np.float32(wanted), rtol=1e-4)
            else:
                assert np.isnan(stats.mean[channel, column])
                assert np.isnan(stats.p90[channel, column])


@settings(deadline=None)
@given(FRAMES)
def test_what_left_a_window_leaves_no_trace(values: np.ndarray) -> None:
    together = all_window_stats(values, LENGTHS)
    for number in range(len(values)):
        alone = at_the_end(values[max(0, number + 1 - max(LENGTHS)) : number + 1])
        for name in ("mean", "p90", "share"):
            np.testing.assert_array_equal(getattr(alone, name), getattr(together, name)[number])


def test_a_whole_recording_has_to_the_bit_what_comes_frame_by_frame() -> None:
    draw = np.random.default_rng(1)
    values = draw.uniform(0, 1, (150, 3)).astype(np.float32)  # several times what is sorted at once
    values[draw.random(values.shape) < 0.2] = np.nan
    values[40:70, 1] = np.nan
    lengths = (1, 5, 60)
    trailing = Trailing(3, lengths)
    each = [trailing.push(frame) for frame in values]
    together = all_window_stats(values, lengths)
    for name in ("mean", "p90", "share"):
        np.testing.assert_array_equal(getattr(together, name), [getattr(stats, name) for stats in each])


def test_an_empty_window_takes_the_next_longer_one() -> None:
    nan = np.nan
    stats = np.array([[nan, nan, 3.0, 4.0], [1.0, nan, nan, nan]], np.float32)
    np.testing.assert_array_equal(filled(stats), [[3, 3, 3, 4], [1, nan, nan, nan]])


def test_a_channel_never_observed_is_zero_and_not_seen(schema: Schema) -> None:
    values = np.full((5, len(schema.channels)), np.nan, np.float32)
    stats, seen = stats_on_scale(at_the_end(values), Scale(schema))
    assert not stats.any()
    assert not seen.any()
