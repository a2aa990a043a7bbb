# SPDX-License-Identifier: Apache-2.0
"""How well events were foretold: how many of those that began, how long before, and how often in vain."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from jepa.telemetry.frame import BoolArray
from jepa.telemetry.schema import Schema
from jepa.world.forecast import FloatArray
from jepa.world.hazards import HAZARDS, Hazard, happening
from jepa.world.notices import Looming, Rules

_REACH = 60
"""Frames before its beginning in which an event can be foretold."""


@dataclass(frozen=True, slots=True)
class Watched:
    """One recording: what happened, and when somebody warned of it."""

    happens: FloatArray  # (T, E) 1, 0 or NaN where that cannot be seen
    warned: BoolArray  # (T, E)


@dataclass(frozen=True, slots=True)
class Foretold:
    """The figures of one event over all recordings."""

    began: int
    """Times that it began."""
    foretold: int
    """Of those, times that a warning stood in the minute before."""
    lead_s: float | None
    """Median time from the first warning of that minute to the beginning, of those foretold."""
    alarms: int
    """Times that somebody began to warn while it did not happen."""
    in_vain: int
    """Of those, times that it did not begin within a minute."""
    in_vain_per_hour: float


@dataclass(frozen=True, slots=True)
class Quiet:
    """What is foretold by somebody who asks so much that at most one alarm a day is in vain."""

    level: float | None
    """Least of LEVELS at which that is so; None where it is so at none."""
    began: int
    foretold: int
    lead_s: float | None
    hours: float
    """So long were the recordings: in less than a day it means that none was in vain."""


LEVELS = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
"""Odds from which one may warn, or, by the rule of thumb, shares of the way to where an event begins."""
_DAY_H = 24
_USUAL = Rules()


def warnings_of(odds: FloatArray, rules: Rules = _USUAL) -> BoolArray:
    """(T, E) from the model's odds (T, E, H): where what jepad would have foretold stands."""
    looming = Looming(rules)
    return np.stack([looming.push(each) for each in odds])


def on_the_way(
    values: FloatArray, schema: Schema, hazards: Sequence[Hazard] = HAZARDS, share: float = 0.5
) -> BoolArray:
    """(T, E) the rule of thumb to beat: warn once the channel is half way to where the event begins."""
    nearer = [replace(each, threshold=each.threshold * share, event=None) for each in hazards]
    return np.asarray(np.nan_to_num(happening(values, schema, nearer)) > 0)


def once_a_day(
    happens: Sequence[FloatArray], warned: Callable[[float], Sequence[BoolArray]], names: Sequence[str]
) -> dict[str, Quiet]:
    """The most that whoever has ``warned`` at some level could foretell, with one alarm a day in vain.

    ``warned`` answers for a level what ``happens`` does, (T, E) for each recording. The level is the best in
    hindsight: it says what the odds are worth, not what somebody who has to choose before would reach.
    """
    result: dict[str, Quiet] = {}
    hours = {
        name: sum(float(np.isfinite(each[:, column]).sum()) for each in happens) / 3600
        for column, name in enumerate(names)
    }
    for level in LEVELS:
        watched = [Watched(*each) for each in zip(happens, warned(level), strict=True)]
        for name, found in judge(watched, names).items():
            best = result.get(name, Quiet(None, found.began, 0, None, hours[name]))
            if found.in_vain_per_hour * _DAY_H <= 1 and found.foretold > best.foretold:
                best = Quiet(level, found.began, found.foretold, found.lead_s, hours[name])
            result[name] = best
    return {name: found for name, found in result.items() if found.began}


def judge(watched: Sequence[Watched], names: Sequence[str]) -> dict[str, Foretold]:
    """The figures by event, those left out that no recording shows beginning."""
    result = {}
    for column, name in enumerate(names):
        leads: list[float | None] = []
        alarms = in_vain = frames = 0
        for each in watched:
            seen = np.isfinite(each.happens[:, column])
            on, warned = np.nan_to_num(each.happens[:, column]) > 0, each.warned[:, column] & seen
            frames += int(seen.sum())
            leads += [_lead(warned, on, start) for start in _edges(on)]
            for start in _edges(warned):
                if not on[start]:
                    alarms += 1
                    in_vain += not on[start : start + _REACH + 1].any()
        told = [lead for lead in leads if lead is not None]
        result[name] = Foretold(
            began=len(leads),
            foretold=len(told),
            lead_s=float(np.median(told)) if told else None,
            alarms=alarms,
            in_vain=in_vain,
            in_vain_per_hour=in_vain * 3600 / frames if frames else 0.0,
        )
    return {name: figures for name, figures in result.items() if figures.began or figures.alarms}


def _edges(on: BoolArray) -> list[int]:
    """Where it becomes true; what is so from the first frame on has no beginning."""
    return [int(at) + 1 for at in np.flatnonzero(on[1:] & ~on[:-1])]


def _lead(warned: BoolArray, on: BoolArray, start: int) -> float | None:
    """Frames from the first warning, since it last happened and within reach, to its beginning."""
    first = max(0, start - _REACH)
    last_time = np.flatnonzero(on[first:start])
    if len(last_time):
        first += int(last_time[-1]) + 1
    before = np.flatnonzero(warned[first:start])
    return float(start - first - before[0]) if len(before) else None
