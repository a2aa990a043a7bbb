# SPDX-License-Identifier: Apache-2.0
"""A trend is the line of least squares of what it remembers, however long it has run."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.healing.recent_numbers import LeastSquares


@given(
    st.lists(st.tuples(st.integers(1, 5000), st.integers(0, 2**40)), min_size=1, max_size=60),
    st.integers(2, 60),
)
def test_a_trend_is_the_line_through_what_it_remembers(steps: list[tuple[int, int]], keep_s: int) -> None:
    trend, points, now_ms = LeastSquares(keep_s), [], 86_400_000
    for step_ms, value in steps:
        now_ms += step_ms
        trend.push(now_ms / 1000, value)
        points = [each for each in [*points, (now_ms, value)] if each[0] >= now_ms - 1000 * keep_s]
        line = trend.line()
        xs, ys = [time / 1000 for time, _ in points], [value for _, value in points]
        if len(points) < 8 or len(set(ys)) == 1:
            assert line is None
            continue
        assert line is not None
        expected = statistics.linear_regression(xs, ys).slope
        assert line.rate == pytest.approx(expected, rel=1e-6, abs=1e-6 * max(ys))
        assert line.explained == pytest.approx(statistics.correlation(xs, ys) ** 2, abs=1e-6)
        assert line.span_s == pytest.approx(xs[-1] - xs[0])


def test_a_trend_is_exact_after_a_month() -> None:
    trend = LeastSquares(300)
    for second in range(30 * 8640):
        trend.push(10.0 * second, 2**40 + (second * 7919) % 1000)
    for second in range(31):
        trend.push(10.0 * (30 * 8640 + second), 5 * second)
    line = trend.line()
    assert line is not None
    assert (line.rate, line.explained, line.span_s) == (0.5, 1.0, 300.0)
