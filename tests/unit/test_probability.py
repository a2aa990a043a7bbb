# SPDX-License-Identifier: Apache-2.0
"""Probabilities as people read them."""

import pytest

from jepa.probability import percent, shown_surprise


@pytest.mark.parametrize(
    ("probability", "said"),
    [
        (1.0, "more than 99 %"),
        (0.99, "more than 99 %"),
        (0.734, "73 %"),
        (0.01, "1 %"),
        (0.0, "less than 1 %"),
    ],
)
def test_a_forecast_is_never_certain(probability: float, said: str) -> None:
    assert percent(probability) == said


def test_a_stranger_frame_can_always_come() -> None:
    assert [shown_surprise(each) for each in (0.314, 0.9999, 1.0)] == ["0.31", "0.99", "0.99"]


def test_a_surprise_that_is_not_known_is_a_dash_and_its_reason() -> None:
    assert [shown_surprise(None), shown_surprise(None, "too early")] == ["-", "- (too early)"]
