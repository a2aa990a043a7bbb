# SPDX-License-Identifier: Apache-2.0
"""Amounts, durations and times of day are read as people say them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.language.quantities import amounts, clocks, durations, iso
from jepa.language.tokens import tokenise
from jepa.tasks.durations import seconds


@pytest.mark.parametrize(
    ("said", "value", "unit"),
    [
        ("40 %", 40, "%"),
        ("40%", 40, "%"),
        ("forty percent", 40, "%"),
        ("twenty-five per cent", 25, "%"),
        ("half", 50, "%"),
        ("a quarter", 25, "%"),
        ("2 cores", 2, "cores"),
        ("two CPU cores", 2, "cores"),
        ("a single core", 1, "cores"),
        ("half a core", 0.5, "cores"),
        ("1.5 GiB", 1.5, "GiB"),
        ("1,5 GB", 1.5, "GiB"),
        ("512MB", 512, "MiB"),
        ("10 MB/s", 10, "MiB/s"),
        ("1 GB per second", 1024, "MiB/s"),
    ],
)
def test_amounts(said: str, value: float, unit: str) -> None:
    tokens = tokenise(said)
    end, amount = next(iter(amounts(tokens, 0)))
    assert (end, amount) == (len(tokens), {"value": value, "unit": unit})


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("half an hour", "PT30M"),
        ("an hour and a half", "PT1H30M"),
        ("one and a half hours", "PT1H30M"),
        ("1h 30m", "PT1H30M"),
        ("2 hours and 5 minutes", "PT2H5M"),
        ("90 s", "PT90S"),
        ("ninety seconds", "PT90S"),
        ("a quarter of an hour", "PT15M"),
        ("a couple of hours", "PT2H"),
        ("30 min", "PT30M"),
        ("two days", "P2D"),
    ],
)
def test_durations(said: str, written: str) -> None:
    tokens = tokenise(said)
    end, found = next(iter(durations(tokens, 0)))
    assert (end, iso(found)) == (len(tokens), written)


@given(st.integers(1, 400 * 86_400))
def test_iso_says_the_same_span(span: int) -> None:
    assert seconds(iso(span)) == span


@pytest.mark.parametrize(
    ("said", "time"),
    [("22:00", "22:00"), ("7 am", "07:00"), ("12 am", "00:00"), ("11pm", "23:00"), ("noon", "12:00")],
)
def test_times_of_day(said: str, time: str) -> None:
    tokens = tokenise(said)
    assert list(clocks(tokens, 0)) == [(len(tokens), time)]


@pytest.mark.parametrize("said", ["25:00", "13 pm", "40", "a lot", "0 minutes", "many hours", "1e999 %"])
def test_what_is_no_quantity(said: str) -> None:
    tokens = tokenise(said)
    assert not [*amounts(tokens, 0), *durations(tokens, 0), *clocks(tokens, 0)]
