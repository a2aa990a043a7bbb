# SPDX-License-Identifier: Apache-2.0
"""The clocks of a machine, and what follows from both: a time that was set, and a suspend."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

JUMP_S = 2.0
"""What the clocks may differ by between two looks; more is somebody setting the clock, or a suspend."""
_TRIES = 5
_APART_S = 0.01


class Clock(Protocol):
    """The two clocks of the machine: one that never jumps, and the one people read."""

    def monotonic(self) -> float:
        """Seconds that only ever pass."""

    def wall_ns(self) -> int:
        """Nanoseconds since the epoch; jumps when somebody sets the clock."""

    def sleep(self, seconds: float) -> None:
        """Return once ``seconds`` have passed, or a little later."""


class SystemClock:
    """The clocks of the kernel."""

    def monotonic(self) -> float:
        """CLOCK_MONOTONIC, in seconds."""
        return time.monotonic()

    def wall_ns(self) -> int:
        """CLOCK_REALTIME, in nanoseconds."""
        return time.time_ns()

    def sleep(self, seconds: float) -> None:
        """Sleep on CLOCK_MONOTONIC."""
        time.sleep(seconds)


class Instant(NamedTuple):
    """One instant on all clocks."""

    monotonic_s: float
    """Seconds that only pass, and only while the machine runs (CLOCK_MONOTONIC)."""
    wall_ns: int
    """Nanoseconds since the epoch, as people read them (CLOCK_REALTIME)."""
    suspended_s: float = 0.0
    """Seconds since boot for which the machine was suspended (CLOCK_BOOTTIME less CLOCK_MONOTONIC)."""


def boot_s() -> float:
    """Seconds since boot, those of a suspended machine included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def read_clocks(
    monotonic: Callable[[], float] = time.monotonic,
    wall_ns: Callable[[], int] = time.time_ns,
    boot: Callable[[], float] = boot_s,
) -> Instant:
    """All clocks at one instant.

    On a busy machine a process may be put aside between two readings, which would look like a jump of one
    clock; so the others are read between two monotonic readings, and the closest of some tries counts.
    """
    tries = []
    for _ in range(_TRIES):
        before, wall, since_boot, after = monotonic(), wall_ns(), boot(), monotonic()
        at = (before + after) / 2
        tries.append((after - before, Instant(at, wall, since_boot - at)))
        if after - before < _APART_S:
            break
    return min(tries)[1]


@dataclass(frozen=True, slots=True)
class ClockChange:
    """What happened to the clocks between two looks."""

    suspended_s: float = 0.0
    """For how long the machine was suspended; 0 when it was not."""
    set_by_s: float = 0.0
    """By how much somebody set the wall clock forward, negative when back; 0 when nobody did."""


class ClockWatch:
    """Notices what happened to the clocks between two looks."""

    def __init__(self) -> None:
        self._last: Instant | None = None

    def look(self, now: Instant) -> ClockChange:
        """What happened since the last look; nothing at the first."""
        last, self._last = self._last, now
        if last is None:
            return ClockChange()
        suspended_s = now.suspended_s - last.suspended_s
        if suspended_s <= JUMP_S:
            suspended_s = 0.0
        passed_s = now.monotonic_s - last.monotonic_s + suspended_s
        set_by_s = (now.wall_ns - last.wall_ns) / 1e9 - passed_s
        return ClockChange(suspended_s, set_by_s if abs(set_by_s) > JUMP_S else 0.0)


def in_words(seconds: float) -> str:
    """``seconds``, not negative, in the one unit that a person would use, such as ``2 h``."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if round(seconds) >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
