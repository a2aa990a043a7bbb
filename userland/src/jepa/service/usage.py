# SPDX-License-Identifier: Apache-2.0
"""What this process itself uses, and how long its ticks take."""

import os
import resource
import time
from collections import deque
from pathlib import Path

TICK_BUCKETS_MS = (0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 1000.0)
"""Upper bounds of the tick histogram; 10 ms is the p99 a loaded two-core machine must keep."""


class Usage:
    """CPU time and memory of this process since the object was made."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._cpu_at_start = time.process_time()

    @property
    def uptime_s(self) -> float:
        """Seconds since the start, on a clock that never jumps."""
        return time.monotonic() - self._start

    @property
    def cpu_s(self) -> float:
        """Seconds of CPU time the whole process has used, its start included."""
        return time.process_time()

    @property
    def cpu_percent(self) -> float:
        """CPU time since the start, in percent of one core."""
        return 100.0 * (time.process_time() - self._cpu_at_start) / max(self.uptime_s, 1e-3)

    @property
    def rss_mib(self) -> float:
        """Resident memory in MiB; the peak where /proc is not mounted."""
        try:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
        except (OSError, IndexError, ValueError):
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


class TickTimes:
    """How long ticks take: exact quantiles of the last ten minutes, a histogram since the start."""

    def __init__(self, window: int = 600) -> None:
        self.count = 0
        self.sum_ms = 0.0
        self.buckets = [0] * len(TICK_BUCKETS_MS)
        """Cumulative counts, one for each bound of TICK_BUCKETS_MS."""
        self._recent: deque[float] = deque(maxlen=window)

    def add(self, elapsed_ms: float) -> None:
        """Count one tick."""
        self.count += 1
        self.sum_ms += elapsed_ms
        self._recent.append(elapsed_ms)
        for position, bound in enumerate(TICK_BUCKETS_MS):
            self.buckets[position] += elapsed_ms <= bound

    def quantile(self, share: float) -> float | None:
        """The ``share`` quantile (0..1) of recent ticks in ms, by nearest rank; None before the first."""
        ordered = sorted(self._recent.copy())
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None
