# SPDX-License-Identifier: Apache-2.0
"""What a report says of figures that exist, and why others do not; as text and as the file beside a pack."""

import json
from dataclasses import fields, replace
from typing import Any

import pytest

from jepa.evaluation.alert_scoring import AlertFigures, RecallAtBudget
from jepa.evaluation.effect_scoring import Effects, Judged
from jepa.evaluation.report import Evaluation, Figures, to_file_text
from jepa.evaluation.scoring import ACTING, WINDOW

CHANNEL = "system.cpu.utilization"


def figures(**known: Any) -> Figures:
    numbers: dict[str, Any] = {each.name: 0.5 for each in fields(Figures)}
    beside = {"banded_accuracy": 0.25, "banded_accuracy_mean": 0.25, "banded_accuracy_p90": 0.25}
    return Figures(**{**numbers, "windows": 40, "baselines": {WINDOW: beside}, **known})


def evaluation(**known: Any) -> Evaluation:
    cell = {"model": 0.75, WINDOW: 0.25, "coverage_90": 0.9}
    content: dict[str, Any] = {
        "pack": "machine 1.2.3",
        "recordings": [{"name": "one"}],
        "figures": figures(),
        "kinds": {},
        "literal": {},
        "moving": [CHANNEL],
        "static": [],
        "channels": {CHANNEL: {"1": {"mean": cell}, "30": {"mean": cell, "p90": cell}}},
        "events": {},
        "recall_at_1_fa_per_day": {},
        "effects": None,
    }
    return Evaluation(**{**content, **known})


def test_where_all_figures_exist_none_is_absent() -> None:
    assert evaluation().absent == {}


def test_without_a_second_run_figures_are_absent_for_that_reason() -> None:
    alone = evaluation(figures=figures(ceiling=None, gap_closed=None, hard_recovery=None))
    assert set(alone.absent) == {"ceiling", "gap_closed", "hard_recovery"}
    assert all("needs a twin" in reason for reason in alone.absent.values())


def test_a_ceiling_no_higher_than_the_best_baseline_leaves_no_gap() -> None:
    level = evaluation(figures=figures(gap_closed=None, gap_closed_lower=None, hard_recovery=None))
    assert "no gap to close" in level.absent["gap_closed"]
    assert level.absent["gap_closed_lower"] == level.absent["gap_closed"]
    assert level.absent["hard_recovery"] == "nothing to judge"


def test_json_has_the_figures_at_the_top_and_each_kind_beside_them() -> None:
    content = evaluation(kinds={ACTING: figures(banded_accuracy=0.625)}).to_json()
    assert content["banded_accuracy"] == 0.5
    assert content[ACTING]["banded_accuracy"] == 0.625
    assert content["channels"][CHANNEL]["30"]["p90"]["model"] == 0.75


def test_the_file_is_rounded_to_four_places_and_keeps_what_is_absent() -> None:
    kept = json.loads(to_file_text(evaluation(figures=figures(banded_accuracy=0.123456789, ceiling=None))))
    assert kept["banded_accuracy"] == 0.1235
    assert kept["ceiling"] is None
    assert "ceiling" in kept["absent"]


def test_text_shows_a_dash_for_what_is_absent() -> None:
    (line,) = (
        each
        for each in evaluation(figures=figures(ceiling=None)).to_text().splitlines()
        if each.startswith("ceiling")
    )
    assert line.split() == ["ceiling", "-"]


def test_recordings_with_actions_are_said_to_stand_apart_only_beside_others() -> None:
    both = evaluation(kinds={ACTING: figures(), "busy": figures()})
    assert "acting ones stand apart" in both.to_text()
    assert "stand apart" not in evaluation(kinds={ACTING: figures()}).to_text()


def test_bars_are_as_long_as_the_share_that_was_right() -> None:
    bars = [line for line in evaluation().to_text("=").splitlines() if line.endswith("=")]
    assert [line.count("=") for line in bars] == [38, 12], "of 50, at the horizon of 30 s alone"


def test_events_are_listed_with_recall_at_the_budget_where_it_is_known() -> None:
    found = AlertFigures(
        onsets=4, predicted=3, lead_s=12.0, alerts=5, false_alarms=2, false_alarms_per_hour=1.5
    )
    best = RecallAtBudget(level=0.9, onsets=4, predicted=2, recall=0.5, lead_s=9.0, hours=2.0)
    told = evaluation(
        events={
            "model": {"io_stall": found, "oom_kill": replace(found, onsets=0, predicted=0, lead_s=None)}
        },
        recall_at_1_fa_per_day={"model": {"io_stall": best}},
    )
    lines = told.to_text().splitlines()
    known = next(line for line in lines if line.startswith("io_stall"))
    assert known.split() == ["io_stall", "model", "4", "3", "12", "s", "1.5", "2"]
    unknown = next(line for line in lines if line.startswith("oom_kill"))
    assert unknown.split() == ["oom_kill", "model", "0", "0", "-", "1.5", "-"]


@pytest.mark.parametrize(("sign", "shown"), [(0.75, "sign right 0.750"), (None, "sign right -")])
def test_effects_are_shown_with_how_many_are_chance(sign: float | None, shown: str) -> None:
    part = Judged(2.0, sign, None, None, None, None, windows=7, by_chance=3, changes=2)
    text = evaluation(effects=Effects(part, replace(part, deviations=5.0), {}, {})).to_text()
    assert "7 beyond 2 deviations of chance (3 by chance)" in text
    assert "7 beyond 5 deviations" in text
    assert shown in text
