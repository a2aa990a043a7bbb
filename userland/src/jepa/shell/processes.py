# SPDX-License-Identifier: Apache-2.0
"""What each process and unit uses, from two looks at /proc, with the rights of whoever looks."""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_KERNEL_THREAD: Final = 0x00200000
"""PF_KTHREAD among the flags of a process."""
_INTERPRETERS: Final = frozenset(("python", "bash", "sh", "dash", "node", "perl", "ruby", "java", "php"))
KERNEL: Final = "kernel"
"""What the threads of the kernel count as."""


@dataclass(frozen=True, slots=True)
class Use:
    """What one process, or all of a unit, used between two looks."""

    name: str
    """The command, or the unit."""
    unit: str
    pid: int
    """0 for a unit."""
    count: int
    """Processes."""
    cpu: float
    """Percent of one core."""
    memory: float
    """Resident, MiB; what processes of a unit share is counted for each."""
    read: float | None
    """KiB/s from disks; None where it may not be read."""
    write: float | None


class _Count(NamedTuple):
    started: int
    """Ticks since boot: a PID may have gone to another process."""
    kernel: bool
    """Whether it is a thread of the kernel."""
    name: str
    cpu_s: float
    memory: float
    read: int | None
    """Bytes."""
    write: int | None


class ProcessTable:
    """Looks at the processes and says what each used since the look before."""

    def __init__(self, root: Path = Path("/"), clock: Callable[[], float] = time.monotonic) -> None:
        self._proc = str(root / "proc")
        self._clock = clock
        self._before: dict[int, _Count] = {}
        self._at = 0.0
        self._known: dict[tuple[int, int, str], tuple[str, str]] = {}
        """Name and unit by PID, start and command: they hardly ever change, and reading them takes long."""

    def look(self) -> list[Use]:
        """Every process there is, with what it used since the last look; nothing at the first."""
        now, counts = self._clock(), dict(self._counts())
        before, took = self._before, now - self._at
        self._before, self._at = counts, now
        known = self._known
        self._known = {
            key: known.get(key) or (self._name(pid, count), self._unit(pid, count))
            for pid, count in counts.items()
            if (key := (pid, count.started, count.name))
        }
        if not before or took <= 0:
            return []
        return [self._use(pid, count, before.get(pid), took) for pid, count in counts.items()]

    def _use(self, pid: int, count: _Count, before: _Count | None, took: float) -> Use:
        if before is None or before.started != count.started:
            before = _Count(count.started, count.kernel, count.name, 0.0, 0.0, 0, 0)  # it began since
        name, unit = self._known[pid, count.started, count.name]
        return Use(
            name,
            unit,
            pid,
            1,
            max(count.cpu_s - before.cpu_s, 0.0) / took * 100,
            count.memory,
            _rate(count.read, before.read, took),
            _rate(count.write, before.write, took),
        )

    def _counts(self) -> Iterator[tuple[int, _Count]]:
        try:
            names = os.listdir(self._proc)  # noqa: PTH208  (names are all that is wanted)
        except OSError:
            return
        for name in names:
            if name.isdecimal() and (count := self._count(name)) is not None:
                yield int(name), count

    def _count(self, pid: str) -> _Count | None:
        try:
            with open(f"{self._proc}/{pid}/stat", "rb") as file:  # noqa: PTH123  (hundreds of them each look)
                head, _, tail = file.read().rpartition(b")")
            fields = tail.split()
            # From field 3 on, see proc_pid_stat(5): flags 9, utime 14, stime 15, starttime 22, rss 24.
            cpu_s = (int(fields[11]) + int(fields[12])) / _TICKS
            read, write = self._io(pid)
            return _Count(
                int(fields[19]),
                bool(int(fields[6]) & _KERNEL_THREAD),
                head.partition(b"(")[2].decode(errors="surrogateescape"),
                cpu_s,
                int(fields[21]) * _PAGE / 2**20,
                read,
                write,
            )
        except (OSError, ValueError, IndexError):
            return None  # it has just ended

    def _io(self, pid: str) -> tuple[int | None, int | None]:
        try:
            with open(f"{self._proc}/{pid}/io", "rb") as file:  # noqa: PTH123
                said = dict(line.split(b": ") for line in file.read().splitlines())
            return int(said[b"read_bytes"]), int(said[b"write_bytes"])
        except (OSError, ValueError, KeyError):
            return None, None

    def _name(self, pid: int, count: _Count) -> str:
        """The command; of an interpreter with what it runs, which alone tells one from another."""
        if count.name.rstrip("0123456789.") not in _INTERPRETERS:
            return count.name
        try:
            words = (
                Path(f"{self._proc}/{pid}/cmdline").read_bytes().decode(errors="surrogateescape").split("\0")
            )
        except OSError:
            return count.name
        script = next((word for word in words[1:] if word and not word.startswith("-")), "")
        if " " in script.strip() or not any(map(str.isalpha, script)):  # a program as an argument is no name
            return count.name
        return f"{count.name} {script.rpartition('/')[2]}"

    def _unit(self, pid: int, count: _Count) -> str:
        if count.kernel:
            return KERNEL
        try:
            text = Path(f"{self._proc}/{pid}/cgroup").read_text(errors="surrogateescape")
        except OSError:
            return ""
        # Of the hierarchies of version 1 that of systemd names units; version 2 has one.
        for group in sorted(text.splitlines(), key=lambda line: "name=systemd" not in line):
            units = [part for part in group.split("/") if part.endswith((".service", ".scope"))]
            if units:
                return units[-1]
        return ""


def _rate(count: int | None, before: int | None, took: float) -> float | None:
    return None if count is None or before is None else max(count - before, 0) / 1024 / took


def by_unit(uses: Iterable[Use]) -> list[Use]:
    """The same by unit; processes of none count as one each."""
    found: dict[str, list[Use]] = {}
    for use in uses:
        found.setdefault(use.unit or f"{use.name} ({use.pid})", []).append(use)
    return [
        Use(
            name,
            each[0].unit,
            0 if each[0].unit else each[0].pid,
            len(each),
            sum(use.cpu for use in each),
            sum(use.memory for use in each),
            _sum(use.read for use in each),
            _sum(use.write for use in each),
        )
        for name, each in found.items()
    ]


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def memory_mib() -> float:
    """The memory of this machine."""
    return os.sysconf("SC_PHYS_PAGES") * _PAGE / 2**20
