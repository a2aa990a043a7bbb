# SPDX-License-Identifier: Apache-2.0
"""A score counts what was predicted before it came."""

import pytest

from jepa.shell.habits.predictor import LinePredictor
from jepa.shell.habits.score import MostFrequent, score


def test_a_line_counts_only_when_it_was_predicted_before_it_came() -> None:
    found = score(["status", "status", "watch", "status"], MostFrequent())
    assert found.count == 4
    assert found.verb_first == found.line_first == 0.5  # the first is known to nobody, watch is new
    assert found.line_among_first == 0.5


def test_a_habit_is_found_that_counting_misses() -> None:
    lines = ["status", "explain web", "undo"] * 20
    assert score(lines, LinePredictor()).line_first > 0.85
    assert score(lines, MostFrequent()).line_first < 0.5


def test_most_frequent_takes_the_newest_of_the_equally_frequent() -> None:
    rule = MostFrequent()
    for line in ("status", "watch", "undo", "watch web", "undo"):
        rule.learn(line)
    assert list(rule.lines()) == ["undo", "watch web", "watch", "status"]
    assert next(iter(rule.verbs())) == "undo"


def test_nobody_typed_nothing() -> None:
    assert score([], LinePredictor()).verb_first == pytest.approx(0.0)
