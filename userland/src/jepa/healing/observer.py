# SPDX-License-Identifier: Apache-2.0
"""Reads the machine for the detectors: units, their use of it, memory, disks, sockets."""

import os
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from jepa.actions.service_manager import ServiceManager
from jepa.errors import JepaError
from jepa.healing.mounts import disks_of, stopped_of, unit_of_mount
from jepa.healing.observation import Broken, Observation, ProcessSample, Space, UnitSample
from jepa.healing.unit_groups import KINDS, SESSIONS, UnitGroup, content, field, unit_groups
from jepa.telemetry.sources.base import KernelFile, count
from jepa.telemetry.sources.listeners import ListeningSocket, listeners, open_diag
from jepa.telemetry.sources.memory import parse_meminfo
from jepa.telemetry.sources.pressure import parse_pressure
from jepa.telemetry.sources.role_usage import StackedDevices

_LARGE: Final = 0.05
"""Share of memory from which a process of a session is looked at."""
_JOURNAL: Final = "systemd-journald.service"


class Observer:
    """Reads below ``root``; ``manager`` names the units. Reading never raises: what fails is not known."""

    def __init__(
        self,
        root: Path,
        manager: ServiceManager,
        loggers: Callable[[], Counter[str]] = Counter,
        listening: Callable[[], list[ListeningSocket]] | None = None,
        *,
        changed: Callable[[], bool] = lambda: True,
        sessions: bool = False,
    ) -> None:
        """``loggers``: how many of the newest lines in the log are of each unit.

        ``changed``: whether a unit may have changed since it was last called.
        ``sessions``: whether the units of persons are looked at as well, which nobody but they may repair.
        """
        self._root, self._manager, self._loggers = root, manager, loggers
        self._changed, self._sessions = changed, sessions
        self._listening = listening or Listening()
        self._meminfo = KernelFile(root / "proc/meminfo")
        self._pressure = KernelFile(root / "proc/pressure/memory")
        self._mounts = KernelFile(root / "proc/self/mountinfo")
        self._groups: dict[str, UnitGroup] = {}
        self._stacked = StackedDevices(root)
        self._units: dict[str, UnitSample] = {}
        self._inodes: dict[str, int] = {}
        self._stale = True
        self._journal_cpu_s = 0.0
        self._cpus = os.cpu_count() or 1

    def memory(self, now_s: float) -> Observation:
        """Memory and pressure alone: two small files."""
        info = parse_meminfo(content(self._meminfo))
        memory = parse_pressure(content(self._pressure))
        return Observation(
            now_s,
            cpus=self._cpus,
            memory_total=1024 * (info.total or 0),
            memory_available=1024 * (info.available or 0),
            swap_total=1024 * (info.swap_total or 0),
            swap_free=1024 * (info.swap_free or 0),
            memory_full_s=None if memory.full is None else memory.full / 1e6,
            memory_some_s=None if memory.some is None else memory.some / 1e6,
        )

    def observe(self, now_s: float, *, ask_manager: bool = True) -> Observation:
        """Everything; without ``ask_manager`` the states of units are those of the last time.

        systemd is asked only after a change, or when a control group has come or gone.
        """
        observation = self.memory(now_s)
        self._stale = self._find_groups() or self._stale
        if ask_manager and (self._changed() or self._stale):
            self._stale = True  # until it has answered
            self._ask_manager()
        waiting = self._waiting()
        units = dict(self._units)
        stacked = self._stacked.at(now_s)
        for name, group in self._groups.items():
            if self._sessions or name in units or name.endswith(".scope"):
                unit = units.get(name) or UnitSample(name)
                waits = waiting.get(group.inode, 0)
                units[name] = replace(group.use(unit, observation.swap_free, stacked), waiting=waits)
        return replace(
            observation,
            units=units,
            processes=tuple(self._processes(observation.memory_total)),
            spaces=dict(self._spaces()),
            broken=dict(self._broken()),
            log_lines=self._log_lines(units),
        )

    @property
    def groups(self) -> Mapping[int, str]:
        """The units by the inodes of their control groups, as they were at the last look."""
        return {group.inode: name for name, group in self._groups.items()}

    def close(self) -> None:
        """Close all files."""
        for group in self._groups.values():
            group.close()
        for file in (self._meminfo, self._mounts, self._pressure):
            file.close()

    def _find_groups(self) -> bool:
        """Whether the groups of units are others than before; those of persons only when asked for."""
        present: set[str] = set()
        new = False
        for found in unit_groups(self._root / "sys/fs/cgroup", self._sessions):
            present.add(found.name)
            known = self._groups.get(found.name)
            if known is None or known.inode != found.inode():
                if known is not None:
                    known.close()
                self._groups[found.name] = UnitGroup(Path(found.path), found.inode())
                new = True
        gone = self._groups.keys() - present
        for name in gone:
            self._groups.pop(name).close()
        return new or bool(gone)

    def _ask_manager(self) -> None:
        try:
            listed = {unit.id: unit for unit in self._manager.services()}
        except JepaError:
            return  # systemd is busy or away: what was known stays until it answers
        self._stale = False
        for gone in self._units.keys() - listed.keys():
            del self._units[gone]
        for name, unit in listed.items():
            before = self._units.get(name)
            group = self._groups.get(name)
            inode = group.inode if group is not None else 0
            sample = before or UnitSample(name)
            if before is None or before.active != unit.active_state or self._inodes.get(name, 0) != inode:
                sample = self._describe(sample, unit.active_state)
            self._inodes[name] = inode
            self._units[name] = replace(sample, active=unit.active_state, sub=unit.sub_state)

    def _describe(self, sample: UnitSample, state: str) -> UnitSample:
        """What changes only when the unit does, asked only then."""
        name = sample.name
        try:
            restarts = int(self._manager.get(name, "Service", "NRestarts"))
            if state != "failed":
                return replace(sample, restarts=restarts)
            return replace(
                sample,
                restarts=restarts,
                result=str(self._manager.get(name, "Service", "Result")),
                enabled=self._manager.get(name, "Unit", "UnitFileState") in ("enabled", "enabled-runtime"),
                requires=tuple(
                    each
                    for each in self._manager.get(name, "Unit", "Requires")
                    if each.endswith((".service", ".socket", ".mount"))
                ),
            )
        except JepaError:
            return sample

    def _waiting(self) -> Mapping[int, int]:
        """Connections that wait, by the inode of the control group that listens."""
        found: Counter[int] = Counter()
        for listener in self._listening():
            if listener.waiting and listener.cgroup is not None:
                found[listener.cgroup] += listener.waiting
        return found

    def _processes(self, memory_total: int) -> Iterator[ProcessSample]:
        """The large processes of sessions: a session as a whole cannot be stopped without its person."""
        least = _LARGE * memory_total
        for folder in _groups_below(self._root / "sys/fs/cgroup" / SESSIONS):
            stat = folder / "memory.stat"
            if (field(_bytes(stat), b"anon") or 0) + (
                count(_bytes(folder / "memory.swap.current")) or 0
            ) < least:
                continue
            for pid in _bytes(folder / "cgroup.procs").split():
                sample = process_sample(self._root, int(pid), folder.name)
                if sample is not None and sample.anonymous >= least:
                    yield sample

    def _spaces(self) -> Iterator[tuple[str, Space]]:
        for place in disks_of(content(self._mounts)):
            try:
                found = os.statvfs(self._root / place.lstrip("/"))
            except OSError:
                continue
            if not found.f_flag & os.ST_RDONLY or place in ("/", "/var"):
                yield place, Space(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize)

    def _broken(self) -> Iterator[tuple[str, Broken]]:
        """File systems that stopped for errors, with the services that they are a part of."""
        for place, why in stopped_of(content(self._mounts)):
            try:
                parts = self._manager.get(unit_of_mount(place), "Unit", "PartOf")
            except JepaError:
                parts = ()
            yield place, Broken(why, tuple(each for each in parts or () if each.endswith(".service")))

    def _log_lines(self, units: Mapping[str, UnitSample]) -> Counter[str]:
        """Of whom the newest lines in the log are; asked only while journald is busy with them."""
        journal = units.get(_JOURNAL)
        if journal is None or journal.cpu_s is None:
            return Counter()
        used, self._journal_cpu_s = journal.cpu_s - self._journal_cpu_s, journal.cpu_s
        return self._loggers() if 0.1 < used < 60 else Counter()


class Listening:
    """Asks the kernel for listening sockets."""

    def __init__(self) -> None:
        self._diag: socket.socket | None = None

    def __call__(self) -> list[ListeningSocket]:
        """Those of TCP; none when the kernel does not answer."""
        try:
            self._diag = self._diag or open_diag()
            return listeners(self._diag)
        except (OSError, ValueError):
            self._diag = None
            return []


def process_sample(root: Path, pid: int, unit: str) -> ProcessSample | None:
    """What process ``pid`` holds; None when it has just ended."""
    status = _bytes(root / f"proc/{pid}/status")
    stat = _bytes(root / f"proc/{pid}/stat").rpartition(b")")[2].split()
    if not status or len(stat) < 13:
        return None
    name = next((line for line in status.splitlines() if line.startswith(b"Name:")), b"Name:\t?")[6:]
    held = 1024 * sum(_kib(status, key) for key in (b"RssAnon:", b"VmSwap:"))
    ticks = os.sysconf("SC_CLK_TCK")
    return ProcessSample(
        pid, name.decode(errors="replace"), unit, held, (int(stat[11]) + int(stat[12])) / ticks
    )


def _groups_below(top: Path) -> Iterator[Path]:
    """The groups that hold processes of sessions."""
    for folder, folders, _ in os.walk(top):
        if not folders or folder.endswith(KINDS):
            yield Path(folder)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes().strip()
    except OSError:
        return b""


def _kib(status: bytes, key: bytes) -> int:
    for line in status.splitlines():
        if line.startswith(key):
            return count(line.split()[1]) or 0
    return 0
