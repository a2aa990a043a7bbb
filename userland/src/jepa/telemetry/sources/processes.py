# SPDX-License-Identifier: Apache-2.0
"""How many processes and threads there are, from one listing of /proc and /proc/loadavg."""

import os
from pathlib import Path

from jepa.telemetry.sources.base import KernelFile, Reading, count, why


def parse_threads(content: bytes) -> int | None:
    """The number of threads in /proc/loadavg, whose fourth field is runnable/all."""
    fields = content.split()
    return count(fields[3].partition(b"/")[2]) if len(fields) > 3 else None


class ProcessSource:
    """Lists /proc below ``root``."""

    name = "processes"

    def __init__(self, root: Path) -> None:
        self._proc = root / "proc"
        self._load = KernelFile(self._proc / "loadavg")

    def read(self, now: float) -> Reading:
        """Processes and threads now."""
        values: dict[str, float] = {}
        try:
            with os.scandir(self._proc) as entries:
                values["system.process.count"] = sum(entry.name.isdecimal() for entry in entries)
            threads = parse_threads(self._load.read())
        except OSError as error:
            return Reading(values, why(Path(error.filename or self._load.path), error))
        if threads is not None:
            values["system.process.threads"] = threads
        return Reading(values)

    def close(self) -> None:
        """Close the file."""
        self._load.close()
