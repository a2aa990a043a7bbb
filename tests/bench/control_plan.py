# SPDX-License-Identifier: Apache-2.0
"""What `make bench-control` measures: pairs of programs, their phases by a seed, and who looks after them.

Pure: the same seed gives the same schedule. What a program or a rival does lies in the guest's files
(``control_programs.py``, ``control_guest.py``), which know them by the names used here.
"""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

Group = Literal["baseline", "solo", "fixed", "rule", "planner", "part"]

WINDOW_S: Final = 5
PHASE_S: Final = (15, 25)
"""A phase lasts so long at least and at most, in whole windows."""
AFTER_S: Final = 20
"""After the last phase everything is undone, and the programs go on for so long."""
LEAD_S: Final = 15
"""From the moment on, so long the programs do what they did before it, and a rival may settle."""


@dataclass(frozen=True, slots=True)
class Phase:
    """What both programs do for a while."""

    foreground: str
    """``idle``, ``light`` or ``heavy``."""
    background: str
    """The kind of work, or ``idle``."""
    processes: int = 1
    """That do the background's work at a time."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two programs beside each other, and what their phases are."""

    name: str
    foreground: str
    phases: tuple[Phase, ...]
    development: bool = False
    """Whether rules were tuned on it, which the reported figures then leave out."""


PAIRS: Final = (
    Pair(
        "shell-compress",
        "shell",
        (
            Phase("light", "compress", 2),
            Phase("idle", "compress", 2),
            Phase("heavy", "compress"),
            Phase("light", "idle"),
        ),
        development=True,
    ),
    Pair(
        "sqlite-compile",
        "sqlite",
        (
            Phase("light", "compile", 2),
            Phase("idle", "compile", 2),
            Phase("heavy", "compile", 3),
            Phase("light", "scan"),
        ),
    ),
    Pair(
        "http-backup",
        "http",
        (
            Phase("light", "backup"),
            Phase("heavy", "backup", 2),
            Phase("idle", "sort"),
            Phase("light", "sort", 2),
        ),
    ),
    Pair(
        "frames-compress",
        "frames",
        (
            Phase("heavy", "compress"),
            Phase("light", "compress", 3),
            Phase("idle", "compress"),
            Phase("heavy", "scan"),
        ),
    ),
    Pair(
        "shell-sort",
        "shell",
        (
            Phase("light", "sort", 2),
            Phase("idle", "sort"),
            Phase("heavy", "memory"),
            Phase("light", "sort", 3),
        ),
    ),
    Pair(
        "http-memory",
        "http",
        (
            # three: 576 MiB at their height, more than the third of the memory that ``polite`` leaves them
            Phase("heavy", "memory", 3),
            Phase("idle", "memory", 3),
            Phase("light", "compile", 2),
            Phase("heavy", "idle"),
        ),
    ),
    Pair(
        "sqlite-backup",
        "sqlite",
        (
            Phase("heavy", "backup", 2),
            Phase("light", "scan", 2),
            Phase("idle", "backup"),
            Phase("heavy", "compress"),
        ),
    ),
)
RIVALS: Final[dict[str, Group]] = {
    "defaults": "baseline",
    "solo": "solo",
    "planner": "planner",
    "polite": "rule",
    "nice": "rule",
    "psi": "rule",
    "senpai": "rule",
    "reactive": "rule",
    "tuned": "rule",
    "persistence": "planner",
    "kernel_rules": "planner",
    "watched": "part",
    "idle": "fixed",
    "weight_20": "fixed",
    "weight_1": "fixed",
    "quota_50": "fixed",
    "quota_20": "fixed",
    "freeze": "fixed",
}
"""In the order in which they are measured, which is how much each tells: ``solo`` is the foreground alone,
``planner`` a standing task, ``persistence`` the same without forecasts, ``kernel_rules`` the same without
learned effects; ``watched`` what the planner sets in the end from the beginning on, beside a jepad that only
forecasts, so that what it lacks of ``idle`` is what forecasts cost; the fixed ones, and rules that never
change, are the sweep of the oracle."""
FIXED_RULES: Final = ("defaults", "polite", "nice", "tuned")


@dataclass(frozen=True, slots=True)
class Timed:
    """A phase with its place in time, seconds from the beginning of the first one."""

    begin_s: int
    end_s: int
    phase: Phase


def schedule(pair: Pair, seed: int) -> tuple[Timed, ...]:
    """The phases of ``pair`` in time. The last comes after everything was undone: the first one again.

    The first stays first; the seed decides the order of the others and how long each lasts.
    """
    dice = random.Random(f"{pair.name} {seed}")
    first, *others = pair.phases
    dice.shuffle(others)
    timed, at = [], 0
    for phase in (first, *others):
        length = WINDOW_S * dice.randint(PHASE_S[0] // WINDOW_S, PHASE_S[1] // WINDOW_S)
        timed.append(Timed(at, at + length, phase))
        at += length
    return (*timed, Timed(at, at + AFTER_S, first))


def order(pair: Pair, seed: int) -> dict[str, Any]:
    """What the guest is told of a run."""
    return {
        "foreground": pair.foreground,
        "seed": seed,
        "lead_s": LEAD_S,
        "phases": [
            {"begin_s": each.begin_s, "end_s": each.end_s, **asdict(each.phase)}
            for each in schedule(pair, seed)
        ],
    }


def pair_named(name: str) -> Pair:
    """The pair of that name; KeyError."""
    return {each.name: each for each in PAIRS}[name]
