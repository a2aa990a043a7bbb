# SPDX-License-Identifier: Apache-2.0
"""Page faults, swapping and reclaim, from /proc/vmstat."""

from dataclasses import dataclass
from pathlib import Path

from jepa.telemetry.sources.base import KernelFile, Previous, Reading, count, grown, why


@dataclass(frozen=True, slots=True)
class VmSample:
    """Events since boot."""

    faults: int | None = None
    major_faults: int | None = None
    swapped_in: int | None = None
    swapped_out: int | None = None
    scanned: int | None = None


_KEYS = {
    b"pgfault": "faults",
    b"pgmajfault": "major_faults",
    b"pswpin": "swapped_in",
    b"pswpout": "swapped_out",
}
_SCANS = {b"pgscan_kswapd", b"pgscan_direct", b"pgscan_khugepaged", b"pgscan_proactive"}
_CHANNELS = {
    "system.paging.faults": "faults",
    "system.paging.faults.major": "major_faults",
    "system.paging.swapped_in": "swapped_in",
    "system.paging.swapped_out": "swapped_out",
    "system.paging.scanned": "scanned",
}


def parse_vmstat(content: bytes) -> VmSample:
    """Read /proc/vmstat; what is missing or malformed is None."""
    found: dict[str, int | None] = {}
    scans: list[int | None] = []
    for line in content.splitlines():
        key, _, rest = line.partition(b" ")
        if key in _KEYS:
            found[_KEYS[key]] = count(rest)
        elif key in _SCANS:
            scans.append(count(rest))
    known = [scan for scan in scans if scan is not None]
    # A scan counter that cannot be read would make the sum jump, so then there is no sum.
    return VmSample(**found, scanned=sum(known) if known and len(known) == len(scans) else None)


def derive(before: VmSample, after: VmSample, seconds: float) -> dict[str, float]:
    """Events a second between two samples."""
    values: dict[str, float] = {}
    for channel, field in _CHANNELS.items():
        change = grown(getattr(before, field), getattr(after, field))
        if change is not None:
            values[channel] = change / seconds
    return values


class VmstatSource:
    """Reads /proc/vmstat below ``root``."""

    name = "vmstat"

    def __init__(self, root: Path) -> None:
        self._file = KernelFile(root / "proc/vmstat")
        self._previous: Previous[VmSample] = Previous()

    def read(self, now: float) -> Reading:
        """Events a second since the last call."""
        try:
            sample = parse_vmstat(self._file.read())
        except OSError as error:
            return Reading({}, why(self._file.path, error))
        before = self._previous.swap(sample, now)
        return Reading({} if before is None else derive(before[0], sample, before[1]))

    def close(self) -> None:
        """Close the file."""
        self._file.close()
