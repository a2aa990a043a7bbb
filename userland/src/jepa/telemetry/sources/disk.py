# SPDX-License-Identifier: Apache-2.0
"""Disk throughput, use, waiting time and queue, from /proc/diskstats."""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from jepa.telemetry.sources.base import KernelFile, Previous, Reading, at, why


@dataclass(frozen=True, slots=True)
class DiskSample:
    """Counters of one disk since it appeared; sectors are 512 bytes, times are milliseconds."""

    reads: int
    sectors_read: int
    read_ms: int
    writes: int
    sectors_written: int
    write_ms: int
    busy_ms: int
    queue_ms: int


_COLUMNS = (3, 5, 6, 7, 9, 10, 12, 13)


def parse_diskstats(content: bytes) -> dict[str, DiskSample]:
    """Read /proc/diskstats; a line that is short or malformed is left out."""
    disks: dict[str, DiskSample] = {}
    for line in content.splitlines():
        columns = line.split()
        numbers = [at(columns, position) for position in _COLUMNS]
        known = [number for number in numbers if number is not None]
        if len(known) == len(_COLUMNS):
            disks[columns[2].decode("utf-8", "replace")] = DiskSample(*known)
    return disks


def derive(
    before: Mapping[str, DiskSample], after: Mapping[str, DiskSample], seconds: float
) -> dict[str, float]:
    """Totals over the disks that both samples have and whose counters did not fall."""
    changes = [
        change
        for name, sample in after.items()
        if name in before and (change := _change(before[name], sample)) is not None
    ]
    if not changes:
        return {}
    operations = sum(change.reads + change.writes for change in changes)
    values = {
        "system.disk.io.read": sum(change.sectors_read for change in changes) / 2 / seconds,
        "system.disk.io.write": sum(change.sectors_written for change in changes) / 2 / seconds,
        "system.disk.operations.read": sum(change.reads for change in changes) / seconds,
        "system.disk.operations.write": sum(change.writes for change in changes) / seconds,
        "system.disk.utilization": min(100.0, max(change.busy_ms for change in changes) / (10 * seconds)),
        "system.disk.queue": sum(change.queue_ms for change in changes) / (1000 * seconds),
    }
    if operations:
        values["system.disk.wait"] = sum(change.read_ms + change.write_ms for change in changes) / operations
    return values


def _change(before: DiskSample, after: DiskSample) -> DiskSample | None:
    rises = [getattr(after, field.name) - getattr(before, field.name) for field in fields(DiskSample)]
    return None if min(rises) < 0 else DiskSample(*rises)


def real_disks(block: Path, names: Collection[str]) -> frozenset[str]:
    """Those of ``names`` that are whole disks with hardware (or a hypervisor) behind them.

    Partitions have no entry of their own in /sys/block; loop, zram, device-mapper and md devices live below
    ``virtual/block`` and would count the same bytes twice.
    """
    return frozenset(name for name in names if _is_real(block / name))


def _is_real(entry: Path) -> bool:
    try:
        return "/virtual/block/" not in str(entry.readlink())
    except OSError:
        return entry.is_dir()


class DiskSource:
    """Reads /proc/diskstats and /sys/block below ``root``."""

    name = "disk"

    def __init__(self, root: Path) -> None:
        self._file = KernelFile(root / "proc/diskstats")
        self._block = root / "sys/block"
        self._previous: Previous[dict[str, DiskSample]] = Previous()
        self._seen: frozenset[str] = frozenset()
        self._real: frozenset[str] = frozenset()

    def read(self, now: float) -> Reading:
        """Throughput, use, wait and queue since the last call."""
        try:
            disks = parse_diskstats(self._file.read())
        except OSError as error:
            return Reading({}, why(self._file.path, error))
        if disks.keys() != self._seen:
            self._seen = frozenset(disks)
            self._real = real_disks(self._block, self._seen)
        sample = {name: disk for name, disk in disks.items() if name in self._real}
        before = self._previous.swap(sample, now)
        values = {} if before is None else derive(before[0], sample, before[1])
        return Reading(values, "" if sample else f"no disk in {self._block}{os.sep}")

    def close(self) -> None:
        """Close the file."""
        self._file.close()
