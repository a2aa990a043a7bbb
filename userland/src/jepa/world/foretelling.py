# SPDX-License-Identifier: Apache-2.0
"""How well events were foretold: how many of those that began, how long before, and how often in vain."""

from collections.abc import Sequence
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


def warnings_of(odds: FloatArray) -> BoolArray:
    """(T, E) from the model's odds (T, E, H): where what jepad would have foretold stands."""
    looming = Looming(Rules())
    return np.stack([looming.push(each) for each in odds])


def half_way(values: FloatArray, schema: Schema, hazards: Sequence[Hazard] = HAZARDS) -> BoolArray:
    """(T, E) the rule of thumb to beat: warn once the channel is half way to where the event begins."""
    halved = [replace(each, threshold=each.threshold / 2, event=None) for each in hazards]
    return np.asarray(np.nan_to_num(happening(values, schema, halved)) > 0)


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
