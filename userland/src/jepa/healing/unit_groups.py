# SPDX-License-Identifier: Apache-2.0
"""The control groups of units: which there are, and what each uses."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from jepa.healing.observation import UnitSample
from jepa.telemetry.sources.base import KernelFile, count
from jepa.telemetry.sources.cgroup import parse_cpu_stat
from jepa.telemetry.sources.pressure import parse_pressure
from jepa.telemetry.sources.role_usage import parse_io_stat

SESSIONS: Final = "user.slice"
KINDS: Final = (".service", ".scope")
_SERVICES: Final = "system.slice"
_FILES: Final = (
    *("cpu.stat", "cpu.pressure", "io.pressure", "cpu.weight"),
    *("memory.stat", "memory.swap.current", "memory.max", "memory.swap.max", "io.stat", "pids.current"),
)


@dataclass(frozen=True, slots=True)
class _Held:
    """What a unit holds and has done, which changes only while it runs."""

    cpu_s: float | None
    anonymous: int | None
    memory_limit: int | None
    written: int | None
    read: int | None
    tasks: int | None


class UnitGroup:
    """One unit's control group, whose files are kept open."""

    def __init__(self, folder: Path, inode: int) -> None:
        self.inode = inode
        self._beside_others = folder.parent.name == _SERVICES
        """Whether its CPU weight counts beside those of the system's other services."""
        self._held: _Held | None = None
        self._files = tuple(KernelFile(folder / name) for name in _FILES)
        self._cpu, self._cpu_pressure, self._io_pressure, self._weight, *sleeping = self._files
        self._memory, self._swap, self._limit, self._swap_limit, self._io, self._tasks = sleeping

    def use(self, unit: UnitSample, swap_free: int, stacked: frozenset[bytes]) -> UnitSample:
        """``unit`` with what it uses now; devices in ``stacked``, which lie on others, are not counted."""
        stat = content(self._cpu)
        usage_us, throttled_us = parse_cpu_stat(stat).usage_us, field(stat, b"throttled_usec")
        cpu_s = None if usage_us is None else usage_us / 1e6
        held = self._held
        # Most units sleep most of the time: six files of ten need not be read of those.
        if held is None or held.cpu_s is None or held.cpu_s != cpu_s:
            held = self._held = self._hold(cpu_s, swap_free, stacked)
        return replace(
            unit,
            cpu_s=cpu_s,
            anonymous=held.anonymous,
            memory_limit=held.memory_limit,
            written=held.written,
            read=held.read,
            tasks=held.tasks,
            cpu_wait_s=_some_s(self._cpu_pressure),
            io_wait_s=_some_s(self._io_pressure),
            throttled_s=None if throttled_us is None else throttled_us / 1e6,
            cpu_weight=count(content(self._weight).strip()) if self._beside_others else None,
        )

    def close(self) -> None:
        """Close all files."""
        for file in self._files:
            file.close()

    def _hold(self, cpu_s: float | None, swap_free: int, stacked: frozenset[bytes]) -> _Held:
        read, written = parse_io_stat(content(self._io), stacked)
        memory = content(self._memory)
        anonymous = field(memory, b"anon")
        swapped = count(content(self._swap).strip()) or 0
        return _Held(
            cpu_s,
            anonymous=None if anonymous is None else anonymous + swapped,
            memory_limit=self._most(swapped, swap_free),
            # what it has written and is not on its way to a disk yet, too: that may take half a minute
            written=_sum(written, field(memory, b"file_dirty")),
            read=read,
            tasks=count(content(self._tasks).strip()),
        )

    def _most(self, swapped: int, swap_free: int) -> int | None:
        """Bytes of memory and swap at which the kernel kills within the group; None without a limit."""
        memory = count(content(self._limit).strip())
        if memory is None:
            return None
        swap = count(content(self._swap_limit).strip())
        most = swapped + swap_free
        return memory + (most if swap is None else min(swap, most))


def unit_groups(top: Path, sessions: bool) -> Iterator[os.DirEntry[str]]:
    """The control groups of services and scopes, with ``sessions`` those of persons too.

    A person's own manager is no unit to judge: the units that it runs are.
    """
    waiting = [str(top)]
    while waiting:
        folder = waiting.pop()
        try:
            entries = list(os.scandir(folder))
        except OSError:
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if entry.name.startswith("user@") and sessions:
                    waiting.append(entry.path)
                elif entry.name.endswith(KINDS):
                    yield entry
                elif entry.name.endswith(".slice") and (sessions or entry.name != SESSIONS):
                    waiting.append(entry.path)


def content(file: KernelFile) -> bytes:
    """What ``file`` holds; nothing when it cannot be read."""
    try:
        return file.read()
    except OSError:
        return b""


def field(content: bytes, key: bytes) -> int | None:
    """The number after ``key`` in a file of ``key number`` lines."""
    for line in content.splitlines():
        name, _, number = line.partition(b" ")
        if name == key:
            return count(number)
    return None


def _sum(first: int | None, second: int | None) -> int | None:
    return None if first is None else first + (second or 0)


def _some_s(file: KernelFile) -> float | None:
    some = parse_pressure(content(file)).some
    return None if some is None else some / 1e6
