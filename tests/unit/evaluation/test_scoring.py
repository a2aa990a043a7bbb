# SPDX-License-Identifier: Apache-2.0
"""Scores of forecasts whose quality is known beforehand."""

import dataclasses

import numpy as np
import pytest

from jepa.evaluation.scoring import TWIN, Replayed, Scores, merged, moving_channels, tallies, within_band
from jepa.telemetry.schema import Channel, Schema

SCHEMA = Schema(
    1,
    (
        Channel("cpu", "%", 0, 100, "linear", 1.0, "x", "x"),
        Channel("disk", "KiB/s", 0, 1e7, "log1p", 16.0, "x", "x"),
        Channel("still", "%", 0, 100, "linear", 1.0, "x", "x"),
    ),
)
HORIZONS = (1, 5, 15)
LEVELS = (0.05, 0.5, 0.95)
FRAMES = 120


def replayed(model: np.ndarray, truth: np.ndarray, width: float = 1.0) -> Replayed:
    quantiles = np.stack([model - width, model, model + width], axis=-1)
    window = truth.copy()
    window[: FRAMES // 2] += 40  # the baseline is wrong half the time
    scored = np.ones(truth.shape[:-1], np.bool_)
    return Replayed("busy", truth, scored, {"model": model, "window": window}, quantiles)


def truth_of(rng: np.random.Generator) -> np.ndarray:
    truth = np.full((FRAMES, 3, len(HORIZONS), 2), 20.0, np.float32)
    truth[:, 0] = rng.uniform(0, 50, (FRAMES, len(HORIZONS), 2))
    truth[:, 1] = 10 ** rng.uniform(1, 5, (FRAMES, len(HORIZONS), 2))
    return truth


@pytest.fixture
def truth() -> np.ndarray:
    return truth_of(np.random.default_rng(1))


def scores(replay: Replayed) -> Scores:
    return Scores(tallies(replay, SCHEMA, LEVELS), moving_channels([replay], SCHEMA), HORIZONS)


def test_the_band_is_five_percent_of_the_range_or_two_noise_floors() -> None:
    truth = np.array([50.0, 1000.0, 50.0], np.float32)[:, None, None]
    off = np.array([4.9, 900.0, 5.1], np.float32)[:, None, None]
    assert within_band(truth + off, truth, SCHEMA)[:, 0, 0].tolist() == [True, True, False]
    twice = np.array([0.0, 2000.0, 0.0], np.float32)[:, None, None]
    assert not within_band(truth + twice, truth, SCHEMA)[1, 0, 0], (
        "three times is out of a log channel's band"
    )
    assert within_band(truth + twice, truth, SCHEMA, literal=True)[1, 0, 0]
    small = np.array([0.0, 0.0, 0.0], np.float32)[:, None, None]
    assert within_band(small + 31, small, SCHEMA)[1, 0, 0], "31 KiB/s is within two noise floors of none"


def test_a_channel_that_never_leaves_its_band_is_not_counted(truth: np.ndarray) -> None:
    assert moving_channels([replayed(truth, truth)], SCHEMA).tolist() == [True, True, False]


def test_the_truth_itself_scores_full_marks(truth: np.ndarray) -> None:
    figures = scores(replayed(truth, truth))
    assert figures.accuracy("model") == figures.accuracy_lower("model") == 1.0
    assert figures.recovery() == 1.0
    lead, surely = 1.0 - (figures.accuracy("window") or 0), figures.ahead_lower("window")
    assert surely is not None
    assert 0 <= surely < lead
    assert figures.error_ratio("window") == 0.0
    assert figures.coverage() == 1.0


def test_a_baseline_wrong_half_the_time_scores_half_on_a_linear_channel(truth: np.ndarray) -> None:
    truth[:, 1] = 20.0
    assert scores(replayed(truth, truth)).accuracy("window") == pytest.approx(0.5)


def test_a_point_forecast_has_the_crps_of_its_error(truth: np.ndarray) -> None:
    replay = replayed(truth + 3, truth, width=0.0)
    figures = scores(replay)
    assert figures.crps_ratio("window") == pytest.approx(figures.error_ratio("window"), rel=1e-3)


def test_coverage_counts_what_lies_between_the_outer_quantiles(truth: np.ndarray) -> None:
    model = truth.copy()
    model[: FRAMES // 4] += 30
    assert scores(replayed(model, truth)).coverage() == pytest.approx(0.75)


def test_what_was_not_observed_is_not_judged(truth: np.ndarray) -> None:
    replay = replayed(truth + 30, truth)
    replay.scored[:, 0] = False
    replay.truth[:, 1] = np.nan
    assert scores(replay).accuracy("model") is None


def test_the_lower_end_is_below_the_figure(truth: np.ndarray) -> None:
    model = truth.copy()
    model[70:] += 30
    figures = scores(replayed(model, truth))
    lower, value = figures.accuracy_lower("model"), figures.accuracy("model")
    assert lower is not None
    assert value is not None
    assert lower < value


def test_blocks_that_were_merged_have_the_same_figures(truth: np.ndarray) -> None:
    model = truth.copy()
    model[70:] += 30
    replay = replayed(model, truth)
    parts, moving = tallies(replay, SCHEMA, LEVELS), moving_channels([replay], SCHEMA)
    (one,) = merged(parts)
    whole, again = (Scores(some, moving, HORIZONS) for some in (parts, [one]))
    assert len(parts) > 1
    assert again.accuracy("model") == pytest.approx(whole.accuracy("model"))  # in double precision
    assert again.recovery() == whole.recovery()
    assert again.crps_ratio("window") == pytest.approx(whole.crps_ratio("window"))
    assert merged([]) == []


def test_a_twin_tells_what_could_be_known(truth: np.ndarray) -> None:
    """The twin is right on the second half alone of what window persistence gets wrong on the first."""
    twin = truth.copy()
    twin[: FRAMES // 4] += 45
    replay = dataclasses.replace(replayed(truth, truth), twin=twin)
    knowable = replay.knowable()
    assert knowable is not None
    figures = Scores(tallies(knowable, SCHEMA, LEVELS), moving_channels([replay], SCHEMA), HORIZONS)
    ceiling = figures.accuracy(TWIN)
    assert ceiling is not None
    assert 0.7 < ceiling < 1
    assert figures.known() == figures.known_lower() == 1.0
    best = figures.accuracy("window")
    assert best is not None
    assert figures.gap_closed(["window"]) == pytest.approx((1 - best) / (ceiling - best))


def test_a_model_as_good_as_persistence_closes_nothing(truth: np.ndarray) -> None:
    replay = replayed(truth, truth)
    same = dataclasses.replace(
        replay, points={**replay.points, "model": replay.points["window"]}, twin=truth.copy()
    )
    knowable = same.knowable()
    assert knowable is not None
    figures = Scores(tallies(knowable, SCHEMA, LEVELS), moving_channels([same], SCHEMA), HORIZONS)
    assert figures.gap_closed(["window"]) == 0.0
    assert figures.known() == 0.0


def test_windows_the_twin_did_not_see_are_left_out(truth: np.ndarray) -> None:
    twin = truth.copy()
    twin[60:] = np.nan
    knowable = dataclasses.replace(replayed(truth, truth), twin=twin).knowable()
    assert knowable is not None
    assert not knowable.scored[60:].any()
    assert knowable.scored[:60].all()


def test_without_a_twin_nothing_is_known_to_be_knowable(truth: np.ndarray) -> None:
    assert replayed(truth, truth).knowable() is None
