# SPDX-License-Identifier: Apache-2.0
"""The two clocks of a machine beside each other: one that only passes, and one that somebody may set."""

import time
from collections.abc import Callable

JUMP_S = 2.0
"""What both clocks may differ by between two looks; more is somebody setting the clock."""
_TRIES = 5
_APART_S = 0.01


def both_clocks(
    monotonic: Callable[[], float] = time.monotonic, wall_ns: Callable[[], int] = time.time_ns
) -> tuple[float, int]:
    """Both clocks at one instant: seconds that only pass, and nanoseconds since the epoch.

    On a busy machine a process may be put aside between two readings, which would look like a jump of one
    clock; so the wall clock is read between two monotonic readings, and the closest of some tries counts.
    """
    tries = []
    for _ in range(_TRIES):
        before, wall, after = monotonic(), wall_ns(), monotonic()
        tries.append((after - before, (before + after) / 2, wall))
        if after - before < _APART_S:
            break
    _, at, wall = min(tries)
    return at, wall


class ClockWatch:
    """Notices when the wall clock was set between two looks."""

    def __init__(self) -> None:
        self._last: tuple[float, int] | None = None

    def jump(self, monotonic_s: float, wall_ns: int) -> float | None:
        """Seconds the wall clock was set forward by since the last look, negative when back; None if not."""
        last, self._last = self._last, (monotonic_s, wall_ns)
        if last is None:
            return None
        by = (wall_ns - last[1]) / 1e9 - (monotonic_s - last[0])
        return by if abs(by) > JUMP_S else None
