# SPDX-License-Identifier: Apache-2.0
"""File systems that fill within minutes, and who writes."""

from collections.abc import Iterator

from jepa.healing.finding import Fault, Finding, RepairTarget
from jepa.healing.observation import Observation
from jepa.healing.recent_numbers import RecentNumbers

_SEEN_S = 20.0
_AHEAD_S = 120.0
_FULL = 0.02
"""Share of free space below which a file system counts as full."""
_WRITER = 2**20
"""Bytes a second that an offender writes at least."""


class DiskFilling:
    """A file system that is full, or will be within two minutes at the rate of the last twenty seconds."""

    def __init__(self) -> None:
        self._free: dict[str, RecentNumbers] = {}
        self._written: dict[str, RecentNumbers] = {}

    def observe(self, observation: Observation) -> Iterator[Finding]:
        """The file systems that fill, with the units that write most; none when nobody writes any more."""
        now = observation.now_s
        for name, unit in observation.units.items():
            if unit.written is None:
                continue
            history = self._written.setdefault(name, RecentNumbers(_SEEN_S))
            if history.last is not None and unit.written < history.last:
                history.clear()
            history.push(now, unit.written)
        for gone in self._written.keys() - observation.units.keys():
            del self._written[gone]
        for mount, space in observation.spaces.items():
            history = self._free.setdefault(mount, RecentNumbers(_SEEN_S))
            history.push(now, space.free)
            falls = -(history.rate(_SEEN_S) or 0.0)
            left_s = space.free / falls if falls > 0 else float("inf")
            full = space.free < _FULL * space.total
            if not (left_s <= _AHEAD_S or (full and falls > 0)):
                continue
            writers = sorted(
                (
                    (name, rate)
                    for name, each in self._written.items()
                    if (rate := each.rate(_SEEN_S) or 0) >= _WRITER
                ),
                key=lambda each: -each[1],
            )
            yield Finding(
                Fault.DISK_FILLING,
                mount,
                f"{mount} has {space.free / 2**20:.0f} MiB left and loses {falls / 2**20:.1f} MiB a second",
                tuple(RepairTarget(name) for name, _ in writers[:3]),
                left_s=left_s,
                evidence={"free": space.free, "bytes_per_second": falls},
            )
