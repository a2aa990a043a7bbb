# SPDX-License-Identifier: Apache-2.0
"""What the collector itself costs: its CPU time and memory, so that a watcher is watched too."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from jepa.telemetry.sources.base import KernelFile, Previous, Reading, at, why

_PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / 2**20


class OwnSource:
    """Reads this process's CPU time in seconds from ``cpu_s``, and /proc/self/statm below ``root``."""

    name = "own"

    def __init__(self, root: Path, cpu_s: Callable[[], float] = time.process_time) -> None:
        self._cpu_s = cpu_s
        self._memory = KernelFile(root / "proc/self/statm")
        self._previous: Previous[float] = Previous()

    def read(self, now: float) -> Reading:
        """CPU in percent of one core since the last call, and resident memory in MiB."""
        values: dict[str, float] = {}
        used = self._cpu_s()
        before = self._previous.swap(used, now)
        if before is not None:
            values["jepa.telemetry.cpu"] = 100 * (used - before[0]) / before[1]
        try:
            pages = at(self._memory.read().split(), 1)
        except OSError as error:
            return Reading(values, why(self._memory.path, error))
        if pages is not None:
            values["jepa.telemetry.memory"] = pages * _PAGE_MIB
        return Reading(values)

    def close(self) -> None:
        """Close the file."""
        self._memory.close()
