# SPDX-License-Identifier: Apache-2.0
"""Quantiles of log2 histograms."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.telemetry.histogram import Histogram, quantile


def slot(value: int) -> int:
    return value.bit_length()


def test_nothing_has_no_quantile() -> None:
    assert Histogram("a", "us", {}, (0, 0, 0)).quantile(0.5) is None


@pytest.mark.parametrize(("share", "expected"), [(0.5, 6.0), (1.0, 8.0), (0.25, 5.0)])
def test_a_quantile_lies_evenly_within_its_slot(share: float, expected: float) -> None:
    assert quantile((0, 0, 0, 100), share) == pytest.approx(expected)


@given(st.lists(st.integers(0, 2**20), min_size=1, max_size=200), st.floats(0.01, 1.0))
def test_a_quantile_is_within_a_factor_of_two_of_the_true_one(values: list[int], share: float) -> None:
    counts = [0] * 27
    for value in values:
        counts[slot(value)] += 1
    found = quantile(counts, share)
    assert found is not None
    true = sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
    assert true / 2 <= found <= max(2 * true, 0)
