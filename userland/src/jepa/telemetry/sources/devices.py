# SPDX-License-Identifier: Apache-2.0
"""Counters that the kernel keeps for each device of a kind, where devices come, go and are renamed."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from jepa.telemetry.sources.base import KernelFile, Previous

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    D = TypeVar("D", bound=DataclassInstance)
else:
    D = TypeVar("D")

_RECHOOSE_S = 60.0
"""Which devices count is found out anew after so long, since roles of devices change without a new name."""


@dataclass(frozen=True, slots=True)
class Rises(Generic[D]):
    """What the devices that count did since the last reading."""

    changes: list[D]
    """By how much the counters of each rose; empty at the first reading."""
    seconds: float
    """Since the last reading; 0 at the first."""
    devices: int
    """How many devices count now."""


class DeviceCounters(Generic[D]):
    """The counters in one file with a line for each device.

    ``parse`` reads the file, ``choose`` says which of the devices count, and counters named in ``wrapping``
    begin again at 2**32. A device that was not there before, or whose counters fell, did nothing that is
    known; it has no rise until the next reading.
    """

    def __init__(
        self,
        path: Path,
        parse: Callable[[bytes], dict[str, D]],
        choose: Callable[[Collection[str]], frozenset[str]],
        wrapping: Collection[str] = (),
    ) -> None:
        self.path = path
        self._file = KernelFile(path)
        self._parse = parse
        self._choose = choose
        self._wrapping = wrapping
        self._previous: Previous[Mapping[str, D]] = Previous()
        self._known: frozenset[str] = frozenset()
        self._counting: frozenset[str] = frozenset()
        self._chosen_at = float("-inf")

    def read(self, now: float) -> Rises[D]:
        """What rose until ``now``, in seconds of the monotonic clock. Raises OSError."""
        devices = self._parse(self._file.read())
        if devices.keys() != self._known or now - self._chosen_at >= _RECHOOSE_S:
            self._known = frozenset(devices)
            self._counting = self._choose(self._known)
            self._chosen_at = now
        sample = {name: device for name, device in devices.items() if name in self._counting}
        before = self._previous.swap(sample, now)
        if before is None:
            return Rises([], 0.0, len(sample))
        rises = [
            change
            for name, device in sample.items()
            if name in before[0] and (change := _rise(before[0][name], device, self._wrapping)) is not None
        ]
        return Rises(rises, before[1], len(sample))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _rise(before: D, after: D, wrapping: Collection[str]) -> D | None:
    rises: dict[str, int] = {}
    for field in fields(after):
        start, rise = getattr(before, field.name), getattr(after, field.name) - getattr(before, field.name)
        if rise < 0 and field.name in wrapping and start >= 2**31:
            rise += 2**32
        if rise < 0:
            return None
        rises[field.name] = rise
    return type(after)(**rises)
