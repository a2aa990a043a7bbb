# SPDX-License-Identifier: Apache-2.0
"""The predictor learns what follows what, forgets by and by, and its probabilities are probabilities."""

from hypothesis import given
from hypothesis import strategies as st

from jepa.shell.habits.predictor import LinePredictor, verb_of

WORDS = st.lists(st.sampled_from(["status", "explain web", "explain db", "act cpu.weight web 50", "undo"]))


def learned(*lines: str) -> LinePredictor:
    predictor = LinePredictor()
    for line in lines:
        predictor.learn(line)
    return predictor


def first(found: dict[str, float]) -> str:
    return next(iter(found))


def test_what_followed_the_last_line_is_expected() -> None:
    predictor = learned(*["status", "explain web", "undo"] * 5, "status")
    assert first(predictor.lines()) == "explain web"
    assert first(predictor.verbs()) == "explain"
    assert predictor.lines()["explain web"] > 0.5


def test_two_lines_before_tell_what_one_does_not() -> None:
    predictor = learned(
        *["plan a", "status", "apply a", "plan b", "status", "apply b"] * 6, "plan b", "status"
    )
    assert first(predictor.lines()) == "apply b"


def test_a_new_habit_takes_the_place_of_an_old_one() -> None:
    predictor = learned(*["status", "explain web"] * 20, *["status", "watch"] * 4, "status")
    assert first(predictor.lines()) == "watch"


def test_nothing_is_expected_of_a_person_who_typed_nothing() -> None:
    assert LinePredictor().lines() == {} and LinePredictor().verbs() == {}


def test_what_is_typed_narrows_the_lines() -> None:
    predictor = learned("explain web", "status", "explain db", "status")
    assert set(predictor.lines("exp")) == {"explain web", "explain db"}
    assert predictor.lines("none") == {}


@given(WORDS, st.sampled_from(["", "e", "explain ", "act", "zzz"]))
def test_probabilities_are_probabilities(lines: list[str], begun: str) -> None:
    predictor = learned(*lines)
    for found in (predictor.verbs(), predictor.lines(), predictor.lines(begun)):
        values = list(found.values())
        assert all(0 <= value <= 1 + 1e-9 for value in values)
        assert sum(values) <= 1 + 1e-9
        assert values == sorted(values, reverse=True)
    assert set(predictor.verbs()) == set(map(verb_of, lines))


def test_counts_stay_finite_however_long_one_types() -> None:
    predictor = learned(*["status"] * 5000)
    assert 0.9 < predictor.lines()["status"] <= 1
