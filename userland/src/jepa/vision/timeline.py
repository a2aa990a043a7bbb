# SPDX-License-Identifier: Apache-2.0
"""When each picture of a video is shown, whatever its time stamps do."""

import math

_JUMP_S, _JUMP_PERIODS = 10.0, 20
"""Further ahead than both of these a stamp is a jump."""
_BACK_S, _BACK_PERIODS = 0.5, 4
"""Stamps no further back than one of these are out of order, as those of B-frames in AVI files are."""


class Timeline:
    """Places pictures, in the order they are shown, on one time line that only goes forward.

    Stamps begin anew where recordings were joined, leap when a camera learns the time, and are missing in
    raw streams. A picture whose stamp jumps follows the one before it by a period, and so begins a new
    time line for those after it; it is never left out.
    """

    def __init__(self, period_s: float) -> None:
        """``period_s``: seconds between two pictures where stamps do not say."""
        self.jumps = 0
        """Time lines begun after the first."""
        self._period_s = period_s
        self._furthest_s = max(_JUMP_S, _JUMP_PERIODS * period_s)
        self._back_s = max(_BACK_S, _BACK_PERIODS * period_s)
        self._at_s: float | None = None
        self._offset_s: float | None = None
        """From a stamp to the time line."""

    def place(self, stamp_s: float | None) -> float:
        """Seconds since the first picture at which the next one is shown, more than those before."""
        if stamp_s is not None and not math.isfinite(stamp_s):
            stamp_s = None
        if self._at_s is None:
            self._at_s = 0.0
            self._offset_s = None if stamp_s is None else -stamp_s
            return self._at_s
        step_s = self._period_s
        if stamp_s is not None and self._offset_s is not None:
            stamped_s = stamp_s + self._offset_s - self._at_s
            if 0 < stamped_s <= self._furthest_s:
                step_s = stamped_s
            elif not -self._back_s <= stamped_s <= 0:
                self.jumps += 1
                self._offset_s = None
        self._at_s += step_s
        if stamp_s is not None and self._offset_s is None:
            self._offset_s = self._at_s - stamp_s
        return self._at_s
