# SPDX-License-Identifier: Apache-2.0
"""What each role uses and waits for, from the control groups that play it."""

from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path

from jepa.telemetry.roles import ROLES, Role, Roles
from jepa.telemetry.sources.base import KernelFile, Previous, Rarely, Reading, count, grown
from jepa.telemetry.sources.cgroup import no_tree, parse_cpu_list, parse_cpu_stat
from jepa.telemetry.sources.memory import parse_meminfo
from jepa.telemetry.sources.pressure import parse_pressure, share

_PRESSURES = ("cpu", "memory", "io")


@dataclass(frozen=True, slots=True)
class GroupUse:
    """What one group and all below it used since it was made, and holds; None where it does not say."""

    cpu_us: int | None = None
    memory: int | None = None
    """Bytes now."""
    read: int | None = None
    """Bytes from devices."""
    written: int | None = None


@dataclass(frozen=True, slots=True)
class Stalls:
    """Stalled time of one group in microseconds."""

    cpu: int | None = None
    memory: int | None = None
    io: int | None = None


def parse_io_stat(content: bytes, stacked: Container[bytes] = ()) -> tuple[int, int]:
    """Bytes read and written over all devices in io.stat of one group; a group that did none has no line.

    Those in ``stacked``, by number as in b"254:0", do not count.
    """
    read = written = 0
    for line in content.splitlines():
        words = line.split()
        if not words or words[0] in stacked:
            continue
        for word in words[1:]:
            key, _, number = word.partition(b"=")
            if key == b"rbytes":
                read += count(number) or 0
            elif key == b"wbytes":
                written += count(number) or 0
    return read, written


class StackedDevices:
    """Numbers of devices that lie on others, such as those of verity, encryption and RAID, or in a file.

    What a group reads through one is counted there and once more at the disk below.
    """

    def __init__(self, root: Path) -> None:
        self._block = root / "sys/block"
        self._found = Rarely(lambda: frozenset(self._look()))

    def at(self, now: float) -> frozenset[bytes]:
        """As they are at ``now``, in seconds of the monotonic clock, or were up to a minute before."""
        return self._found.at(now)

    def _look(self) -> Iterator[bytes]:
        for pattern in ("*/slaves/*", "loop*/loop/backing_file"):
            for below in self._block.glob(pattern):
                with suppress(OSError):
                    yield (below.parents[1] / "dev").read_bytes().strip()


class _Group:
    """The files of one group, and what they said before."""

    def __init__(self, folder: Path) -> None:
        self._cpu = KernelFile(folder / "cpu.stat")
        self._memory = KernelFile(folder / "memory.current")
        self._io = KernelFile(folder / "io.stat")
        self._pressure = {kind: KernelFile(folder / f"{kind}.pressure") for kind in _PRESSURES}
        self.use: Previous[GroupUse] = Previous()
        self.stalls: Previous[Stalls] = Previous()

    def read_use(self, stacked: Container[bytes]) -> GroupUse:
        cpu = _content(self._cpu)
        memory = _content(self._memory)
        io = _content(self._io)
        read, written = (None, None) if io is None else parse_io_stat(io, stacked)
        return GroupUse(
            None if cpu is None else parse_cpu_stat(cpu).usage_us,
            None if memory is None else count(memory.strip()),
            read,
            written,
        )

    def read_stalls(self) -> Stalls:
        found = {kind: _content(file) for kind, file in self._pressure.items()}
        return Stalls(**{k: None if c is None else parse_pressure(c).some for k, c in found.items()})

    def close(self) -> None:
        for file in (self._cpu, self._memory, self._io, *self._pressure.values()):
            file.close()


def _content(file: KernelFile) -> bytes | None:
    """What ``file`` says; None when the group lacks it or has just gone."""
    try:
        return file.read()
    except OSError:
        return None


@dataclass(slots=True)
class _Sum:
    """What one group used during the interval; None where that is unknown."""

    cpu_us: float | None = None
    memory: float | None = None
    read: float | None = None
    written: float | None = None

    def add(self, other: "_Sum") -> None:
        for each in fields(self):
            more = getattr(other, each.name)
            if more is not None:
                setattr(self, each.name, (getattr(self, each.name) or 0.0) + more)

    def less(self, other: "_Sum") -> "_Sum":
        """This without ``other``; what this does not know stays unknown."""
        rest = _Sum()
        for each in fields(self):
            mine = getattr(self, each.name)
            if mine is not None:
                setattr(rest, each.name, max(0.0, mine - (getattr(other, each.name) or 0.0)))
        return rest


class RoleSource:
    """Reads the groups that ``roles`` assigns in /sys/fs/cgroup below ``root``.

    A role's use is that of its groups less that of groups below them with another role. Time waited cannot
    be subtracted: a role's pressure is the greatest among its topmost groups. What no rule names counts for
    the system when it is below system.slice.
    """

    name = "roles"

    def __init__(self, root: Path, roles: Roles) -> None:
        self._roles = roles
        self._tree = root / "sys/fs/cgroup"
        self._online = KernelFile(root / "sys/devices/system/cpu/online")
        self._meminfo = KernelFile(root / "proc/meminfo")
        self._groups: dict[Path, tuple[int, _Group]] = {}
        self._stacked = StackedDevices(root)
        self._no_tree = Rarely(lambda: no_tree(self._tree))

    def read(self, now: float) -> Reading:
        """Use in percent of the machine's and KiB/s, and stalled shares, since the last call."""
        if not (self._tree / "cgroup.controllers").exists():
            return Reading({}, self._no_tree.at(now))
        assigned = self._roles.at(now)
        # The rest is the system's: the slice of services stands for it where only a group has an answer.
        groups: dict[Path, Role] = {self._tree / "system.slice": "system", **assigned.groups}
        self._follow(groups)
        try:
            cpus = parse_cpu_list(self._online.read())
            memory = parse_meminfo(self._meminfo.read()).total
        except OSError as error:
            return Reading({}, str(error))
        values: dict[str, float] = {}
        sums, seconds = self._sums(groups, now)
        for role, used in sums.items():
            values |= _use_channels(role, used, seconds, cpus, memory)
        for role, stalled in self._stalled(groups, now).items():
            values |= {f"system.role.{role}.pressure.{kind}": value for kind, value in stalled.items()}
        return Reading(values, assigned.reason)

    def _follow(self, groups: Iterable[Path]) -> None:
        """Open the groups that are new, also one of an old name; close those that are gone or not wanted."""
        wanted: dict[Path, int] = {}
        for folder in groups:
            try:
                wanted[folder] = folder.stat().st_ino
            except OSError:
                continue
        for folder, (number, group) in list(self._groups.items()):
            if wanted.get(folder) != number:
                group.close()
                del self._groups[folder]
        for folder, number in wanted.items():
            if folder not in self._groups:
                self._groups[folder] = (number, _Group(folder))

    def _sums(self, groups: Mapping[Path, Role], now: float) -> tuple[dict[Role, _Sum], float]:
        stacked = self._stacked.at(now)
        used = {folder: _since(group, now, stacked) for folder, (_, group) in self._groups.items()}
        seconds = max((interval for _, interval in used.values()), default=0.0)
        below: dict[Path, _Sum] = {folder: _Sum() for folder in used}
        for folder, (mine, _) in used.items():
            above = next((parent for parent in _parents(folder, self._tree) if parent in used), None)
            if above is not None:
                below[above].add(mine)
        sums = {role: _Sum() for role in ROLES}
        for folder, (mine, _) in used.items():
            sums[groups[folder]].add(mine.less(below[folder]))
        return sums, seconds

    def _stalled(self, groups: Mapping[Path, Role], now: float) -> dict[Role, dict[str, float]]:
        found: dict[Role, dict[str, float]] = {role: {} for role in ROLES}
        for folder, (_, group) in self._groups.items():
            role = groups[folder]
            if any(groups.get(parent) == role for parent in _parents(folder, self._tree)):
                continue
            stalls = group.read_stalls()
            before = group.stalls.swap(stalls, now)
            if before is None:
                continue
            for kind in _PRESSURES:
                value = share(getattr(before[0], kind), getattr(stalls, kind), before[1])
                if value is not None:
                    found[role][kind] = max(value, found[role].get(kind, 0.0))
        return found

    def close(self) -> None:
        """Close the files."""
        for _, group in self._groups.values():
            group.close()
        self._groups.clear()
        self._online.close()
        self._meminfo.close()


def _parents(folder: Path, tree: Path) -> Iterator[Path]:
    """The groups above ``folder``, nearest first, without the root."""
    for parent in folder.parents:
        if parent == tree:
            return
        yield parent


def _since(group: _Group, now: float, stacked: Container[bytes]) -> tuple[_Sum, float]:
    """What the group used since the last call and holds now, and the seconds between."""
    use = group.read_use(stacked)
    before = group.use.swap(use, now)
    if before is None:
        return _Sum(memory=use.memory), 0.0
    return (
        _Sum(
            grown(before[0].cpu_us, use.cpu_us),
            use.memory,
            grown(before[0].read, use.read),
            grown(before[0].written, use.written),
        ),
        before[1],
    )


def _use_channels(
    role: Role, used: _Sum, seconds: float, cpus: int | None, memory_kib: int | None
) -> dict[str, float]:
    values: dict[str, float] = {}
    prefix = f"system.role.{role}"
    if used.memory is not None and memory_kib:
        values[f"{prefix}.memory"] = min(100.0, max(0.0, 100 * used.memory / 1024 / memory_kib))
    if seconds <= 0:
        return values
    if used.cpu_us is not None and cpus:
        values[f"{prefix}.cpu"] = min(100.0, max(0.0, used.cpu_us / (10_000 * seconds * cpus)))
    if used.read is not None:
        values[f"{prefix}.io.read"] = max(0.0, used.read / 1024 / seconds)
    if used.written is not None:
        values[f"{prefix}.io.write"] = max(0.0, used.written / 1024 / seconds)
    return values
