# SPDX-License-Identifier: Apache-2.0
"""What the system and the people use, from the cgroup v2 slices of systemd."""

from dataclasses import dataclass
from pathlib import Path

from jepa.telemetry.sources.base import KernelFile, Previous, Rarely, Reading, count, grown, why
from jepa.telemetry.sources.memory import parse_meminfo

_SLICES = {"system.slice": "system.group.system", "user.slice": "system.group.user"}


def no_tree(tree: Path) -> str:
    """Why nothing is known of control groups, where ``tree`` is not one of version 2."""
    if any(tree.glob("*/cgroup.procs")):
        return (
            f"{tree} holds control groups of version 1, which do not say what units use; boot with "
            "systemd.unified_cgroup_hierarchy=1 for version 2"
        )
    return f"{tree} is not a cgroup v2 tree"


@dataclass(frozen=True, slots=True)
class CpuUse:
    """CPU time of one group since it was made, in microseconds over all CPUs."""

    usage_us: int | None = None


def parse_cpu_stat(content: bytes) -> CpuUse:
    """Read cpu.stat of one group."""
    for line in content.splitlines():
        key, _, rest = line.partition(b" ")
        if key == b"usage_usec":
            return CpuUse(count(rest.strip()))
    return CpuUse()


def parse_cpu_list(content: bytes) -> int | None:
    """How many CPUs a list such as ``0-3,6`` names; None when it is malformed or empty."""
    total = 0
    for part in content.strip().split(b","):
        first, dash, last = part.partition(b"-")
        start, end = count(first), count(last if dash else first)
        if start is None or end is None or end < start:
            return None
        total += end - start + 1
    return total


class _Group:
    def __init__(self, folder: Path, prefix: str) -> None:
        self.prefix = prefix
        self.cpu = KernelFile(folder / "cpu.stat")
        self.memory = KernelFile(folder / "memory.current")
        self.previous: Previous[CpuUse] = Previous()


class CgroupSource:
    """Reads the slices in /sys/fs/cgroup below ``root``."""

    name = "cgroup"

    def __init__(self, root: Path) -> None:
        self._tree = root / "sys/fs/cgroup"
        self._no_tree = Rarely(lambda: no_tree(self._tree))
        self._online = KernelFile(root / "sys/devices/system/cpu/online")
        self._meminfo = KernelFile(root / "proc/meminfo")
        self._groups = [_Group(self._tree / slice_, prefix) for slice_, prefix in _SLICES.items()]

    def read(self, now: float) -> Reading:
        """CPU and memory of each slice, in percent of the machine's."""
        if not (self._tree / "cgroup.controllers").exists():
            return Reading({}, self._no_tree.at(now))
        try:
            cpus = parse_cpu_list(self._online.read())
            memory = parse_meminfo(self._meminfo.read()).total
        except OSError as error:
            return Reading({}, str(error))
        values: dict[str, float] = {}
        reasons: list[str] = []
        for group in self._groups:
            try:
                use = parse_cpu_stat(group.cpu.read())
            except OSError as error:
                reasons.append(why(group.cpu.path, error))
            else:
                before = group.previous.swap(use, now)
                if before is not None and cpus:
                    spent = grown(before[0].usage_us, use.usage_us)
                    if spent is not None:
                        values[f"{group.prefix}.cpu"] = min(100.0, spent / (10_000 * before[1] * cpus))
            try:
                charged = count(group.memory.read().strip())
            except OSError as error:
                reasons.append(why(group.memory.path, error))
            else:
                if charged is not None and memory:
                    values[f"{group.prefix}.memory"] = min(100.0, 100 * charged / 1024 / memory)
        return Reading(values, "; ".join(reasons))

    def close(self) -> None:
        """Close the files."""
        for file in (self._online, self._meminfo, *(f for g in self._groups for f in (g.cpu, g.memory))):
            file.close()
