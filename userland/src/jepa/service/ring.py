# SPDX-License-Identifier: Apache-2.0
"""The newest frames in memory, with what was forecast from each."""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from jepa.service.history import contiguous_tail
from jepa.telemetry.frame import Frame
from jepa.telemetry.histogram import Histogram
from jepa.world.forecast import Tick

RING_FRAMES = 600
"""Frames kept in memory: ten minutes at 1 Hz."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One frame, the tick it gave, and what was counted since the frame before."""

    sequence: int
    frame: Frame
    tick: Tick | None
    histograms: tuple[Histogram, ...] = ()


class Ring:
    """The newest ``RING_FRAMES`` entries; may be used from several threads."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=RING_FRAMES)
        self._changed = threading.Condition()
        self._taken = 0

    @property
    def taken(self) -> int:
        """Frames taken since the start, without those restored."""
        return self._taken

    @property
    def next_sequence(self) -> int:
        """The number of the next frame."""
        with self._changed:
            return self._entries[-1].sequence + 1 if self._entries else 0

    def restore(self, frames: Sequence[Frame]) -> None:
        """Begin with frames of an earlier run, oldest first, without forecasts."""
        with self._changed:
            self._entries.extend(Entry(sequence, frame, None) for sequence, frame in enumerate(frames))

    def append(self, entry: Entry) -> None:
        """Add the newest entry, and wake whoever waits for frames."""
        with self._changed:
            self._entries.append(entry)
            self._taken += 1
            self._changed.notify_all()

    def newest(self, limit: int = RING_FRAMES) -> list[Entry]:
        """The newest ``limit`` entries, oldest first."""
        with self._changed:
            entries = list(self._entries)
        return entries[len(entries) - min(limit, len(entries)) :]

    def contiguous(self, count: int) -> Sequence[tuple[int, Frame]]:
        """Of the newest ``count`` frames those without a gap to the last, with their numbers."""
        entries = self.newest(count)
        kept = len(contiguous_tail([entry.frame for entry in entries]))
        return [(entry.sequence, entry.frame) for entry in entries[len(entries) - kept :]]

    def wait(self, count: int, timeout_s: float) -> bool:
        """Whether ``count`` frames were taken since the start, after at most ``timeout_s`` of waiting."""
        with self._changed:
            return self._changed.wait_for(lambda: self._taken >= count, timeout_s)
