# SPDX-License-Identifier: Apache-2.0
"""When frames are taken: one a period, on a grid that does not drift."""

import math
from collections.abc import Iterator

from jepa.telemetry.clocks import Clock, SystemClock
from jepa.telemetry.frame import Frame
from jepa.telemetry.frame_source import FrameSource


class Grid:
    """Instants that are whole periods after the first.

    Sleeping until an absolute instant keeps a loop from drifting. A period that passed, because the machine
    was too busy, is counted in ``missed`` and never made up for: late frames do not come in a bunch.
    """

    def __init__(self, period_s: float) -> None:
        if period_s <= 0:
            raise ValueError(f"a period of {period_s} s")
        self.period_s = period_s
        self.missed = 0
        """Periods that passed without a frame."""
        self._start: float | None = None
        self._taken = -1

    def next(self, now: float) -> float:
        """Seconds from ``now`` to the next instant that is due, 0 when that has passed already."""
        if self._start is None:
            self._start = now
        period = self._taken + 1
        due = self._start + period * self.period_s
        if due <= now:
            latest = math.floor((now - self._start) / self.period_s)
            self.missed += max(0, latest - period)
            period = max(period, latest)
        self._taken = period
        return max(0.0, due - now)


class Sampler:
    """Gives one frame a period, on a grid that does not drift."""

    def __init__(self, source: FrameSource, period_s: float = 1.0, clock: Clock | None = None) -> None:
        self.source = source
        self._grid = Grid(period_s)
        self._clock = clock or SystemClock()

    @property
    def missed(self) -> int:
        """Periods that passed without a frame."""
        return self._grid.missed

    def __iter__(self) -> Iterator[Frame]:
        """Frames without end."""
        while True:
            yield self.next()

    def next(self) -> Frame:
        """Sleep until the next instant of the grid and read a frame there."""
        if delay := self._grid.next(self._clock.monotonic()):
            self._clock.sleep(delay)
        return self.source.read()
