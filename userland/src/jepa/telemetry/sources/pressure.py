# SPDX-License-Identifier: Apache-2.0
"""Pressure stall shares, from the microsecond totals in /proc/pressure."""

from dataclasses import dataclass
from pathlib import Path

from jepa.telemetry.sources.base import KernelFile, Previous, Reading, count, grown, why

_CHANNELS = {
    "cpu": {"some": "system.pressure.cpu.some"},
    "memory": {"some": "system.pressure.memory.some", "full": "system.pressure.memory.full"},
    "io": {"some": "system.pressure.io.some", "full": "system.pressure.io.full"},
}


@dataclass(frozen=True, slots=True)
class PressureSample:
    """Stalled time since boot in microseconds. The kernel brings the totals up to date at each read."""

    some: int | None = None
    full: int | None = None


def parse_pressure(content: bytes) -> PressureSample:
    """Read one pressure file; what is missing or malformed is None."""
    found: dict[str, int | None] = {}
    for line in content.splitlines():
        kind, _, rest = line.partition(b" ")
        _, label, total = rest.rpartition(b"total=")
        if label and kind in (b"some", b"full"):
            found[kind.decode()] = count(total.strip())
    return PressureSample(**found)


def share(before: int | None, after: int | None, seconds: float) -> float | None:
    """Percent of ``seconds`` that was stalled between two totals."""
    stalled = grown(before, after)
    return None if stalled is None else min(100.0, stalled / (seconds * 10_000))


class PressureSource:
    """Reads /proc/pressure/{cpu,memory,io} below ``root``."""

    name = "pressure"

    def __init__(self, root: Path) -> None:
        self._files = {kind: KernelFile(root / "proc/pressure" / kind) for kind in _CHANNELS}
        self._previous: dict[str, Previous[PressureSample]] = {kind: Previous() for kind in _CHANNELS}

    def read(self, now: float) -> Reading:
        """Stalled shares since the last call."""
        values: dict[str, float] = {}
        reasons: list[str] = []
        for kind, file in self._files.items():
            try:
                sample = parse_pressure(file.read())
            except OSError as error:
                reasons.append(why(file.path, error))
                continue
            before = self._previous[kind].swap(sample, now)
            if before is None:
                continue
            for field, channel in _CHANNELS[kind].items():
                stalled = share(getattr(before[0], field), getattr(sample, field), before[1])
                if stalled is not None:
                    values[channel] = stalled
        return Reading(values, "; ".join(reasons))

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()
