# SPDX-License-Identifier: Apache-2.0
"""Surprise is a share of calibration frames, and names who strayed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.telemetry.frame import Frame
from jepa.world.forecast import Forecast
from jepa.world.surprise import Sizes, SurpriseScale, furthest


@given(st.floats(0, 10), st.floats(0, 10))
def test_further_is_never_less_surprising(one: float, other: float) -> None:
    scale = SurpriseScale([0.0, 0.1, 0.5, 2.0])
    near, far = sorted((scale.probability(one), scale.probability(other)))
    assert 0 <= near <= far <= 1
    assert (one <= other) == (scale.probability(one) <= scale.probability(other)) or near == far


def test_the_middle_calibration_frame_is_at_one_half() -> None:
    assert SurpriseScale([0.0, 0.3, 9.0]).probability(0.3) == 0.5


def test_on_a_stranger_machine_surprise_comes_to_mean_what_it_says() -> None:
    """All distances are beyond the calibration's; after a while one in ten is above 0.9, as it should be."""
    rng = np.random.default_rng(5)
    scale = SurpriseScale([0.0, 0.1, 0.2])
    assert scale.probability(1.0) == 1.0
    said = []
    for distance in rng.gamma(2.0, 1.0, 4000) + 1:
        said.append(scale.probability(distance))
        scale.remember(distance)
    late = np.array(said[2000:])
    assert 0.08 < (late > 0.9).mean() < 0.18
    assert 0.4 < np.median(late) < 0.6


def test_a_machine_is_unfamiliar_when_most_of_its_frames_are_beyond_what_was_calibrated_on() -> None:
    rng = np.random.default_rng(6)
    like, unlike = (
        SurpriseScale(np.linspace(0, 1, 41).tolist()),
        SurpriseScale(np.linspace(0, 1, 41).tolist()),
    )
    for number, distance in enumerate(rng.uniform(0, 1.2, 400)):
        like.remember(distance)
        unlike.remember(distance + 1)
        assert number >= 299 or not unlike.unfamiliar, "too early to say"
    assert unlike.unfamiliar
    assert not like.unfamiliar


def test_a_fault_does_not_become_usual_but_what_lasts_does() -> None:
    rng = np.random.default_rng(7)
    scale = SurpriseScale(np.linspace(0, 1, 41).tolist())
    for _ in range(6):
        for size in (*rng.uniform(0, 1, 40), *[3.0] * 20):
            scale.remember(size)
        for size in rng.uniform(0, 1, 20):
            scale.remember(size)
    assert scale.probability(3.0) > 0.99, "however often it came"
    for _ in range(200):
        scale.remember(3.0)
    assert scale.probability(3.0) < 0.9


def test_chance_alone_does_not_make_it_forget_what_is_large() -> None:
    """Large sizes that come one by one are remembered, so their share stays what it is."""
    rng = np.random.default_rng(8)
    scale = SurpriseScale([0.0, 1.0])
    sizes = rng.gamma(2.0, 1.0, 6000)
    said = []
    for size in sizes:
        said.append(scale.probability(size))
        scale.remember(size)
    assert 0.003 < (np.array(said[2000:]) > 0.995).mean() < 0.01


def test_a_size_lasts_a_few_frames_and_grows_with_both_parts() -> None:
    sizes = Sizes(2.0, 0.5)
    usual = sizes.push(2.0, 0.5)
    assert usual == pytest.approx(np.log(2), abs=1e-3)
    sizes.push(2.0, 0.5)
    strange = sizes.push(2.0, 50.0)
    assert usual < strange < np.log(101)
    assert sizes.push(2.0, 0.5) > usual
    sizes.clear()
    assert sizes.push(2.0, 0.5) == usual


def test_what_has_become_usual_is_forgotten_when_it_ends() -> None:
    scale = SurpriseScale([0.0, 0.5, 1.0])
    for distance in [5.0] * 2000 + [0.1] * 1800:
        scale.remember(distance)
    assert scale.probability(5.0) > 0.99
    scale.clear()
    assert scale.probability(0.5) == 0.5


@given(st.lists(st.floats(0, 10), max_size=50), st.floats(0, 10))
def test_it_is_a_share_whatever_was_seen(seen: list[float], distance: float) -> None:
    scale = SurpriseScale([0.0, 0.1, 0.5, 2.0])
    for each in seen:
        scale.remember(each)
    assert 0 <= scale.probability(distance) <= 1


def test_the_channel_furthest_outside_its_band_comes_first() -> None:
    bands = np.array(
        [[[0.0, 5.0, 10.0]], [[0.0, 1.0, 2.0]], [[0.0, 1.0, 2.0]], [[0.0, 1.0, 2.0]]], np.float32
    )
    forecast = Forecast(0, ("near", "far", "inside", "absent"), (1,), (0.05, 0.5, 0.95), bands, bands)
    values = np.array([15.0, -4.0, 1.0, np.nan], np.float32)
    found = furthest(Frame(1, values, ~np.isnan(values)), forecast)
    assert [name for name, _ in found] == ["far", "near"]
    assert found[0][1] == 2.0
    assert found[1][1] == 0.5
