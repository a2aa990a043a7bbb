# SPDX-License-Identifier: Apache-2.0
"""What every source shares: the protocol, kernel files kept open, and changes of counters over time."""

import contextlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar, runtime_checkable

from jepa.telemetry.histogram import Histogram

S = TypeVar("S")
_LOOK_AGAIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What one source observed at one instant: values in schema units, and why others are missing."""

    values: Mapping[str, float]
    reason: str = ""
    note: str = ""
    """What a person should know of the values, such as which sensors were left out."""


class Source(Protocol):
    """One group of kernel files that gives some channels. Reading never raises: what fails is missing."""

    name: str

    def read(self, now: float) -> Reading:
        """Observe at ``now``, in seconds of the monotonic clock. Rates need an earlier call."""

    def close(self) -> None:
        """Close the files kept open."""


@runtime_checkable
class CountingSource(Protocol):
    """A source that also counts by size."""

    def histograms(self) -> list[Histogram]:
        """What was counted between the last two calls of ``read``."""


class KernelFile:
    """A /proc or /sys file kept open, since opening costs more than reading.

    After a failure the next read opens it again: a cgroup or a device may come back under the same path.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = -1
        self._size = 4096

    def read(self) -> bytes:
        """The whole content now. Raises OSError.

        A file of /proc that lists things gives at most about a page a read, whatever the buffer's size, so
        that a short read is no end: only a read of nothing is. That last read is cheap, since the kernel
        stays at the position where the one before ended.
        """
        try:
            if self._fd < 0:
                self._fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            content = os.pread(self._fd, self._size, 0)
            end = len(content)
            while more := os.pread(self._fd, self._size, end):
                content += more
                end += len(more)
        except OSError:
            self.close()
            raise
        # Files that are written in one piece come in one read next time.
        self._size = max(self._size, 2 * end)
        return content

    def close(self) -> None:
        """Close it; a later read opens it again."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with contextlib.suppress(OSError):  # of a file system in user space that has ended
                os.close(fd)


class Rarely(Generic[S]):
    """What ``look`` finds, looked for once a minute, where looking each second would cost too much."""

    def __init__(self, look: Callable[[], S]) -> None:
        self._look = look
        self._found: S | None = None
        self._looked_at = float("-inf")

    def at(self, now: float) -> S:
        """As it is at ``now``, in seconds of the monotonic clock, or was up to a minute before."""
        if self._found is None or now - self._looked_at >= _LOOK_AGAIN_S:
            self._found = self._look()
            self._looked_at = now
        return self._found


class Previous(Generic[S]):
    """Remembers the last sample and its time, since rates are differences."""

    def __init__(self) -> None:
        self._last: tuple[S, float] | None = None

    @property
    def last(self) -> S | None:
        """The last sample; None before the first."""
        return None if self._last is None else self._last[0]

    def swap(self, sample: S, now: float) -> tuple[S, float] | None:
        """Keep ``sample``; answer the one before and the seconds since, or None when there is none."""
        last, self._last = self._last, (sample, now)
        if last is None or now <= last[1]:
            return None
        return last[0], now - last[1]


def content(path: Path) -> bytes:
    """What the file at ``path`` says now, without white space around; nothing when it cannot be read."""
    try:
        return path.read_bytes().strip()
    except OSError:
        return b""


def count(field: bytes) -> int | None:
    """The counter in ``field``, or None when it is not a plain decimal number that 64 bits can hold."""
    if not field.isdigit() or len(field) > 20:
        return None
    number = int(field)
    return number if number < 2**64 else None


def at(fields: list[bytes], position: int) -> int | None:
    """The counter at ``position``, or None when the line is too short or the field is no counter."""
    return count(fields[position]) if position < len(fields) else None


def grown(before: int | None, after: int | None) -> int | None:
    """How far a counter rose; None when it is unknown or fell, that is, was reset or wrapped."""
    if before is None or after is None or after < before:
        return None
    return after - before


def present(values: Mapping[str, float | None]) -> dict[str, float]:
    """The values that are known."""
    return {name: value for name, value in values.items() if value is not None}


def why(path: Path, error: OSError) -> str:
    """One clause that says which file could not be read and for what reason."""
    return f"{path}: {os.strerror(error.errno) if error.errno else error}"
