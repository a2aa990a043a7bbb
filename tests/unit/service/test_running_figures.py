# SPDX-License-Identifier: Apache-2.0
"""The running figures are those of a judged recording: right, covered, only what moves, each window once."""

import numpy as np
import pytest

from jepa.evaluation.scoring import Replayed, moving_channels, within_band
from jepa.packs.pack import Pack
from jepa.service.running_figures import PackFigures, RunningFigures
from jepa.telemetry.frame import Frame
from jepa.telemetry.recording import load_recording
from jepa.telemetry.schema import Channel, Schema
from jepa.world.forecast import Forecast, Surprise, Tick
from jepa.world.model import WorldModel
from jepa.world.windows import coming
from tests.unit.conftest import MACHINE_PACK

SCHEMA = Schema(
    1,
    (
        Channel("cpu", "%", 0, 100, "linear", 1.0, "x", "x"),
        Channel("still", "%", 0, 100, "linear", 1.0, "x", "x"),
    ),
)
S = 1_000_000_000


def told(ts_ns: int, cpu: float, width: float, probability: float = 0.5, frames: int = 1000) -> Tick:
    """A tick that foretells ``cpu`` give or take ``width`` for all windows, and 10 of what is still."""
    middle = np.array([cpu, 10.0], np.float32)[:, None, None]
    bands = np.broadcast_to(middle + np.array([-width, 0, width], np.float32), (2, 3, 3))
    forecast = Forecast(ts_ns, ("cpu", "still"), (1, 5, 15), (0.05, 0.5, 0.95), bands, bands)
    return Tick(forecast, Surprise(1, 1, 1, probability, (), frames), 100, 1.0)


def run(cpu: np.ndarray, foretold: float, width: float, pack: str = "p 1", gap_at: int = -1) -> PackFigures:
    figures = RunningFigures(SCHEMA)
    for second, value in enumerate(cpu):
        ts_ns = (second + (60 if second >= gap_at >= 0 else 0)) * S
        frame = Frame(ts_ns, np.array([value, 10.0], np.float32), np.ones(2, np.bool_))
        figures.push(frame, told(ts_ns, foretold, width), pack)
    assert figures.now is not None
    return figures.now


def steps(length: int = 300) -> np.ndarray:
    """20 and 60 % by turns, half a minute each."""
    return np.where(np.arange(length) // 30 % 2, 60.0, 20.0)


def test_right_and_covered_are_counted_of_the_channel_that_moves() -> None:
    found = run(steps(), 20.0, 1.0)
    assert set(found.windows) == {5, 15}
    short = found.windows[5]
    # The first window that leaves what is usual is the one that ends at 35 s: from there on cpu counts, its
    # mean and its P90 each, and what is still never does.
    assert short.judged == 2 * (300 - 30) // 5
    assert short.right == short.covered == 2 * 4 * 6
    # A window is as the one before but at a step, which are at 30, 60, ... 270 s.
    assert short.repeated == short.judged - 2 * 9
    assert found.windows[15].judged == 2 * 17, "those that end at 46, 61, ... 286 s"


def test_a_wide_interval_covers_what_its_middle_misses() -> None:
    found = run(steps(), 40.0, 30.0)
    assert found.windows[5].right == 0
    assert found.windows[5].covered == found.windows[5].judged > 0


def test_nothing_is_counted_where_nothing_moves() -> None:
    assert run(np.full(200, 30.0), 30.0, 1.0).windows[5].judged == 0


def test_a_window_that_a_gap_cuts_is_not_judged() -> None:
    whole, cut = run(steps(), 20.0, 1.0), run(steps(), 20.0, 1.0, gap_at=122)
    assert 0 < cut.windows[5].judged < whole.windows[5].judged


def test_another_pack_begins_anew() -> None:
    figures = RunningFigures(SCHEMA)
    for second, value in enumerate(steps(100)):
        frame = Frame(second * S, np.array([value, 10.0], np.float32), np.ones(2, np.bool_))
        figures.push(frame, told(second * S, 20.0, 1.0, probability=1.0), "p 1" if second < 90 else "p 2")
        if second == 89:
            assert figures.now is not None
            assert figures.now.windows[5].judged > 0
            assert figures.now.surprising == figures.now.frames == 90
    assert figures.now == PackFigures("p 2", figures.now.windows, 10, 10)
    assert figures.now.windows[5].judged == 2, "of the window that began with it, and of what moved before"


def test_a_pack_is_judged_on_what_moved_before_it_came() -> None:
    """Otherwise the same pack is better or worse after it was put in use anew: by what moves first."""

    def judged(change_at: int) -> int:
        figures = RunningFigures(SCHEMA)
        for second, value in enumerate(np.concatenate([steps(120), np.full(120, 60.0)])):
            frame = Frame(second * S, np.array([value, 10.0], np.float32), np.ones(2, np.bool_))
            figures.push(frame, told(second * S, 60.0, 1.0), "p 1" if second < change_at else "p 2")
        assert figures.now is not None
        return figures.now.windows[5].judged

    assert judged(120) == 2 * (120 // 5 - 1)


def test_windows_count_once_a_pack_is_fitted_to_the_machine() -> None:
    figures = RunningFigures(SCHEMA)
    for second, value in enumerate(np.resize(steps(), 900)):
        frame = Frame(second * S, np.array([value, 10.0], np.float32), np.ones(2, np.bool_))
        figures.push(frame, told(second * S, 20.0, 1.0, frames=second + 1), "p 1")
    assert figures.now is not None
    assert figures.now.windows[5].judged == 2 * (300 // 5 - 1), "the first was foretold at 605 s"


def test_a_gap_does_not_make_what_moved_forgotten() -> None:
    quiet = np.concatenate([steps(120), np.full(120, 60.0)])
    found = run(quiet, 60.0, 1.0, gap_at=120)
    assert found.windows[5].judged == 2 * (120 - 30) // 5 + 2 * (120 // 5 - 1)


def test_they_are_about_those_of_the_same_frames_judged_as_a_recording(
    pack: Pack,
) -> None:
    recording = load_recording(MACHINE_PACK / "heldout/l01-lived", pack.schema)
    figures, model = RunningFigures(pack.schema), WorldModel.load(pack, pack.schema)
    horizons = pack.manifest.shape.horizons_s
    medians = []
    first, last = 600, 1200
    for ts_ns, values in zip(recording.ts_ns[:last], recording.values[:last], strict=True):
        frame = Frame(int(ts_ns), values, ~np.isnan(values))
        tick = model.tick(frame)
        figures.push(frame, tick, pack.title)
        medians.append(np.stack([tick.forecast.mean, tick.forecast.p90], axis=-1)[:, :, 2])
    truth, scored = (each[first:] for each in coming(recording.values[:last], horizons))
    replay = Replayed("lived", truth, scored, {}, np.empty(0, np.float32))
    moving = moving_channels([replay], pack.schema)
    right = within_band(np.stack(medians[first:]), truth, pack.schema) & scored[..., None]
    assert figures.now is not None
    for horizon in (5, 15):
        place = horizons.index(horizon)
        judged = right[:, moving, place].sum() / scored[:, moving, place].sum() / 2
        windows = figures.now.windows[horizon]
        assert windows.judged > 200
        assert windows.right / windows.judged == pytest.approx(judged, abs=0.06)


@pytest.mark.parametrize("broken", ["tick", "absent"])
def test_frames_without_a_forecast_or_a_reading_are_no_error(broken: str) -> None:
    figures = RunningFigures(SCHEMA)
    for second, value in enumerate(steps(200)):
        gone = second % 50 == 49
        valid = np.array([not (gone and broken == "absent"), True])
        frame = Frame(second * S, np.array([value, 10.0], np.float32), valid)
        tick = None if gone and broken == "tick" else told(second * S, 20.0, 1.0)
        figures.push(frame, tick, "p 1")
    assert figures.now is not None
    assert figures.now.windows[5].judged > 0
