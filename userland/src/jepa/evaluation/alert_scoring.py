# SPDX-License-Identifier: Apache-2.0
"""Scores alerts of events against their onsets: recall, lead time and false alarms."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from jepa.telemetry.frame import BoolArray
from jepa.telemetry.schema import Schema
from jepa.world.event_definitions import EVENT_DEFINITIONS, EventDefinition, holding
from jepa.world.forecast import FloatArray

_REACH = 60
"""Frames before an onset in which an alert counts as right."""


@dataclass(frozen=True, slots=True)
class AlertTrace:
    """One recording: which events held, and when an alert stood."""

    holds: FloatArray  # (T, E) 1, 0 or NaN where that cannot be observed
    alerted: BoolArray  # (T, E)


@dataclass(frozen=True, slots=True)
class AlertFigures:
    """The figures of one event over all recordings."""

    onsets: int
    predicted: int
    """Onsets that had an alert standing in the minute before."""
    lead_s: float | None
    """Median time from the first alert of that minute to the onset, of those predicted."""
    alerts: int
    """Alerts raised while the event did not hold."""
    false_alarms: int
    """Of those, alerts without an onset within a minute."""
    false_alarms_per_hour: float


@dataclass(frozen=True, slots=True)
class RecallAtBudget:
    """How many onsets are predicted from the lowest level that gives at most one false alarm a day."""

    level: float | None
    """The least of LEVELS within that budget; None where none is."""
    onsets: int
    predicted: int
    recall: float
    """predicted / onsets, 0..1."""
    lead_s: float | None
    hours: float
    """Length of the recordings; below 24, the budget allows no false alarm at all."""


LEVELS = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
"""Probabilities from which to alert; for the rule of thumb, shares of an event's threshold."""
_DAY_H = 24
FIXED_LEVEL = 0.7
"""The level that is judged beside the best one in hindsight; jepad's own follows the machine."""
_IN_A_ROW, _CLEAR = 2, 0.1
"""Frames in a row that begin an alert, and the probability below which it ends."""


def model_alerts(event_probability: FloatArray, level: float = FIXED_LEVEL) -> BoolArray:
    """(T, E) where an alert would stand that is raised from ``level``, from probabilities (T, E, H)."""
    highest = np.nan_to_num(event_probability).max(axis=-1, initial=0.0)  # (T, E)
    stands = np.zeros(highest.shape, np.bool_)
    likely_for, standing = np.zeros(highest.shape[1:], np.intp), np.zeros(highest.shape[1:], np.bool_)
    for now, probability in enumerate(highest):
        likely_for = np.where(probability >= level, likely_for + 1, 0)
        standing = (likely_for >= _IN_A_ROW) | (standing & (probability >= _CLEAR))
        stands[now] = standing
    return stands


def threshold_alerts(
    values: FloatArray,
    schema: Schema,
    definitions: Sequence[EventDefinition] = EVENT_DEFINITIONS,
    share: float = 0.5,
) -> BoolArray:
    """(T, E) the rule of thumb to beat: alert once the channel is half way to the event's threshold."""
    nearer = [replace(each, threshold=each.threshold * share, event=None) for each in definitions]
    return np.asarray(np.nan_to_num(holding(values, schema, nearer)) > 0)


def recall_at_budget(
    holds: Sequence[FloatArray], alerted: Callable[[float], Sequence[BoolArray]], names: Sequence[str]
) -> dict[str, RecallAtBudget]:
    """The best recall of ``alerted`` over LEVELS with at most one false alarm a day, by event.

    ``alerted`` answers for a level what ``holds`` does, (T, E) for each recording. The level is the best in
    hindsight: it says what the probabilities are worth, not what a threshold chosen in advance would reach.
    """
    result: dict[str, RecallAtBudget] = {}
    hours = {
        name: sum(float(np.isfinite(each[:, column]).sum()) for each in holds) / 3600
        for column, name in enumerate(names)
    }
    for level in LEVELS:
        traces = [AlertTrace(*each) for each in zip(holds, alerted(level), strict=True)]
        for name, found in score_alerts(traces, names).items():
            best = result.get(name, RecallAtBudget(None, found.onsets, 0, 0.0, None, hours[name]))
            if found.false_alarms_per_hour * _DAY_H <= 1 and found.predicted > best.predicted:
                recall = found.predicted / found.onsets
                best = RecallAtBudget(
                    level, found.onsets, found.predicted, recall, found.lead_s, hours[name]
                )
            result[name] = best
    return {name: found for name, found in result.items() if found.onsets}


def score_alerts(traces: Sequence[AlertTrace], names: Sequence[str]) -> dict[str, AlertFigures]:
    """The figures by event, without those that have neither an onset nor an alert."""
    result = {}
    for column, name in enumerate(names):
        leads: list[float | None] = []
        alerts = false_alarms = frames = 0
        for each in traces:
            observed = np.isfinite(each.holds[:, column])
            on, alerted = np.nan_to_num(each.holds[:, column]) > 0, each.alerted[:, column] & observed
            frames += int(observed.sum())
            leads += [_lead(alerted, on, start) for start in _edges(on)]
            for start in _edges(alerted):
                if not on[start]:
                    alerts += 1
                    false_alarms += not on[start : start + _REACH + 1].any()
        known = [lead for lead in leads if lead is not None]
        result[name] = AlertFigures(
            onsets=len(leads),
            predicted=len(known),
            lead_s=float(np.median(known)) if known else None,
            alerts=alerts,
            false_alarms=false_alarms,
            false_alarms_per_hour=false_alarms * 3600 / frames if frames else 0.0,
        )
    return {name: figures for name, figures in result.items() if figures.onsets or figures.alerts}


def _edges(on: BoolArray) -> list[int]:
    """Where it becomes true; what is true from the first frame on has no onset."""
    return [int(at) + 1 for at in np.flatnonzero(on[1:] & ~on[:-1])]


def _lead(alerted: BoolArray, on: BoolArray, start: int) -> float | None:
    """Frames from the first alert, since the event last held and within reach, to its onset."""
    first = max(0, start - _REACH)
    last_time = np.flatnonzero(on[first:start])
    if len(last_time):
        first += int(last_time[-1]) + 1
    before = np.flatnonzero(alerted[first:start])
    return float(start - first - before[0]) if len(before) else None
