# SPDX-License-Identifier: Apache-2.0
"""Memory and swap in use, from /proc/meminfo."""

from dataclasses import dataclass
from pathlib import Path

from jepa.telemetry.sources.base import KernelFile, Rarely, Reading, at, count, present, why


@dataclass(frozen=True, slots=True)
class MemorySample:
    """Sizes in KiB."""

    total: int | None = None
    available: int | None = None
    cached: int | None = None
    buffers: int | None = None
    dirty: int | None = None
    writeback: int | None = None
    anonymous: int | None = None
    swap_total: int | None = None
    swap_free: int | None = None


_KEYS = {
    b"MemTotal": "total",
    b"MemAvailable": "available",
    b"Cached": "cached",
    b"Buffers": "buffers",
    b"Dirty": "dirty",
    b"Writeback": "writeback",
    b"AnonPages": "anonymous",
    b"SwapTotal": "swap_total",
    b"SwapFree": "swap_free",
}


def parse_meminfo(content: bytes) -> MemorySample:
    """Read /proc/meminfo; what is missing or malformed is None."""
    found: dict[str, int | None] = {}
    for line in content.splitlines():
        key, colon, rest = line.partition(b":")
        if colon and key in _KEYS:
            found[_KEYS[key]] = at(rest.split(), 0)
    return MemorySample(**found)


def parse_arc(content: bytes) -> int:
    """KiB of ZFS's cache that it gives back when others need them, from arcstats; 0 when it does not say."""
    found: dict[bytes, int | None] = {}
    for line in content.splitlines():
        words = line.split()
        if len(words) == 3 and words[0] in (b"size", b"c_min"):
            found[words[0]] = count(words[2])
    size, least = found.get(b"size"), found.get(b"c_min")
    return 0 if size is None or least is None else max(0, size - least) // 1024


def derive(sample: MemorySample, arc: int = 0) -> dict[str, float]:
    """Percent of all memory, or of all swap, that is in each use.

    ``arc`` is the size in KiB of what ZFS would give back, of which MemAvailable does not know.
    """
    available = None if sample.available is None else sample.available + arc

    def share(part: int | None, whole: int | None) -> float | None:
        return None if part is None or not whole else min(100.0, max(0.0, 100 * part / whole))

    def both(first: int | None, second: int | None) -> int | None:
        return None if first is None or second is None else first + second

    def rest(whole: int | None, part: int | None) -> int | None:
        return None if whole is None or part is None else whole - part

    return present(
        {
            "system.memory.utilization": share(rest(sample.total, available), sample.total),
            "system.memory.cached": share(both(sample.cached, sample.buffers), sample.total),
            "system.memory.dirty": share(both(sample.dirty, sample.writeback), sample.total),
            "system.memory.anonymous": share(sample.anonymous, sample.total),
            "system.paging.utilization": share(rest(sample.swap_total, sample.swap_free), sample.swap_total),
        }
    )


class MemorySource:
    """Reads /proc/meminfo and, where there is ZFS, the size of its cache, below ``root``."""

    name = "memory"

    def __init__(self, root: Path) -> None:
        self._file = KernelFile(root / "proc/meminfo")
        self._arc = KernelFile(root / "proc/spl/kstat/zfs/arcstats")
        self._zfs = Rarely(self._arc.path.exists)

    def read(self, now: float) -> Reading:
        """Shares of memory and swap now."""
        try:
            sample = parse_meminfo(self._file.read())
        except OSError as error:
            return Reading({}, why(self._file.path, error))
        try:
            arc = parse_arc(self._arc.read()) if self._zfs.at(now) else 0
        except OSError:
            arc = 0
        return Reading(derive(sample, arc), "this machine has no swap" if sample.swap_total == 0 else "")

    def close(self) -> None:
        """Close the files."""
        self._file.close()
        self._arc.close()
