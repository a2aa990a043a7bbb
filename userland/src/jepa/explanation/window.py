# SPDX-License-Identifier: Apache-2.0
"""The frames of the last minutes: what a channel is now, what is usual for it, along which line it goes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from jepa.healing.recent_numbers import LeastSquares, Line
from jepa.telemetry.frame import FloatArray, Frame
from jepa.telemetry.schema import Channel, Schema

NOW_S: Final = 5.0
"""What a channel is now is the mean of so many seconds: one frame may catch a burst."""
EARLIER_S: Final = 20.0
"""What is usual is of frames older than this."""
_FEW: Final = 20
"""Fewer readings than this say nothing of what is usual."""


@dataclass(frozen=True)
class FrameWindow:
    """Frames in the order of time; the newest is what is explained."""

    schema: Schema
    frames: Sequence[Frame] = ()

    @property
    def at_ns(self) -> int:
        """Wall-clock time of the newest frame; 0 without one."""
        return self.frames[-1].ts_ns if self.frames else 0

    @property
    def over_s(self) -> float:
        """Seconds from the oldest to the newest frame."""
        return (self.at_ns - self.frames[0].ts_ns) / 1e9 if self.frames else 0.0

    @cached_property
    def _columns(self) -> dict[str, int]:
        return {name: column for column, name in enumerate(self.schema.names)}

    def channel(self, name: str) -> Channel | None:
        """The channel ``name``; None when the schema has none."""
        column = self._columns.get(name)
        return None if column is None else self.schema.channels[column]

    def now(self, name: str) -> float | None:
        """The mean of the newest seconds; None when it was not observed."""
        values = [value for age, value in self._readings(name) if age <= NOW_S]
        return float(np.mean(values)) if values else None

    def usual(self, name: str) -> tuple[float, float] | None:
        """The 5 % and 95 % quantile of what came earlier; None when too little is known."""
        earlier = self._earlier(name)
        if len(earlier) < _FEW:
            return None
        low, high = np.quantile(earlier, (0.05, 0.95))
        return float(low), float(high)

    def typical(self, name: str) -> float | None:
        """The median of what came earlier; None when too little is known."""
        earlier = self._earlier(name)
        return float(np.median(earlier)) if len(earlier) >= _FEW else None

    def line(self, name: str, over_s: float) -> Line | None:
        """The straight line through the last ``over_s`` seconds, per second; None with too few readings."""
        trend = LeastSquares(over_s)
        for age, value in self._readings(name):
            trend.push(-age, value)
        return trend.line()

    def _earlier(self, name: str) -> FloatArray:
        return np.array([value for age, value in self._readings(name) if age > EARLIER_S], np.float32)

    def _readings(self, name: str) -> Iterator[tuple[float, float]]:
        """Age in seconds and value of each reading, the oldest first."""
        column = self._columns.get(name)
        if column is None:
            return
        for frame in self.frames:
            if frame.valid[column]:
                yield (self.at_ns - frame.ts_ns) / 1e9, float(frame.values[column])
