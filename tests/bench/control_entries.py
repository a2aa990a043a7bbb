# SPDX-License-Identifier: Apache-2.0
"""The figures of `make bench-control` as JSON: the list that every benchmark has, and a table by pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tests.bench.control_figures import (
    TOLERATED,
    Run,
    Score,
    alone_p99,
    coverage,
    good,
    interval,
    log_ratio,
    oracle,
    oracle_by_phase,
    rates,
    windows,
)
from tests.bench.control_plan import RIVALS, WINDOW_S

Key = tuple[str, int]
"""A pair and a seed."""
Scores = Mapping[Key, Mapping[str, Score]]
OURS = "planner"


def entries(scores: Scores, runs: Sequence[Run], effects: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The headline, each figure with its lower end, and a row a pair. ``effects`` is the pack's file."""
    found: list[dict[str, Any]] = []
    by_defaults = _logs(scores, "defaults")
    found += _figure("control_goodput_ratio", by_defaults, "defaults of the kernel")
    best = best_rule(scores)
    if best is not None:
        found += _figure("control_vs_best_rival", _logs(scores, best), best)
    for name, of in (("control_vs_oracle", _oracle), ("control_vs_oracle_by_phase", oracle_by_phase)):
        logs = [
            log_ratio(each[OURS].goodput, theirs)
            for each in scores.values()
            if OURS in each and (theirs := of(each)) is not None
        ]
        found += _figure(name, logs, "best fixed setting in hindsight")
    for name, what in (
        ("persistence", "without forecasts"),
        ("kernel_rules", "with the kernel's rules for effects"),
    ):
        found += _figure(f"control_vs_{name}", _logs(scores, name), f"the planner {what}")
    for pair in sorted({pair for pair, _ in scores}):
        logs = _logs({key: each for key, each in scores.items() if key[0] == pair}, "defaults")
        found += _figure(
            f"control_pair_{pair.replace('-', '_')}", logs, "defaults of the kernel", lower=False
        )
    found += _plain(scores)
    inside, total = coverage(runs)
    if total:
        found.append(_entry("control_predictions_within_90", inside / total, "share", "higher", total))
    found.append(_entry("effect_coverage_90", effects["coverage_90"], "share", "higher", effects["windows"]))
    return found


def _plain(scores: Scores) -> list[dict[str, Any]]:
    ours = [each[OURS] for each in scores.values() if OURS in each]
    if not ours:
        return []
    rows = []
    for name, of, unit in (
        ("control_regret_windows", lambda each: each.regret, "windows a run"),
        ("control_changes_a_minute", lambda each: each.changes_per_minute, "1/min"),
        ("control_answer_s", lambda each: each.answer_s, "s"),
        ("control_cost_percent_of_cpu", lambda each: each.cost, "%"),
        ("control_p99_to_defaults", lambda each: each.p99_to_defaults, "ratio"),
        ("control_after_p99_to_defaults", lambda each: each.after_p99_to_defaults, "ratio"),
        ("control_settings_left", lambda each: len(each.left), "settings"),
    ):
        values = [float(value) for each in ours if (value := of(each)) is not None]
        if values:
            rows.append(_entry(name, float(np.mean(values)), unit, "lower", len(values)))
    return rows


def best_rule(scores: Scores) -> str | None:
    """The rule that does best over all runs in which both it and the planner were measured."""
    means = {}
    for name, group in RIVALS.items():
        logs = _logs(scores, name)
        if group == "rule" and logs:
            means[name] = float(np.mean(logs))
    return min(means, key=lambda name: means[name]) if means else None


def _oracle(scores: Mapping[str, Score]) -> float | None:
    found = oracle(scores)
    return None if found is None else found[1]


def _logs(scores: Scores, rival: str) -> list[float]:
    """Of the planner's goodput to that of ``rival``, in each run that has both."""
    return [
        log_ratio(each[OURS].goodput, each[rival].goodput)
        for each in scores.values()
        if OURS in each and rival in each
    ]


def _figure(name: str, logs: Sequence[float], beside: str, *, lower: bool = True) -> list[dict[str, Any]]:
    if not logs:
        return []
    middle, low, _ = interval(logs)
    base = {"baseline": {"name": beside, "value": 1.0}, "ratio": round(middle, 4)}
    rows = [_entry(name, middle, "ratio", "higher", len(logs)) | base]
    if lower:
        rows.append(_entry(f"{name}_lower", low, "ratio", "higher", len(logs)))
    return rows


def _entry(name: str, value: float, unit: str, better: str, n: int) -> dict[str, Any]:
    return {"name": name, "value": round(value, 4), "unit": unit, "better": better, "n": n} | {
        "p50": None,
        "p99": None,
        "baseline": None,
        "ratio": None,
    }


def table(scores: Scores) -> dict[str, Any]:
    """A row for each pair and rival, means over the seeds."""
    rows = []
    for pair in sorted({pair for pair, _ in scores}):
        here = [each for (name, _), each in scores.items() if name == pair]
        for rival in RIVALS:
            both = [(each[rival], each["defaults"]) for each in here if rival in each and "defaults" in each]
            if not both:
                continue
            of = [mine for mine, _ in both]
            ratio = float(np.exp(np.mean([log_ratio(a.goodput, b.goodput) for a, b in both])))
            rows.append(
                [
                    pair,
                    rival.replace("_", " "),
                    len(of),
                    round(ratio, 3),
                    round(float(np.mean([each.goodput for each in of])), 1),
                    round(100 * float(np.mean([each.good_windows for each in of])), 1),
                    round(float(np.mean([each.work for each in of])), 3),
                    _mean([each.p99_to_alone for each in of]),
                    _mean([each.p99_to_defaults for each in of]),
                    sum(each.regret for each in of),
                    round(float(np.mean([each.changes_per_minute for each in of])), 2),
                    _mean([each.answer_s for each in of]),
                    round(float(np.mean([each.cost for each in of])), 2),
                    ", ".join(sorted({name for each in of for name in each.left})) or "none",
                    _mean([each.after_p99_to_defaults for each in of]),
                ]
            )
    return {
        "columns": [
            *("pair", "who", "seeds", "goodput to defaults", "goodput, s", "good windows, %"),
            *("work kept", "P99 to alone", "P99 to defaults", "regret windows", "changes a minute"),
            *("answer, s", "own CPU, %", "settings left", "P99 after, to defaults"),
        ],
        "rows": rows,
    }


def by_window(runs: Mapping[Key, Mapping[str, Run]]) -> dict[str, Any]:
    """A row for each window of each moment: what became of the foreground and of the work, by rival.

    A cell is the foreground's P99 in ms, the work in parts of what defaults get done of it, and whether the
    window is good.
    """
    names = [name for name in RIVALS if name != "solo" and any(name in each for each in runs.values())]
    rows = []
    for (pair, seed), here in runs.items():
        if not {"solo", "defaults"} <= here.keys():
            continue
        alone, usual = alone_p99(here["solo"]), windows(here["defaults"])
        unit, every = rates(here["defaults"]), {name: windows(run) for name, run in here.items()}
        for number, window in enumerate(usual):
            if window.phase >= len(unit):
                continue
            phase, limit = here["defaults"].phases[window.phase], alone[window.phase]
            row = [pair, seed, int(window.begin_s), f"{phase['foreground']} / {phase['background']}"]
            row.append("–" if limit is None else f"{1000 * TOLERATED * limit:.1f}")
            for name in names:
                if name not in here:
                    row.append("–")
                    continue
                mine = every[name][number]
                p99 = "idle" if mine.p99_s is None else f"{1000 * mine.p99_s:.1f}"
                done = mine.work / (WINDOW_S * unit[window.phase]) if unit[window.phase] else 0.0
                row.append(f"{p99}, {done:.2f}{', good' if good(mine, alone) else ''}")
            rows.append(row)
    columns = ["pair", "seed", "from, s", "foreground / background", "good up to, ms"]
    return {"columns": columns + [name.replace("_", " ") for name in names], "rows": rows}


def _mean(values: Sequence[float | None]) -> float | str:
    known = [each for each in values if each is not None]
    return round(float(np.mean(known)), 3) if known else "–"
