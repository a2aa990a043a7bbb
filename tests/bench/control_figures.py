# SPDX-License-Identifier: Apache-2.0
"""From what the runs of a pair logged to goodput, regret and their intervals. Pure.

*Goodput* is background work done in those windows of 5 s in which the foreground's P99 is at most 1.10 times
the P99 that it has alone in the same phase. Work of different kinds is made comparable by what the kernel's
defaults get done of it in the same phase: one unit is a second of that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from tests.bench.control_plan import FIXED_RULES, RIVALS, WINDOW_S

TOLERATED: Final = 1.10
"""Of its P99 alone, what the foreground's P99 may be in a window that counts."""
WORSE: Final = 1.10
"""Of its P99 under defaults in the same window, from where on a foreground was harmed."""
LEAST_OPERATIONS: Final = 10
"""Of a window in which latency says something; with fewer, and some due, it counts as missed."""
FLOOR_S: Final = 1.0
"""Goodput below this counts as this: a ratio to nothing has no meaning."""
DRAWS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Run:
    """One branch: one rival, from one moment of one pair."""

    rival: str
    phases: Sequence[Mapping[str, Any]]
    """As ``control_plan.order`` has them; the last is after everything was undone."""
    foreground: Sequence[tuple[float, float]]
    """When each operation was due, and how long after that it was done, s."""
    background: Sequence[tuple[float, float, str, float]]
    """From when to when how much work of which kind was done."""
    settings: Sequence[tuple[float, Mapping[str, str]]] = ()
    """When which settings were seen to have changed."""
    before: Mapping[str, str] | None = None
    after: Mapping[str, str] | None = None
    """What was set before the rival began, and once it had undone everything."""
    cpu_s: Mapping[str, float] | None = None
    """CPU time that each part used in the phases, but for the last."""
    history: Sequence[Mapping[str, Any]] = ()
    """The changes of a planner, with what was predicted and observed of each."""

    @property
    def measured(self) -> Sequence[Mapping[str, Any]]:
        """The phases that are compared."""
        return self.phases[:-1]

    @property
    def seconds(self) -> float:
        """How long they are in all."""
        return float(self.measured[-1]["end_s"] - self.measured[0]["begin_s"])


@dataclass(frozen=True, slots=True)
class Window:
    """Five seconds of a run."""

    begin_s: float
    phase: int
    operations: int
    p99_s: float | None
    """None where no operation was due."""
    work: float
    """In the units of its kind."""


def run_of(result: Mapping[str, Any], phases: Sequence[Mapping[str, Any]]) -> Run:
    """A run from what the guest wrote."""
    history = result.get("history")
    return Run(
        rival=result["rival"],
        phases=phases,
        foreground=[(due, took) for due, took in result["foreground"]],
        background=[(since, until, kind, done) for since, until, kind, done in result["background"]],
        settings=[(at, changed) for at, changed in result["settings"]],
        before=result["before"],
        after=result.get("after"),
        cpu_s=result.get("cpu_s"),
        history=history if isinstance(history, list) else (),
    )


def windows(run: Run, step_s: float = WINDOW_S) -> list[Window]:
    """The windows of the phases that are compared, and of what comes after; ``step_s`` apart."""
    due = np.array([each[0] for each in run.foreground])
    took = np.array([each[1] for each in run.foreground])
    found = []
    for number, phase in enumerate(run.phases):
        begin = float(phase["begin_s"])
        while begin + WINDOW_S <= phase["end_s"]:
            within = took[(due >= begin) & (due < begin + WINDOW_S)] if len(due) else took
            wanted = phase["foreground"] != "idle"
            p99 = float(np.percentile(within, 99)) if wanted and len(within) else None
            if wanted and len(within) < LEAST_OPERATIONS:
                p99 = float("inf")
            found.append(Window(begin, number, len(within), p99, _work(run, begin, phase["background"])))
            begin += step_s
    return found


def _work(run: Run, begin: float, kind: str) -> float:
    """Work of ``kind`` in the window from ``begin`` on; what was done over its edge is split by time."""
    total = 0.0
    for since, until, what, done in run.background:
        overlap = min(until, begin + WINDOW_S) - max(since, begin)
        if what == kind and overlap > 0:
            total += done * overlap / max(until - since, 1e-6)
    return total


def alone_p99(solo: Run) -> list[float | None]:
    """The P99 of each phase of the foreground alone; None where it is idle."""
    found: list[float | None] = []
    for phase in solo.phases:
        took = [took for due, took in solo.foreground if phase["begin_s"] <= due < phase["end_s"]]
        busy = phase["foreground"] != "idle" and took
        found.append(float(np.percentile(took, 99)) if busy else None)
    return found


def good(window: Window, alone: Sequence[float | None]) -> bool:
    """Whether the foreground was as well off as it should be."""
    limit = alone[window.phase]
    return window.p99_s is None or limit is None or window.p99_s <= TOLERATED * limit


@dataclass(frozen=True, slots=True)
class Score:
    """What one run came to beside those of the same moment."""

    goodput: float
    """Seconds of defaults' work done in good windows."""
    by_phase: tuple[float, ...]
    good_windows: float
    """Share of windows in which the foreground was as well off as it should be."""
    work: float
    """All background work, in seconds of defaults' work, over the time there was."""
    p99_to_alone: float | None
    """Geometric mean over the busy phases."""
    p99_to_defaults: float | None
    regret: int
    """Windows in which the foreground was worse off than under defaults."""
    changes_per_minute: float
    answer_s: float | None
    """Mean over the phases in which defaults do harm, until the first window from which it is well off."""
    cost: float
    """Percent of the CPU that whoever looked after it used."""
    left: tuple[str, ...]
    """Settings that were not as before in the end."""
    after_p99_to_defaults: float | None
    """P99 of the foreground once everything was undone."""


_OWN = ("jepad", "telemetry", "actuator", "rival")


def score(run: Run, solo: Run, defaults: Run) -> Score:
    """``run`` beside the foreground alone and beside the kernel's defaults, from the same moment."""
    alone, own, usual = alone_p99(solo), windows(run), windows(defaults)
    count, unit = len(run.measured), rates(defaults)
    by_phase, everything = [0.0] * count, 0.0
    for window in own:
        if window.phase >= count or not unit[window.phase]:
            continue
        done = window.work / unit[window.phase]
        everything += done
        if good(window, alone):
            by_phase[window.phase] += done
    compared = [each for each in own if each.phase < count]
    regret = sum(
        mine.p99_s is not None and theirs.p99_s is not None and mine.p99_s > WORSE * theirs.p99_s
        for mine, theirs in zip(own, usual, strict=True)
        if mine.phase < count and not good(mine, alone)
    )
    after = run.after or {}
    return Score(
        goodput=sum(by_phase),
        by_phase=tuple(by_phase),
        good_windows=sum(good(each, alone) for each in compared) / max(len(compared), 1),
        work=everything / max(sum(WINDOW_S for each in compared if unit[each.phase]), 1),
        p99_to_alone=_p99_ratio(run, solo, range(count)),
        p99_to_defaults=_p99_ratio(run, defaults, range(count)),
        regret=regret,
        changes_per_minute=60
        * sum(0 <= at < run.measured[-1]["end_s"] for at, _ in run.settings)
        / run.seconds,
        answer_s=_answer_s(run, defaults, alone),
        cost=100 * sum((run.cpu_s or {}).get(name, 0.0) for name in _OWN) / run.seconds,
        left=tuple(name for name, value in (run.before or {}).items() if after.get(name, value) != value),
        after_p99_to_defaults=_p99_ratio(run, defaults, [count]),
    )


def rates(usual: Run) -> list[float]:
    """Work a second in each of the phases that are compared, under defaults.

    None where there is none to do: what is logged there was left over from the phase before.
    """
    found, every = [], windows(usual)
    for number, phase in enumerate(usual.measured):
        wanted = phase["background"] != "idle"
        done = [each.work for each in every if each.phase == number and wanted]
        found.append(sum(done) / (WINDOW_S * len(done)) if done else 0.0)
    return found


def _p99_ratio(run: Run, other: Run, phases: Sequence[int] | range) -> float | None:
    """Geometric mean, over those phases in which both were busy, of the ratio of their P99."""
    mine, theirs = alone_p99(run), alone_p99(other)
    logs = [np.log(a / b) for n in phases if (a := mine[n]) is not None and (b := theirs[n]) is not None]
    return float(np.exp(np.mean(logs))) if logs else None


def _answer_s(run: Run, defaults: Run, alone: Sequence[float | None]) -> float | None:
    """See ``Score``; a phase in which it never gets well counts in full."""
    harmed = {each.phase for each in windows(defaults) if not good(each, alone)} & set(
        range(len(run.measured))
    )
    mine, found = windows(run, step_s=1.0), []
    for number in sorted(harmed):
        own = [each for each in mine if each.phase == number]
        first = next((each.begin_s for each in own if good(each, alone)), None)
        phase = run.phases[number]
        found.append((phase["end_s"] if first is None else first) - phase["begin_s"])
    return float(np.mean(found)) if found else None


def oracle(scores: Mapping[str, Score]) -> tuple[str, float] | None:
    """The best of the settings that never change, known in hindsight; None before the sweep is whole."""
    sweep = [name for name, group in RIVALS.items() if group == "fixed"]
    if not set(sweep) <= scores.keys():
        return None
    names = [name for name in (*sweep, *FIXED_RULES) if name in scores]
    best = max(names, key=lambda name: scores[name].goodput)
    return best, scores[best].goodput


def oracle_by_phase(scores: Mapping[str, Score]) -> float | None:
    """The best of those settings in each phase by itself: put together, not run."""
    if oracle(scores) is None:
        return None
    names = [name for name, group in RIVALS.items() if group == "fixed" or name in FIXED_RULES]
    each = [scores[name].by_phase for name in names if name in scores]
    return float(sum(map(max, zip(*each, strict=True))))


def interval(logs: Sequence[float]) -> tuple[float, float, float]:
    """Geometric mean and its 90 % bootstrap interval, of logarithms of ratios of runs."""
    values = np.array(logs, dtype=np.float64)
    drawn = np.random.default_rng(1).integers(0, len(values), (DRAWS, len(values)))
    low, high = np.percentile(values[drawn].mean(axis=1), [5, 95])
    return float(np.exp(values.mean())), float(np.exp(low)), float(np.exp(high))


def log_ratio(one: float, other: float) -> float:
    """Of two goodputs."""
    return float(np.log(max(one, FLOOR_S) / max(other, FLOOR_S)))


def coverage(runs: Sequence[Run]) -> tuple[int, int]:
    """Of the channels predicted of each change, how many came within their interval, and of how many."""
    inside = total = 0
    for run in runs:
        for change in run.history:
            for name, value in (change.get("observed") or {}).items():
                predicted = (change.get("predicted") or {}).get(name)
                if predicted is not None and value is not None:
                    total += 1
                    inside += predicted[0] <= value <= predicted[-1]
    return inside, total
