# SPDX-License-Identifier: Apache-2.0
"""Every picture has a time of its own, later than those before, whatever the stamps are."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.vision.timeline import Timeline

PERIOD = 0.04


def placed(*stamps: float | None) -> tuple[list[float], int]:
    timeline = Timeline(PERIOD)
    return [timeline.place(stamp) for stamp in stamps], timeline.jumps


@pytest.mark.parametrize(
    ("stamps", "expected", "jumps"),
    [
        ((7.0, 7.04, 7.5, 9.5), (0, 0.04, 0.5, 2.5), 0),
        ((0.0, 4.0, 0.0, 4.0), (0, 4.0, 4.04, 8.04), 1),
        ((0.0, 0.04, 36000.0, 0.12, 0.16), (0, 0.04, 0.08, 0.12, 0.16), 2),
        ((36000.0, 0.0, 0.04), (0, 0.04, 0.08), 1),
        ((None, None, None), (0, 0.04, 0.08), 0),
        ((None, 5.0, 5.1), (0, 0.04, 0.14), 0),
        ((0.0, math.nan, 0.1), (0, 0.04, 0.1), 0),
        ((0.04, 0.12, 0.16, 0.08, 0.28), (0, 0.08, 0.12, 0.16, 0.24), 0),
        ((1.0, 1.0, 1.0), (0, 0.04, 0.08), 0),
    ],
    ids=[
        "as stamped, from the first",
        "stamps that begin anew",
        "one hours ahead",
        "the first hours ahead",
        "no stamps",
        "stamps from the second on",
        "a stamp that is no number",
        "out of order, as B-frames in AVI",
        "the same stamp",
    ],
)
def test_stamps_become_times(
    stamps: tuple[float | None, ...], expected: tuple[float, ...], jumps: int
) -> None:
    times, counted = placed(*stamps)
    assert times == pytest.approx(expected)
    assert counted == jumps


def test_a_slow_video_has_no_jumps() -> None:
    timeline = Timeline(60.0)
    assert [timeline.place(60.0 * number) for number in range(4)] == [0, 60, 120, 180]
    assert timeline.jumps == 0


@given(st.lists(st.none() | st.floats(allow_nan=True, allow_infinity=True, width=32), max_size=60))
def test_times_only_go_forward(stamps: list[float | None]) -> None:
    times, _ = placed(*stamps)
    assert all(math.isfinite(each) for each in times)
    assert all(one < other for one, other in itertools.pairwise(times))
