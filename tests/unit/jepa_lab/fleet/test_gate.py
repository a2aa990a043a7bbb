# SPDX-License-Identifier: Apache-2.0
"""The gate errs as seldom as it promises, however often it is looked at, and finds what is worse."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa_lab.fleet.gate import ERROR, FIGURES, Decision, Gate, differences
from tests.unit.jepa_lab.fleet.releases import NOISES, decided, share

RUNS = 60


def too_often(runs: int) -> float:
    """Two deviations above what is promised."""
    return ERROR + 2 * (ERROR * (1 - ERROR) / runs) ** 0.5


@pytest.mark.parametrize("noise", ["clustered"])
def test_what_is_just_as_bad_as_tolerated_is_seldom_taken_back(noise: str) -> None:
    """The edge of the hypothesis, in all figures at once, where the error is largest."""
    assert share(decided(noise, (-1.0,) * 5, RUNS), Decision.BACK) <= too_often(RUNS)


@pytest.mark.parametrize("noise", ["seldom"])
def test_what_is_worse_in_one_figure_seldom_goes_on(noise: str) -> None:
    """At the edge in one, and better than before in the others."""
    assert share(decided(noise, (-1.0, 1.0, 1.0, 1.0, 1.0), RUNS), Decision.GO) <= too_often(RUNS)


@pytest.mark.slow
@pytest.mark.parametrize("noise", NOISES)
def test_errors_are_as_seldom_as_promised_in_many_releases(noise: str) -> None:
    assert share(decided(noise, (-1.0,) * 5, 400), Decision.BACK) <= too_often(400)
    assert share(decided(noise, (-1.0, 1.0, 1.0, 1.0, 1.0), 400), Decision.GO) <= too_often(400)


@pytest.mark.parametrize("noise", ["quiet", "loud"])
def test_what_is_no_worse_goes_on_within_days_and_is_not_taken_back(noise: str) -> None:
    found = decided(noise, (0.0,) * 5, runs=20)
    assert share(found, Decision.BACK) == 0.0
    assert share(found, Decision.GO) >= 0.95
    assert sorted(hours for _, hours in found)[10] <= (48 if noise == "quiet" else 240)


@pytest.mark.parametrize("noise", ["quiet", "loud"])
def test_what_is_much_worse_in_one_figure_is_taken_back_within_a_day(noise: str) -> None:
    found = decided(noise, (-4.0, 0.0, 0.0, 0.0, 0.0), runs=20)
    assert share(found, Decision.BACK) >= 0.95
    assert sorted(hours for _, hours in found)[10] <= (24 if noise == "quiet" else 36)


def test_a_day_without_any_difference_is_enough_and_an_hour_is_not() -> None:
    gate, hours = Gate(), 0
    while gate.decision is Decision.WAIT:
        gate.push({figure.name: 0.0 for figure in FIGURES})
        hours += 1
    assert gate.decision is Decision.GO
    assert 12 <= hours <= 48


def test_of_a_figure_that_is_never_seen_nothing_is_believed() -> None:
    gate = Gate()
    for _ in range(1000):
        gate.push({figure.name: 0.0 for figure in FIGURES[:-1]})
    assert gate.decision is Decision.WAIT
    assert gate.findings()[-1].difference is None


def test_a_decision_stays() -> None:
    gate = Gate()
    for _ in range(100):
        gate.push({figure.name: -figure.bound for figure in FIGURES})
    assert gate.decision is Decision.BACK
    for _ in range(1000):
        assert gate.push({figure.name: figure.bound for figure in FIGURES}) is Decision.BACK


@given(st.lists(st.floats(-1e9, 1e9), max_size=60))
def test_no_difference_is_too_large_and_no_capital_is_lost_whole(seen: list[float]) -> None:
    gate = Gate()
    for each in seen:
        gate.push({figure.name: each for figure in FIGURES})
    for finding in gate.findings():
        assert finding.worse > 0
        assert 0 < finding.sound < float("inf")


ACCURACY = FIGURES[0].name


def test_what_happened_to_all_in_the_same_hour_is_no_difference() -> None:
    before = {name: {ACCURACY: 0.1 + place / 100} for place, name in enumerate("abcd")}
    now = {name: {ACCURACY: hour[ACCURACY] - 0.08} for name, hour in before.items()}
    assert differences(now, before, ["a"])[ACCURACY] == pytest.approx(0.0)
    now["a"] = {ACCURACY: now["a"][ACCURACY] - 0.05}
    assert differences(now, before, ["a"])[ACCURACY] == pytest.approx(-0.05)


def test_a_machine_without_a_past_says_nothing() -> None:
    before = {"a": {ACCURACY: 0.1}}
    assert differences({"a": {ACCURACY: 0.1}, "new": {ACCURACY: 0.9}}, before, ["new"]) == {}
    assert differences({"a": {ACCURACY: 0.2}}, before, ["a"])[ACCURACY] == pytest.approx(0.1), "no others"
