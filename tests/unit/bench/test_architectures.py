# SPDX-License-Identifier: Apache-2.0
"""How far two replays of one recording are apart."""

import numpy as np
import pytest

from tests.bench.architectures import Forecasts, differences

NOISE = np.array([1.0, 0.01])


def forecasts(*, ticks: int = 2) -> Forecasts:
    """Two channels, one horizon, mean and P90, three quantiles: 90, 100, 110 and a hundredth of it."""
    quantiles = np.zeros((ticks, 2, 1, 2, 3))
    quantiles[:, 0] = (90, 100, 110)
    quantiles[:, 1] = (0.9, 1.0, 1.1)
    return Forecasts(quantiles, np.full((ticks, 1, 1), 0.25), "none", "nothing", 1.0)


def test_what_is_alike_is_not_apart() -> None:
    found = differences(forecasts(), forecasts(), NOISE)
    assert (found.absent, found.alike) == (0, 1.0)
    assert found.of_value.tolist() == found.of_band.tolist() == found.probability.tolist() == [0, 0]


def test_each_tick_tells_its_largest_beside_value_and_band() -> None:
    other = forecasts()
    other.quantiles[1, 0, 0, 1, 1] += 2
    other.quantiles[1, 1, 0, 0, 0] += 0.1
    other.probabilities[0] += 0.5
    found = differences(forecasts(), other, NOISE)
    assert found.of_value == pytest.approx([0, 0.1])
    assert found.of_band == pytest.approx([0, 0.5])
    assert found.probability == pytest.approx([0.5, 0])
    assert found.alike == 1 - 2 / 24
    assert found.beyond == 2 / 24


def test_a_band_narrower_than_the_noise_floor_does_not_enlarge_a_difference() -> None:
    one, other = forecasts(), forecasts()
    one.quantiles[:, 1] = other.quantiles[:, 1] = 0.0
    other.quantiles[0, 1] += 0.001
    found = differences(one, other, NOISE)
    assert found.of_band == pytest.approx([0.1, 0])
    assert found.of_value == pytest.approx([0.1, 0])


def test_a_forecast_that_one_of_them_lacks_is_counted() -> None:
    other = forecasts()
    other.quantiles[0, 1] = np.nan
    found = differences(forecasts(), other, NOISE)
    assert found.absent == 6
    assert found.of_value.tolist() == [0, 0]
