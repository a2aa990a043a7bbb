# SPDX-License-Identifier: Apache-2.0
"""Judges a signal by what was read of it lately: fresh, of this world, and alive."""

import math
from typing import Final

from jepa.signals.signal import SignalReading, State

STALE_S: Final = 10.0
"""A value is taken for the present one that long, while its source is there and says nothing new."""
FAILURES: Final = 3
"""Readings in a row that fail until a source is out of reach."""
CONSTANT_S: Final = 60.0
"""What measures something that lives does not stay the same to the last digit for so long."""
CONSTANT_READINGS: Final = 20
"""Within that time, at least."""
LARGEST: Final = 1e15
"""Nothing that a person would steer by is so large."""


class Record:
    """What was read of one signal. For one thread at a time."""

    def __init__(self, least: float | None = None) -> None:
        """``least`` is what its values cannot fall below by their nature; None where nothing is known."""
        self._least = least
        self._newest: tuple[float, float] | None = None
        self._same: tuple[float, int] | None = None
        """Since when the value has been what it is, and how often it was read so."""
        self._problem: tuple[State, str] | None = None
        self._failures = 0

    def add(self, at_s: float, value: float) -> None:
        """A value was read."""
        if self._newest is not None and self._newest[1] == value and self._same is not None:
            self._same = self._same[0], self._same[1] + 1
        else:
            self._same = at_s, 1
        self._newest = at_s, value
        self._problem = None
        self._failures = 0

    def fail(self, state: State, reason: str) -> None:
        """Nothing was read: ``stale`` where the source says nothing new, else ``unreachable``."""
        self._problem = state, reason
        self._failures = self._failures + 1 if state == "unreachable" else 0

    def reading(self, now_s: float) -> SignalReading:
        """What that comes to; a failure or two between values are none."""
        if self._newest is None:
            state, reason = self._problem or ("stale", "nothing was read yet")
            return SignalReading(state, None, reason)
        at_s, value = self._newest
        shown = value if math.isfinite(value) else None
        if self._problem is not None and self._failures >= FAILURES:
            return SignalReading("unreachable", shown, self._problem[1])
        if now_s - at_s > STALE_S:
            state, reason = self._problem or ("stale", "its source does not answer")
            return SignalReading(state, shown, f"{reason}, for {now_s - at_s:.0f} s")
        if shown is None:
            return SignalReading("absurd", None, f"it is {value}, which is no number")
        if abs(value) >= LARGEST:
            return SignalReading("absurd", value, f"{value:g} is no measurement")
        if self._least is not None and value < self._least:
            return SignalReading("absurd", value, f"{value:g} is less than it can be")
        if self._same is not None:
            since_s, times = self._same
            if at_s - since_s >= CONSTANT_S and times >= CONSTANT_READINGS:
                return SignalReading("constant", value, f"it has been {value:g} for {at_s - since_s:.0f} s")
        return SignalReading("ok", value)
