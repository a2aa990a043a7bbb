# SPDX-License-Identifier: Apache-2.0
"""Looks at the machine for an explanation: units and processes twice, and the journal's newest lines."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from jepa.actions.service_manager import ServiceManager
from jepa.explanation.connections import Connections
from jepa.explanation.situation import JournalLine
from jepa.explanation.use import ProcessCount, ProcessUse, UnitUse, process_uses, unit_uses
from jepa.healing.loggers import newest_loggers
from jepa.healing.observation import Observation
from jepa.healing.observer import Observer, process_sample

SAMPLE_S: Final = 3.0
"""Between the two looks."""
_LOOKS: Final = 10
"""How often connections are looked at between them: one that lasts for less than the rest is not seen."""
_THREADS: Final = 5000
"""Threads that are looked at, at most."""
_JOURNAL_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Sample:
    """What was used between two looks."""

    uses: Mapping[str, UnitUse]
    processes: tuple[ProcessUse, ...]
    machine: Observation
    """The later look."""
    seconds: float
    own_cpu: float = 0.0
    """Percent of all CPU time that looking took, which counts for no unit and no process."""


def sample(
    manager: ServiceManager,
    root: Path = Path("/"),
    seconds: float = SAMPLE_S,
    sleep: Callable[[float], None] = time.sleep,
    storm: bool = False,
) -> Sample:
    """Look, wait for ``seconds``, look again. What cannot be read is not in it; never raises.

    ``storm``: whether connections are so many that it is worth finding out who asks for those that fail.
    """
    observer = Observer(root, manager, newest_loggers, sessions=True)
    try:
        own_s = -time.process_time()
        before, first = observer.observe(time.monotonic()), _processes(root)
        with Connections(root if storm else None) as connections:
            for _ in range(_LOOKS):
                sleep(seconds / _LOOKS)
                connections.look()
        second, after = _processes(root), observer.observe(time.monotonic())
        own_s += time.process_time()
        units = observer.groups
    finally:
        observer.close()
    took = after.now_s - before.now_s
    asked = connections.by_unit(units, {pid: process.unit for pid, process in second.items()})
    own_cpu = 100 * own_s / took / after.cpus if took > 0 else 0.0
    own = second.pop(os.getpid(), None)
    uses = unit_uses(before, after, asked)
    if own is not None and own.unit in uses:
        uses[own.unit] = _without_looking(uses[own.unit], own_cpu)
    return Sample(uses, process_uses(first, second, took, after.cpus), after, took, own_cpu)


def _without_looking(use: UnitUse, own_cpu: float) -> UnitUse:
    """``use`` of the unit that looks, less the CPU time of that; nobody suffers by waiting only to look."""
    left = max(0.0, use.cpu - own_cpu)
    if left < own_cpu:
        return replace(use, cpu=left, cpu_wait=0.0, io_wait=0.0)
    return replace(use, cpu=left)


def newest_lines(units: Iterable[str]) -> dict[str, JournalLine]:
    """The newest line of each unit in the journal, of those that have one that may be read."""
    return {unit: line for unit in units if (line := _newest_line(unit)) is not None}


def _newest_line(unit: str) -> JournalLine | None:
    command = ("journalctl", f"--unit={unit}", "--lines=1", "--output=json", "--no-pager", "--quiet")
    try:
        answer = subprocess.run(command, capture_output=True, timeout=_JOURNAL_S, check=False)
        found = json.loads(answer.stdout)
        text, cursor = found["MESSAGE"], found["__CURSOR"]
        ts_ns = 1000 * int(found["__REALTIME_TIMESTAMP"])
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError, TypeError):
        return None
    # Of a message that is not UTF-8 the journal gives the bytes as numbers.
    said = text if isinstance(text, str) else bytes(text or []).decode(errors="replace")
    return JournalLine(unit, said, str(cursor), ts_ns)


def _processes(root: Path) -> dict[int, ProcessCount]:
    found: dict[int, ProcessCount] = {}
    left = _THREADS
    for folder in (root / "proc").iterdir():
        if not folder.name.isdecimal():
            continue
        held = process_sample(root, int(folder.name), "")
        if held is None:
            continue
        switches, threads = _switches(folder, left)
        left -= threads
        found[held.pid] = ProcessCount(held.name, _unit(folder), held.cpu_s, held.anonymous, switches)
    return found


def _unit(process: Path) -> str:
    """The unit of a process, by its control group; empty for threads of the kernel."""
    try:
        group = (process / "cgroup").read_text(errors="replace").strip().rpartition(":")[2]
    except OSError:
        return ""
    units = [part for part in group.split("/") if part.endswith((".service", ".scope"))]
    return units[-1] if units else ""


def _switches(process: Path, most: int) -> tuple[int, int]:
    """How often the threads of a process left a CPU, and how many of them were looked at."""
    total = threads = 0
    try:
        for task in (process / "task").iterdir():
            if threads >= most:
                break
            threads += 1
            for line in (task / "status").read_bytes().splitlines():
                if line.startswith((b"voluntary_ctxt_switches:", b"nonvoluntary_ctxt_switches:")):
                    total += int(line.split()[1])
    except (OSError, ValueError):
        pass  # it has just ended
    return total, threads
