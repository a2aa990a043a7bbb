# SPDX-License-Identifier: Apache-2.0
"""What the units of jepa cost since each was started, from their control groups and processes."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_SLICES: Final = ("jepa.slice", "safety.slice", "system.slice")
_UNITS: Final = "jepa*.service"
_HERTZ: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitCost:
    """One unit that runs."""

    unit: str
    since_s: float
    """Seconds since its oldest process was started."""
    cpu_s: float
    """CPU time it used since."""
    cpu_percent: float
    """Of one core, since then."""
    memory_mib: float
    wakeups_per_s: float | None
    """How often its threads woke up after they had waited, since then; null where that cannot be read."""


def unit_costs(root: Path, boottime_s: float) -> list[UnitCost]:
    """The units of jepa that run below ``root``; ``boottime_s`` is CLOCK_BOOTTIME now."""
    tree = root / "sys/fs/cgroup"
    if not (tree / "cgroup.controllers").exists():  # version 1 does not say what units use
        return []
    folders = [folder for each in _SLICES for folder in sorted((tree / each).glob(_UNITS))]
    found: list[UnitCost] = []
    for folder in folders:
        with suppress(OSError, ValueError, IndexError, KeyError):  # one that ends meanwhile
            found += _cost(folder, root / "proc", boottime_s)
    return found


def _cost(folder: Path, proc: Path, boottime_s: float) -> Iterator[UnitCost]:
    pids = (folder / "cgroup.procs").read_text().split()
    if not pids:
        return
    since_s = max(1.0, boottime_s - min(_started_s(proc / pid) for pid in pids))
    usage = dict(line.split() for line in (folder / "cpu.stat").read_text().splitlines())
    cpu_s = int(usage["usage_usec"]) / 1e6
    switches: float | None = None
    with suppress(OSError):
        switches = sum(_switches(task) for pid in pids for task in (proc / pid / "task").iterdir())
    yield UnitCost(
        unit=folder.name,
        since_s=since_s,
        cpu_s=cpu_s,
        cpu_percent=100 * cpu_s / since_s,
        memory_mib=int((folder / "memory.current").read_text()) / 2**20,
        wakeups_per_s=None if switches is None else switches / since_s,
    )


def _started_s(process: Path) -> float:
    """CLOCK_BOOTTIME at which it was started, in seconds; see proc_pid_stat(5)."""
    return int((process / "stat").read_text().rpartition(")")[2].split()[19]) / _HERTZ


def _switches(task: Path) -> int:
    """Voluntary switches of one thread: each is followed by a wake-up."""
    for line in (task / "status").read_text().splitlines():
        if line.startswith("voluntary_ctxt_switches:"):
            return int(line.split()[1])
    return 0
