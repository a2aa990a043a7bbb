# SPDX-License-Identifier: Apache-2.0
"""Goodput, regret and answers, of runs that were made up."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.bench.control_entries import best_rule, by_window, entries, table
from tests.bench.control_figures import (
    Run,
    alone_p99,
    coverage,
    interval,
    log_ratio,
    oracle,
    oracle_by_phase,
    rates,
    score,
    windows,
)
from tests.bench.control_plan import RIVALS

PHASES: Sequence[dict[str, Any]] = [
    {"begin_s": 0, "end_s": 10, "foreground": "light", "background": "sort", "processes": 1},
    {"begin_s": 10, "end_s": 20, "foreground": "idle", "background": "scan", "processes": 1},
    {"begin_s": 20, "end_s": 30, "foreground": "light", "background": "sort", "processes": 1},
]
EFFECTS = {"coverage_90": 0.78, "windows": 916}


def run(rival: str, took: Sequence[float], rate: float, **more: Any) -> Run:
    """With latencies ``took`` by window, and ``rate`` units of work a second of the usual."""
    foreground = [
        (5 * window + n / 10 + 0.01, each)
        for window, each in zip((0, 1, 4, 5), took, strict=True)
        for n in range(50)
    ]
    background = [
        (float(at), at + 1.0, "scan" if 10 <= at < 20 else "sort", rate * (3.0 if 10 <= at < 20 else 2.0))
        for at in range(30)
    ]
    return Run(rival, PHASES, foreground, background, **more)


SOLO = run("solo", [0.01, 0.01, 0.01, 0.01], 0.0)
DEFAULTS = run("defaults", [0.05, 0.05, 0.05, 0.05], 1.0)


def test_windows_know_their_phase_and_split_work_at_their_edges() -> None:
    crossing = replace(DEFAULTS, background=[(3.0, 7.0, "sort", 8.0)])
    assert [(each.begin_s, each.phase) for each in windows(crossing)] == [
        (0, 0),
        (5, 0),
        (10, 1),
        (15, 1),
        (20, 2),
        (25, 2),
    ]
    assert [each.work for each in windows(crossing)][:2] == [pytest.approx(4.0), pytest.approx(4.0)]


def test_work_of_another_kind_does_not_count() -> None:
    assert windows(replace(DEFAULTS, background=[(0.0, 5.0, "scan", 8.0)]))[0].work == 0


def test_under_defaults_only_the_idle_phase_counts() -> None:
    found = score(DEFAULTS, SOLO, DEFAULTS)
    assert list(found.by_phase) == [pytest.approx(0.0), pytest.approx(10.0)]
    assert found.goodput == pytest.approx(10.0)
    assert found.good_windows == pytest.approx(0.5)
    assert found.work == pytest.approx(1.0)
    assert found.regret == 0


def test_what_is_left_over_when_the_background_has_nothing_to_do_is_no_work() -> None:
    phases = [{**PHASES[0], "background": "idle"}, *PHASES[1:]]
    left_over = [(0.0, 0.2, "idle", 3.0)]
    usual = replace(DEFAULTS, phases=phases, background=[*DEFAULTS.background, *left_over])
    more = replace(usual, background=[*usual.background, *left_over])
    found = score(more, replace(SOLO, phases=phases), usual)
    assert rates(usual)[0] == 0
    assert (found.goodput, found.work) == (10.0, 1.0)


def test_half_the_work_in_good_windows_counts_half() -> None:
    found = score(run("polite", [0.0105, 0.0105, 0.05, 0.05], 0.5), SOLO, DEFAULTS)
    assert found.goodput == pytest.approx(10.0)
    assert found.good_windows == 1.0
    assert found.p99_to_alone == pytest.approx(1.05)
    assert found.p99_to_defaults == pytest.approx(0.21)
    assert found.after_p99_to_defaults == pytest.approx(1.0)


def test_a_window_worse_than_under_defaults_is_regretted() -> None:
    assert score(run("psi", [0.06, 0.0105, 0.05, 0.05], 1.0), SOLO, DEFAULTS).regret == 1


def test_a_foreground_that_hardly_got_anything_done_was_not_well() -> None:
    starved = replace(SOLO, foreground=SOLO.foreground[:53])
    found = windows(starved)
    assert found[1].operations == 3
    assert found[1].p99_s == float("inf")
    assert score(starved, SOLO, DEFAULTS).good_windows < 1


def test_the_answer_is_the_first_window_in_which_it_is_well() -> None:
    late = run("planner", [0.05, 0.0105, 0.05, 0.05], 1.0)
    assert score(late, SOLO, DEFAULTS).answer_s == pytest.approx(5.0)
    never = run("senpai", [0.05, 0.05, 0.05, 0.05], 1.0)
    assert score(never, SOLO, DEFAULTS).answer_s == pytest.approx(10.0)


def test_the_foreground_alone_has_a_p99_where_it_is_busy() -> None:
    assert alone_p99(SOLO) == [pytest.approx(0.01), None, pytest.approx(0.01)]


def test_changes_costs_and_what_is_left_are_counted() -> None:
    ours = run(
        "planner",
        [0.01] * 4,
        1.0,
        settings=[(-3.0, {}), (2.0, {}), (12.0, {}), (22.0, {})],
        before={"background.slice cpu.weight": "100", "background.slice cpu.max": "max 100000"},
        after={"background.slice cpu.weight": "20", "background.slice cpu.max": "max 100000"},
        cpu_s={"jepad": 0.5, "actuator": 0.1, "foreground": 3.0},
    )
    found = score(ours, SOLO, DEFAULTS)
    assert found.changes_per_minute == pytest.approx(6.0)
    assert found.cost == pytest.approx(3.0)
    assert found.left == ("background.slice cpu.weight",)


def scored(**goodput: float) -> dict[str, Any]:
    base = score(DEFAULTS, SOLO, DEFAULTS)
    return {
        name: replace(base, goodput=value, by_phase=(value / 4, 3 * value / 4))
        for name, value in goodput.items()
    }


SWEEP = {name: 5.0 for name, group in RIVALS.items() if group == "fixed"}


def test_the_oracle_is_the_best_of_the_whole_sweep_and_of_rules_that_never_change() -> None:
    assert oracle(scored(planner=9.0, weight_1=8.0)) is None
    assert oracle(scored(**SWEEP, planner=50.0, psi=40.0, polite=12.0)) == ("polite", 12.0)
    every = scored(**SWEEP)
    every["freeze"] = replace(every["freeze"], by_phase=(4.0, 1.0))
    assert oracle_by_phase(every) == pytest.approx(4.0 + 3.75)


def test_ratios_have_intervals_around_them_and_nothing_is_divided_by_nothing() -> None:
    middle, low, high = interval([log_ratio(20.0, 10.0), log_ratio(40.0, 10.0)])
    assert middle == pytest.approx(8**0.5)
    assert low < middle < high
    assert log_ratio(0.0, 0.0) == 0.0


def test_predictions_are_counted_where_they_were_observed() -> None:
    change = {"predicted": {"a": [0, 1, 2], "b": [0, 1, 2]}, "observed": {"a": 1.5, "b": 3.0, "c": 1.0}}
    assert coverage([replace(DEFAULTS, history=[change])]) == (1, 2)


def test_entries_name_the_best_rule_over_all_pairs() -> None:
    scores = {
        ("one-two", 1): scored(**SWEEP, defaults=10.0, planner=20.0, polite=16.0, psi=10.0),
        ("one-two", 2): scored(**SWEEP, defaults=10.0, planner=30.0, polite=10.0, psi=24.0),
        ("three", 1): scored(**SWEEP, defaults=10.0, planner=10.0, polite=20.0, psi=10.0),
    }
    assert best_rule(scores) == "polite"
    found = {each["name"]: each for each in entries(scores, [], EFFECTS)}
    assert found["control_goodput_ratio"]["value"] == pytest.approx(6 ** (1 / 3), abs=1e-3)
    assert found["control_goodput_ratio_lower"]["value"] < found["control_goodput_ratio"]["value"]
    assert found["control_vs_best_rival"]["baseline"]["name"] == "polite"
    assert found["control_pair_one_two"]["n"] == 2
    assert found["effect_coverage_90"]["value"] == 0.78
    assert "control_predictions_within_90" not in found
    rows = table(scores)
    assert all(len(row) == len(rows["columns"]) for row in rows["rows"])
    assert [row[:3] for row in rows["rows"]][:2] == [["one-two", "defaults", 2], ["one-two", "planner", 2]]


def test_windows_are_told_one_by_one() -> None:
    planner = run("planner", [0.0105, 0.02, 0.01, 0.01], 0.5)
    found = by_window({("a-b", 1): {"solo": SOLO, "defaults": DEFAULTS, "planner": planner}, ("c-d", 1): {}})
    assert found["columns"][-2:] == ["defaults", "planner"]
    assert [row[2] for row in found["rows"]] == [0, 5, 10, 15], "those after the end are not compared"
    assert found["rows"][0][3:] == ["light / sort", "11.0", "50.0, 1.00", "10.5, 0.50, good"]
    assert found["rows"][1][-1] == "20.0, 0.50"
    assert found["rows"][2][4:] == ["–", "idle, 1.00, good", "idle, 0.50, good"]


def test_without_any_run_only_what_the_pack_says_is_known() -> None:
    assert [each["name"] for each in entries({}, [], EFFECTS)] == ["effect_coverage_90"]
