# SPDX-License-Identifier: Apache-2.0
"""Predicts what runs out long after the model's horizons: leaks, disks that fill.

Means over 15 s of half an hour at most; where a straight line explains them, it is drawn on to the limit,
but no further ahead than a dozen times as long as it was seen.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from jepa.telemetry.events.event import Event
from jepa.telemetry.frame import Frame
from jepa.telemetry.schema import Schema

SOURCE = "model"
_BLOCK_S = 15
_LENGTHS = range(20, 129, 4)
"""Blocks that a line is looked for in; the newest few must lie on one, else it has ended."""
_EXPLAINED = 0.9
"""Share of the variance that the line must explain: a single step leaves a quarter unexplained."""
_AHEAD = 12
_GAP_NS = 60_000_000_000
"""Frames further apart, as after a suspend, have nothing to do with each other."""


@dataclass(frozen=True, slots=True)
class Exhaustible:
    """A channel that should not reach ``limit``."""

    name: str
    channel: str
    limit: float


EXHAUSTIBLE: Final = (
    Exhaustible("memory", "system.memory.utilization", 95.0),
    Exhaustible("disk", "system.filesystem.utilization", 95.0),
    Exhaustible("swap", "system.paging.utilization", 90.0),
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


class Trends:
    """Watches what can run out. One call a frame; after a gap in time it begins anew."""

    def __init__(self, schema: Schema, watched: Sequence[Exhaustible] = EXHAUSTIBLE) -> None:
        self._watched = [(each, schema.index(each.channel)) for each in watched]
        self._floor = {each.name: schema.channels[column].noise_floor for each, column in self._watched}
        self._now: dict[str, list[float]] = {each.name: [] for each in watched}
        self._blocks: dict[str, deque[float]] = {each.name: deque(maxlen=_LENGTHS[-1]) for each in watched}
        self._told: set[str] = set()
        self._last_ns = self._block = 0

    def push(self, frame: Frame) -> list[Event]:
        """Take a frame; what it gives reason to tell, most often nothing."""
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
        blocks.append(sum(values) / len(values))
        values.clear()
        trend = find_trend(blocks, each.limit, 4 * self._floor[each.name])
        if trend is None:
            self._told.discard(each.name)
            return []
        if each.name in self._told:
            return []
        self._told.add(each.name)
        detail = (
            f"{each.name} reaches {each.limit:.0f} % in about {_duration(trend.left_s)}: "
            f"it grew by {trend.rate * 60:.2g} % a minute for {_duration(trend.seen_s)}"
        )
        return [Event(ts_ns, "event_predicted", None, detail, "warning", SOURCE)]


def _duration(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"
