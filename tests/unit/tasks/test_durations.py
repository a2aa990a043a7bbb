# SPDX-License-Identifier: Apache-2.0
"""Spans of time of a task spec are read as ISO 8601 says, and nothing else is."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.errors import JepaError
from jepa.tasks.durations import in_words, seconds
from jepa.tasks.spec import TaskSpec


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("PT30M", 1800),
        ("PT1H30M", 5400),
        ("P1DT12H", 129_600),
        ("P2W", 1_209_600),
        ("P3D", 259_200),
        ("PT5S", 5),
    ],
)
def test_spans(text: str, expected: float) -> None:
    assert seconds(text) == expected


NONE = ("", "P", "PT", "P1DT", "PT0S", "30M", "P1Y", "PT1.5H", "PT30M ", "P-1D", "PT٣S")
SPANS = re.compile(r"P(\d{1,6}W|\d{1,6}D(T\d{1,6}H)?|T\d{1,6}M(\d{1,6}S)?)", re.ASCII)


@pytest.mark.parametrize("text", NONE)
def test_what_is_none(text: str) -> None:
    with pytest.raises(JepaError) as refused:
        seconds(text)
    assert refused.value.status == 422


@given(st.from_regex(SPANS, fullmatch=True))
def test_every_span_of_a_spec_is_understood(text: str) -> None:
    assert TaskSpec(intent="watch", until=text).until == text
    if any(digit in text for digit in "123456789"):
        assert seconds(text) > 0


@pytest.mark.parametrize(
    ("text", "words"), [("PT30M", "30 min"), ("PT1H30M", "1 h 30 min"), ("P2W", "2 weeks"), ("soon", "soon")]
)
def test_a_person_reads_words(text: str, words: str) -> None:
    assert in_words(text) == words
