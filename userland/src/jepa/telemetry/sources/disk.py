# SPDX-License-Identifier: Apache-2.0
"""Disk throughput, use, waiting time and queue, from /proc/diskstats."""

import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from jepa.telemetry.sources.base import Reading, at, why
from jepa.telemetry.sources.devices import DeviceCounters


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


_WRAPPING = ("read_ms", "write_ms", "busy_ms", "queue_ms")
"""The kernel keeps times of devices in 32 bits: the queue's are used up in hours on a busy disk."""
_NUMBERS = (0, 2, 3, 4, 6, 7, 9, 10)
_LEAST_NUMBERS = 11
_PATH = re.compile(r"(nvme\d+)c\d+(n\d+)")
"""One of the ways to a disk, such as nvme0c1n1 to nvme0n1."""


def parse_diskstats(content: bytes) -> dict[str, DiskSample]:
    """Read /proc/diskstats; a line that is short or malformed is left out."""
    disks: dict[str, DiskSample] = {}
    for line in content.splitlines():
        words = line.split()
        start = 3
        while start < len(words) and not words[start].isdigit():
            start += 1  # a name with spaces
        if len(words) - start < _LEAST_NUMBERS:
            continue
        numbers = [at(words, start + position) for position in _NUMBERS]
        known = [number for number in numbers if number is not None]
        if len(known) == len(_NUMBERS):
            name = words[2] if start == 3 else b" ".join(words[2:start])
            disks[os.fsdecode(name)] = DiskSample(*known)
    return _without_double_paths(disks)


def _without_double_paths(disks: dict[str, DiskSample]) -> dict[str, DiskSample]:
    """Each disk that several paths lead to once: by its paths where the kernel does not count it itself."""
    left_out: set[str] = set()
    for name in disks:
        if "c" in name and (path := _PATH.fullmatch(name)):
            head = path[1] + path[2]
            if head in disks:
                left_out.add(name if disks[head].reads or disks[head].writes else head)
    return {name: disk for name, disk in disks.items() if name not in left_out}


def derive(changes: Sequence[DiskSample], seconds: float) -> dict[str, float]:
    """Totals over all disks from what each did in ``seconds``; empty without any."""
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


def real_disks(block: Path, names: Collection[str]) -> frozenset[str]:
    """Those of ``names`` that are whole disks with hardware, a hypervisor or a network behind them.

    Partitions have no entry of their own in /sys/block; loop, zram, device-mapper and md devices live below
    ``virtual/block`` and would count the same bytes twice.
    """
    return frozenset(name for name in names if _is_real(block, name))


def _is_real(block: Path, name: str) -> bool:
    # The kernel writes a slash in a device's name as ! where it is a file's name.
    entry = block / name.replace("/", "!")
    try:
        return "/virtual/block/" not in str(entry.readlink()) or name.startswith("nbd")
    except OSError:
        return entry.is_dir()


class DiskSource:
    """Reads /proc/diskstats and /sys/block below ``root``."""

    name = "disk"

    def __init__(self, root: Path) -> None:
        self._block = root / "sys/block"
        self._counters = DeviceCounters(
            root / "proc/diskstats", parse_diskstats, partial(real_disks, self._block), _WRAPPING
        )

    def read(self, now: float) -> Reading:
        """Throughput, use, wait and queue since the last call."""
        try:
            rises = self._counters.read(now)
        except OSError as error:
            return Reading({}, why(self._counters.path, error))
        reason = "" if rises.devices else f"no disk in {self._block}{os.sep}"
        return Reading(derive(rises.changes, rises.seconds), reason)

    def close(self) -> None:
        """Close the file."""
        self._counters.close()
