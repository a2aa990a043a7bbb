# SPDX-License-Identifier: Apache-2.0
import math

import pytest

from jepa.service.api import Band, ForecastOut, FrameOut, TickOut
from jepa.shell.formatting import Interval, interval
from jepa.shell.tui.series import Board, Track, fan


def band(horizon_s: int, low: float, median: float, high: float) -> Band:
    quantiles = {"0.05": low, "0.5": median, "0.95": high}
    return Band(horizon_s=horizon_s, mean=quantiles, p90=quantiles)


def test_a_forecast_is_judged_by_the_mean_of_its_own_window() -> None:
    track = Track()
    track.observe(0, 0.0)
    track.forecast(0, [band(5, 9.0, 10.0, 11.0)])
    for second, value in enumerate([0.0, 20.0, 0.0, 20.0, 10.0], start=1):
        assert track.held(5) == (0, 0)
        track.observe(second, value)
    assert track.held(5) == (1, 1)
    assert track.at(5, 5) == (10.0, Interval(9.0, 10.0, 11.0))


def test_a_value_outside_the_band_counts_as_missed() -> None:
    track = Track(noise_floor=1.0)
    for second, value in enumerate([5.0, 5.0, 7.0, 8.05, 8.2]):
        track.observe(second, value)
        track.forecast(second, [band(1, 4.0, 5.0, 8.0)])
    assert track.held(1) == (3, 4)


def test_a_window_with_too_many_absent_seconds_is_not_judged() -> None:
    track = Track()
    track.forecast(0, [band(5, 0.0, 1.0, 2.0)])
    for second, value in enumerate([1.0, None, None, 1.0, 1.0], start=1):
        track.observe(second, value)
    assert track.held(5) == (0, 0)
    assert math.isnan(track.mean(5, 5))
    assert track.mean(5, 2) == 1.0


def test_an_absent_channel_is_never_observed() -> None:
    track = Track()
    track.observe(1, None)
    assert not track.observed
    assert math.isnan(track.latest)


def test_the_fan_meets_the_horizons_and_starts_at_the_present() -> None:
    lines = fan({5: Interval(0, 10, 20), 10: Interval(0, 20, 40)}, now=10.0, seconds=60)
    assert len(lines) == 10
    assert lines[4] == Interval(0, 10, 20)
    assert lines[9] == Interval(0, 20, 40)
    assert lines[6].high == pytest.approx(28.0)
    assert fan({}, 1.0, 60) == []


def test_an_interval_takes_the_quantiles_nearest_to_the_outer_ones() -> None:
    assert interval({"0.1": 1.0, "0.5": 2.0, "0.9": 3.0}) == Interval(1.0, 2.0, 3.0)
    assert interval({}) is None
    assert interval({"0.05": math.nan, "0.5": 1.0, "0.95": 2.0}) is None


def tick(ts_ns: int, value: float | None) -> TickOut:
    forecast = ForecastOut(ts_ns=ts_ns, unit={"a": "%"}, channels={"a": [band(1, 0.0, 1.0, 2.0)]})
    return TickOut(
        sequence=0,
        frame=FrameOut(ts_ns=ts_ns, values={"a": value}),
        forecast=forecast,
        surprise=None,
        surprise_channels=[],
        tick_ms=None,
    )


@pytest.mark.parametrize(
    "late_s", [[0, 0.7, -0.2, 0.5], [0.7, 0, 0, 0], [0, 0.85, 0.1, 0.85], [0.5, 0.4, 0.6, 0.5]]
)
def test_late_frames_keep_their_seconds(late_s: list[float]) -> None:
    board = Board({"a": 0.0})
    for k, late in enumerate(late_s):
        board.tick(tick(1_500_000_000 + int((k + late) * 1e9), 1.0))
    assert board.tracks["a"].held(1) == (3, 3)
    assert board.horizons == (1,)


def test_a_sampler_that_started_anew_sets_the_clock_anew() -> None:
    board = Board({"a": 0.0})
    board.tick(tick(10_000_000_000, 1.0))
    for k in range(10):
        board.tick(tick(15_500_000_000 + k * 1_000_000_000 + (-1) ** k * 1_000_000, 1.0))
    assert board.tracks["a"].held(1) == (9, 9)


def test_a_frame_already_known_is_not_counted_twice() -> None:
    board = Board({"a": 0.0})
    board.tick(tick(10_000_000_000, 1.0))
    board.fill([FrameOut(ts_ns=10_000_000_000, values={"a": 5.0})])
    assert board.tracks["a"].latest == 1.0
