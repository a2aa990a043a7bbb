# SPDX-License-Identifier: Apache-2.0
"""Predicts what runs out long after the model's horizons: leaks, disks that fill.

Means over 15 s of half an hour at most; where a straight line explains them, it is drawn on to the limit,
but no further ahead than a dozen times as long as it was seen.

Most of what grows stops in time: a cache is cleaned, a download ends. So the level at which growth turned
is remembered, and what is below it again is no news; and an alert that was false is followed by none within
a day (`jepa.world.alert_budget`).
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from jepa.telemetry.events.event import Event
from jepa.telemetry.frame import Frame
from jepa.telemetry.schema import Schema
from jepa.world.alert_budget import Ledger

SOURCE = "model"
_BLOCK_S = 15
_LENGTHS = range(20, 129, 4)
"""Blocks that a line is looked for in; the newest few must lie on one, else it has ended."""
_EXPLAINED = 0.9
"""Share of the variance that the line must explain: a single step leaves a quarter unexplained."""
_AHEAD = 12
_GAP_NS = 60_000_000_000
"""Frames further apart, as after a suspend, have nothing to do with each other."""
_TURNED = 0.25
"""Share of its growth that a channel must lose to have turned."""
_BEYOND = 0.1
"""Share of the way from where it turned to the limit that growth must pass to be news again."""
_REMEMBERED_NS = 14 * 86_400_000_000_000
"""How long it is remembered where growth turned."""
_PATIENCE = 2.0
"""An alert is false when the limit is not reached within so many times the time that it named."""


@dataclass(frozen=True, slots=True)
class Exhaustible:
    """A channel that should not reach ``limit``."""

    kind: str
    """The kind of its alerts."""
    name: str
    channel: str
    limit: float


EXHAUSTIBLE: Final = (
    Exhaustible("memory_exhaustion", "memory", "system.memory.utilization", 95.0),
    Exhaustible("disk_exhaustion", "disk", "system.filesystem.utilization", 95.0),
    Exhaustible("swap_exhaustion", "swap", "system.paging.utilization", 90.0),
)


@dataclass(frozen=True, slots=True)
class Trend:
    """A line through what was seen of a channel."""

    rate: float
    """The channel's units a second, above 0."""
    seen_s: float
    left_s: float
    """Until the limit, at that rate."""


def find_trend(blocks: Sequence[float], limit: float, least: float) -> Trend | None:
    """The longest line at the end of ``blocks``, each the mean of 15 s, if it leads to ``limit``; else None.

    Growth below ``least`` units in all that was seen is none.
    """
    found = None
    for length in _LENGTHS:
        if len(blocks) < length:
            break
        longer = _line(list(blocks)[-length:], limit, least)
        if longer is None and found is None:
            return None
        found = longer or found
    return found if found is not None and found.left_s <= _AHEAD * found.seen_s else None


def _line(blocks: Sequence[float], limit: float, least: float) -> Trend | None:
    if blocks[-1] >= limit:
        return None
    values = np.asarray(blocks, np.float64)
    time = np.arange(len(values)) * _BLOCK_S
    rate, start = np.polyfit(time, values, 1)
    spread = float(np.var(values))
    seen_s = float(time[-1])
    if rate * seen_s < least or spread == 0:
        return None
    if np.var(values - (start + rate * time)) > (1 - _EXPLAINED) * spread:
        return None
    left_s = (limit - float(values[-1])) / float(rate)
    return Trend(float(rate), seen_s, left_s)


@dataclass(slots=True)
class TrendRecord:
    """What outlives a restart of one watched channel."""

    ledger: Ledger = field(default_factory=Ledger)
    deadline_ns: int | None = None
    """By when the limit must be reached for the open alert to be right."""
    turned_at: float | None = None
    """The highest level at which growth is known to turn, in the channel's units."""
    turned_ns: int = 0


class Growth:
    """Follows one channel: where its growth turns, and what an alert about it came to."""

    def __init__(self, limit: float, least: float, record: TrendRecord | None = None) -> None:
        """Growth below ``least`` units is none."""
        self.record = record or TrendRecord()
        self._limit, self._least = limit, least
        self._low = self._high = float("nan")

    def push(self, value: float, ts_ns: int) -> None:
        """Take the next mean."""
        record = self.record
        if record.turned_at is not None and not 0 <= ts_ns - record.turned_ns <= _REMEMBERED_NS:
            record.turned_at = None
        turned = self._follow(value)
        if turned is not None and turned < self._limit:
            record.turned_at = max(turned, record.turned_at or 0.0)
            record.turned_ns = ts_ns
        if value >= self._limit:
            record.ledger.settle(right=True)
        elif turned is not None or (record.deadline_ns is not None and ts_ns > record.deadline_ns):
            record.ledger.settle(right=False)
        if record.ledger.open_ns is None:
            record.deadline_ns = None

    def may_raise(self, value: float, ts_ns: int) -> bool:
        """Whether growth that has come to ``value`` is news, and within the budget."""
        turned = self.record.turned_at
        known = turned is not None and value <= turned + max(self._least, _BEYOND * (self._limit - turned))
        return not known and self.record.ledger.may_raise(ts_ns)

    def note(self, ts_ns: int, left_s: float) -> None:
        """Note that an alert is raised, which names ``left_s``."""
        self.record.ledger.note(ts_ns)
        self.record.deadline_ns = ts_ns + int(_PATIENCE * left_s * 1e9)

    def _follow(self, value: float) -> float | None:
        """The level from which growth has turned with this value; None where it has not."""
        grown = self._high - self._low
        if grown >= self._least and self._high - value >= _TURNED * grown:
            turned, self._low, self._high = self._high, value, value
            # Less is noise on the way up, and knowing it would hide a leak.
            return turned if grown >= _BEYOND * (self._limit - turned) else None
        if not value >= self._low:  # also at the first one
            self._low = self._high = value
        self._high = max(self._high, value)
        return None


class Trends:
    """Watches what can run out. One call a frame; after a gap in time lines begin anew."""

    def __init__(
        self,
        schema: Schema,
        records: Mapping[str, TrendRecord] | None = None,
        watched: Sequence[Exhaustible] = EXHAUSTIBLE,
    ) -> None:
        """``records`` are those of an earlier process, by kind."""
        known = records or {}
        self._watched = [(each, schema.index(each.channel)) for each in watched]
        self._least = {each.name: 4 * schema.channels[column].noise_floor for each, column in self._watched}
        self._growth = {
            each.name: Growth(each.limit, self._least[each.name], known.get(each.kind)) for each in watched
        }
        self._now: dict[str, list[float]] = {each.name: [] for each in watched}
        self._blocks: dict[str, deque[float]] = {each.name: deque(maxlen=_LENGTHS[-1]) for each in watched}
        self._told: set[str] = set()
        self._last_ns = self._block = 0

    def push(self, frame: Frame) -> list[Event]:
        """Take a frame; the alerts that it gives reason for, most often none."""
        block = frame.ts_ns // (_BLOCK_S * 1_000_000_000)
        events: list[Event] = []
        if not 0 <= frame.ts_ns - self._last_ns <= _GAP_NS:
            self._begin_anew()
        elif block != self._block:
            events = [event for each, _ in self._watched for event in self._close(each, frame.ts_ns)]
        self._last_ns, self._block = frame.ts_ns, block
        for each, column in self._watched:
            if frame.valid[column]:
                self._now[each.name].append(float(frame.values[column]))
        return events

    def records(self) -> dict[str, TrendRecord]:
        """What is to outlive this process, by kind."""
        return {each.kind: self._growth[each.name].record for each, _ in self._watched}

    def _begin_anew(self) -> None:
        self._told.clear()
        for name, blocks in self._blocks.items():
            blocks.clear()
            self._now[name].clear()

    def _close(self, each: Exhaustible, ts_ns: int) -> list[Event]:
        values, blocks = self._now[each.name], self._blocks[each.name]
        if not values:
            blocks.clear()
            return []
        mean = sum(values) / len(values)
        blocks.append(mean)
        values.clear()
        growth = self._growth[each.name]
        growth.push(mean, ts_ns)
        trend = find_trend(blocks, each.limit, self._least[each.name])
        if trend is None:
            self._told.discard(each.name)
            return []
        if each.name in self._told or not growth.may_raise(mean, ts_ns):
            return []
        self._told.add(each.name)
        growth.note(ts_ns, trend.left_s)
        detail = (
            f"{each.name} reaches {each.limit:.0f} % in about {_duration(trend.left_s)}: "
            f"it grew by {trend.rate * 60:.2g} % a minute for {_duration(trend.seen_s)}"
        )
        return [Event(ts_ns, "event_predicted", each.kind, detail, "warning", SOURCE)]


def _duration(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"
