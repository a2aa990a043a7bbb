# SPDX-License-Identifier: Apache-2.0
"""Alerts of one kind keep to one false alarm a day, and come back when they are right."""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jepa.world.alert_budget import DAY_NS, AlertBudget, Ledger, Levels, Tally

SECOND = 1_000_000_000
START = 1_780_000_000 * SECOND
LEVELS = Levels((0.7, 0.9, 0.95, 0.99), (6, 2, 1, 1), of=2, enough=2, clear=0.1, calm=1)


def told(
    budget: AlertBudget, scores: Sequence[float], happens: Sequence[int] = (), start_ns: int = START
) -> list[int]:
    """The seconds at which an alert is told; ``happens`` lists those at which the event does."""
    return [
        second
        for second, score in enumerate(scores)
        if budget.push(start_ns + second * SECOND, score, second in happens)
    ]


def quiet_days(budget: AlertBudget, days: float, start_ns: int = START) -> int:
    """Let time pass a minute at a time with nothing likely; the time after it."""
    minutes = int(days * 1440)
    for minute in range(minutes):
        assert not budget.push(start_ns + minute * 60 * SECOND, 0.0, False)
    return start_ns + minutes * 60 * SECOND


def test_an_alert_needs_two_likely_frames_and_is_told_once() -> None:
    scores = [0.0, 0.96, 0.0, 0.96, 0.97, 0.5, 0.97, 0.97]
    assert told(AlertBudget(LEVELS), scores) == [4]


def test_the_start_is_careful_and_quiet_days_bring_the_level_down() -> None:
    budget = AlertBudget(LEVELS)
    assert budget.threshold == 0.95
    now = quiet_days(budget, 1.5)
    assert budget.threshold == 0.9
    quiet_days(budget, 7, now)
    assert budget.threshold == 0.7


def test_after_a_false_alarm_there_is_none_for_a_day() -> None:
    budget = AlertBudget(LEVELS)
    bump = [0.96] * 5 + [0.0] * 200
    assert len(told(budget, bump)) == 1
    assert budget.ledger.false == 1
    almost = quiet_days(budget, 0.99, START + 205 * SECOND)
    assert told(budget, bump, start_ns=almost) == []
    assert len(told(budget, [0.996] * 5, start_ns=quiet_days(budget, 1, almost + 205 * SECOND))) == 1


def test_alerts_that_are_right_cost_nothing() -> None:
    budget = AlertBudget(LEVELS)
    scores = ([0.96] * 5 + [0.0] * 95) * 20
    onsets = [cycle * 100 + 20 for cycle in range(20)]
    assert len(told(budget, scores, onsets)) == 20
    assert (budget.ledger.right, budget.ledger.false) == (20, 0)


def test_alerts_that_were_never_told_raise_the_level_too() -> None:
    budget = AlertBudget(LEVELS)
    now = quiet_days(budget, 8)
    assert budget.threshold == 0.7
    bumps = ([0.75] * 3 + [0.0] * 97) * 30
    assert len(told(budget, bumps, start_ns=now)) == 1, "the first is told, and false"
    assert budget.threshold == 0.9, "the others were counted in silence"


def test_a_machine_whose_every_level_gives_false_alarms_is_told_nothing() -> None:
    budget = AlertBudget(LEVELS)
    told(budget, ([0.999] * 3 + [0.0] * 97) * 50)
    assert budget.threshold is None


def test_what_happens_already_is_not_predicted_but_its_return_is() -> None:
    budget = AlertBudget(LEVELS)
    assert told(budget, [0.99] * 30, range(10)) == [10]


def test_what_is_withheld_at_first_is_told_afterwards_if_it_is_still_likely() -> None:
    budget = AlertBudget(LEVELS)
    muted = [budget.push(START + second * SECOND, 0.99, False, mute=True) for second in range(10)]
    assert not any(muted)
    assert budget.counts.false == [0.0] * 4
    assert budget.push(START + 10 * SECOND, 0.99, False)


def test_an_alert_that_an_earlier_process_left_open_was_false() -> None:
    budget = AlertBudget(LEVELS)
    assert told(budget, [0.99, 0.99]) == [1]
    again = AlertBudget(LEVELS, budget.counts, budget.ledger)
    assert again.ledger.false == 1
    assert told(again, [0.99] * 5, start_ns=START + 3600 * SECOND) == []


def test_counts_of_other_levels_are_not_taken_over() -> None:
    budget = AlertBudget(LEVELS, Tally(5.0, [1.0]))
    assert budget.counts == Tally(0.0, [0.0] * 4)


def test_nobody_knows_what_an_alert_before_a_suspend_came_to() -> None:
    budget = AlertBudget(LEVELS)
    assert told(budget, [0.99, 0.99]) == [1]
    assert told(budget, [0.99, 0.99], start_ns=START + 7200 * SECOND) == []
    assert budget.ledger.false == 1


def test_a_clock_that_was_set_back_by_years_does_not_silence() -> None:
    ledger = Ledger(last_false_ns=START)
    assert not ledger.may_raise(START + 3600 * SECOND)
    assert ledger.may_raise(START - 365 * DAY_NS)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 0.2))
def test_no_machine_is_told_two_false_alarms_within_a_day(seed: int, busy: float) -> None:
    rng = np.random.default_rng(seed)
    budget, at, open_since, false = AlertBudget(LEVELS), START, None, []
    score = 0.0
    for step in rng.random(3000):
        at += int(rng.integers(1, 90)) * SECOND
        score = 0.999 if step < busy else 0.05 if step > 0.7 else score
        happens = bool(rng.random() < 0.01)
        if open_since is not None and happens and at - open_since < 60 * SECOND:
            open_since = None
        if open_since is not None and at - open_since >= 60 * SECOND:
            if not (happens and at - open_since == 60 * SECOND):
                false.append(open_since)
            open_since = None
        if budget.push(at, score, happens):
            assert open_since is None
            open_since = at
    assert all(later - earlier >= DAY_NS for earlier, later in itertools.pairwise(false))


@pytest.mark.parametrize("score", [float("-inf"), 0.0, 1.0])
def test_a_constant_score_is_at_most_one_alert(score: float) -> None:
    assert len(told(AlertBudget(LEVELS), [score] * 500)) <= 1
