# SPDX-License-Identifier: Apache-2.0
"""Scores alerts of events against their onsets: recall, lead time and false alarms.

Each recording is counted by itself; figures are made of the sum of the counts, wherever they were made.
"""

from collections.abc import Iterable, Mapping, Sequence
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
class AlertCounts:
    """What alerts of one event come to, in some recordings."""

    onsets: int = 0
    leads: tuple[int, ...] = (0,) * (_REACH + 1)
    """Of the onsets predicted, how many were so many frames ahead."""
    alerts: int = 0
    false_alarms: int = 0
    frames: int = 0
    """In which it could be observed whether the event held."""

    def __add__(self, other: "AlertCounts") -> "AlertCounts":
        return AlertCounts(
            self.onsets + other.onsets,
            tuple(one + another for one, another in zip(self.leads, other.leads, strict=True)),
            self.alerts + other.alerts,
            self.false_alarms + other.false_alarms,
            self.frames + other.frames,
        )

    def figures(self) -> "AlertFigures":
        """What they say."""
        predicted = sum(self.leads)
        leads = np.repeat(np.arange(len(self.leads)), self.leads)
        return AlertFigures(
            onsets=self.onsets,
            predicted=predicted,
            lead_s=float(np.median(leads)) if predicted else None,
            alerts=self.alerts,
            false_alarms=self.false_alarms,
            false_alarms_per_hour=self.false_alarms * 3600 / self.frames if self.frames else 0.0,
        )


Counts = Mapping[str, AlertCounts]
"""By event."""
CountsByLevel = Mapping[float, Counts]
"""By the level from which alerts were raised."""


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


def recall_at_budget(counts: CountsByLevel) -> dict[str, RecallAtBudget]:
    """The best recall over the levels with at most one false alarm a day, by event.

    The level is the best in hindsight: it says what the probabilities are worth, not what a threshold chosen
    in advance would reach.
    """
    result: dict[str, RecallAtBudget] = {}
    for level, by_event in counts.items():
        for name, counted in by_event.items():
            found = counted.figures()
            if not found.onsets:
                continue
            best = result.get(name, RecallAtBudget(None, found.onsets, 0, 0.0, None, counted.frames / 3600))
            if found.false_alarms_per_hour * _DAY_H <= 1 and found.predicted > best.predicted:
                recall = found.predicted / found.onsets
                best = replace(
                    best, level=level, predicted=found.predicted, recall=recall, lead_s=found.lead_s
                )
            result[name] = best
    return result


def score_alerts(traces: Sequence[AlertTrace], names: Sequence[str]) -> dict[str, AlertFigures]:
    """The figures by event, without those that have neither an onset nor an alert."""
    return figures_of(total(count_alerts(each, names) for each in traces))


def figures_of(counts: Counts) -> dict[str, AlertFigures]:
    """Those of the events that have an onset or an alert."""
    return {name: each.figures() for name, each in counts.items() if each.onsets or each.alerts}


def total(parts: Iterable[Counts]) -> dict[str, AlertCounts]:
    """The counts of several recordings together."""
    result: dict[str, AlertCounts] = {}
    for part in parts:
        for name, counts in part.items():
            result[name] = result.get(name, AlertCounts()) + counts
    return result


def count_alerts(trace: AlertTrace, names: Sequence[str]) -> dict[str, AlertCounts]:
    """What the alerts of one recording come to, by event."""
    result = {}
    for column, name in enumerate(names):
        observed = np.isfinite(trace.holds[:, column])
        on, alerted = np.nan_to_num(trace.holds[:, column]) > 0, trace.alerted[:, column] & observed
        onsets = _edges(on)
        known = [lead for start in onsets if (lead := _lead(alerted, on, start)) is not None]
        raised = [start for start in _edges(alerted) if not on[start]]
        result[name] = AlertCounts(
            len(onsets),
            tuple(np.bincount(known, minlength=_REACH + 1).tolist()) if known else (0,) * (_REACH + 1),
            len(raised),
            sum(not on[start : start + _REACH + 1].any() for start in raised),
            int(observed.sum()),
        )
    return result


def _edges(on: BoolArray) -> list[int]:
    """Where it becomes true; what is true from the first frame on has no onset."""
    return [int(at) + 1 for at in np.flatnonzero(on[1:] & ~on[:-1])]


def _lead(alerted: BoolArray, on: BoolArray, start: int) -> int | None:
    """Frames from the first alert, since the event last held and within reach, to its onset."""
    first = max(0, start - _REACH)
    last_time = np.flatnonzero(on[first:start])
    if len(last_time):
        first += int(last_time[-1]) + 1
    before = np.flatnonzero(alerted[first:start])
    return int(start - first - before[0]) if len(before) else None
