# SPDX-License-Identifier: Apache-2.0
"""CPU time, load, context switches and process creation, from /proc/stat and /proc/loadavg."""

import math
import os
from dataclasses import dataclass
from pathlib import Path

from jepa.telemetry.sources.base import KernelFile, Previous, Reading, at, grown, present, why


@dataclass(frozen=True, slots=True)
class StatSample:
    """Counters of /proc/stat since boot; CPU times are in clock ticks over all CPUs."""

    user: int | None = None
    nice: int | None = None
    system: int | None = None
    idle: int | None = None
    iowait: int | None = None
    irq: int | None = None
    softirq: int | None = None
    steal: int | None = None
    context_switches: int | None = None
    interrupts: int | None = None
    created: int | None = None
    runnable: int | None = None
    cpus: int | None = None
    """CPUs that are online, of which each has a line; None where no line names one."""


_HZ = os.sysconf("SC_CLK_TCK")
_STEP_BACK = 10
"""Ticks by which the kernel may take back idle and iowait time; more is a CPU that went offline."""
_LATE_S = 0.5
"""A busy machine may read the ticks so much later than the clock."""
_LINES = {
    b"ctxt": "context_switches",
    b"intr": "interrupts",
    b"processes": "created",
    b"procs_running": "runnable",
}


def parse_stat(content: bytes) -> StatSample:
    """Read /proc/stat; what is missing or malformed is None."""
    found: dict[str, int | None] = {}
    cpus = 0
    for line in content.splitlines():
        key, _, rest = line.partition(b" ")
        if key == b"cpu":
            ticks = rest.split()
            names = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
            found |= {name: at(ticks, position) for position, name in enumerate(names)}
        elif key in _LINES:
            found[_LINES[key]] = at(rest.split(None, 1), 0)
        elif key.startswith(b"cpu"):
            cpus += 1
    return StatSample(**found, cpus=cpus or None)


def parse_load(content: bytes) -> float | None:
    """The one-minute load average in /proc/loadavg."""
    try:
        load = float(content.split(None, 1)[0])
    except (IndexError, ValueError):
        return None
    return load if math.isfinite(load) and load >= 0 else None


def derive(before: StatSample, after: StatSample, seconds: float) -> dict[str, float]:
    """Shares of CPU time in percent, and events a second, between two samples."""

    def per_second(name: str) -> float | None:
        change = grown(getattr(before, name), getattr(after, name))
        return None if change is None else change / seconds

    values = present(
        {
            "system.cpu.context_switches": per_second("context_switches"),
            "system.cpu.interrupts": per_second("interrupts"),
            "system.process.created": per_second("created"),
        }
    )
    return values | _shares(before, after, seconds)


def _shares(before: StatSample, after: StatSample, seconds: float) -> dict[str, float]:
    """Percent of the ticks that passed; empty when the ticks contradict the time.

    They do when a CPU goes offline, whose idle time goes with it, and when it comes back.
    """

    def ticks(name: str) -> int | None:
        return grown(getattr(before, name), getattr(after, name))

    def resting(name: str) -> int | None:
        start, end = getattr(before, name), getattr(after, name)
        return None if start is None or end is None else int(end - start)

    user, nice, system, steal = (ticks(name) for name in ("user", "nice", "system", "steal"))
    irq, softirq = ticks("irq"), ticks("softirq")
    idle, iowait = resting("idle"), resting("iowait")
    if idle is None or min(idle, iowait or 0) < -_STEP_BACK:
        return {}
    idle, iowait = max(0, idle), None if iowait is None else max(0, iowait)
    if user is None or nice is None or system is None:
        return {}
    known = (user, nice, system, idle, iowait or 0, irq or 0, softirq or 0, steal or 0)
    total = sum(known)
    cpus = max(before.cpus or 0, after.cpus or 0) or os.cpu_count() or 1
    if total == 0 or total > cpus * _HZ * (seconds + _LATE_S):
        return {}

    def share(part: int | None) -> float | None:
        return None if part is None else 100 * part / total

    return present(
        {
            "system.cpu.utilization": share(total - idle - (iowait or 0)),
            "system.cpu.utilization.user": share(user + nice),
            "system.cpu.utilization.system": share(system),
            "system.cpu.utilization.iowait": share(iowait),
            "system.cpu.utilization.steal": share(steal),
            "system.cpu.utilization.irq": None if irq is None or softirq is None else share(irq + softirq),
        }
    )


class CpuSource:
    """Reads /proc/stat and /proc/loadavg below ``root``."""

    name = "cpu"

    def __init__(self, root: Path) -> None:
        self._stat = KernelFile(root / "proc/stat")
        self._load = KernelFile(root / "proc/loadavg")
        self._previous: Previous[StatSample] = Previous()

    def read(self, now: float) -> Reading:
        """CPU shares and rates since the last call, load and runnable tasks now."""
        values: dict[str, float] = {}
        reasons: list[str] = []
        try:
            sample = parse_stat(self._stat.read())
        except OSError as error:
            reasons.append(why(self._stat.path, error))
        else:
            before = self._previous.swap(sample, now)
            if before is not None:
                values |= derive(before[0], sample, before[1])
            if sample.runnable is not None:
                values["system.cpu.runnable"] = sample.runnable
        try:
            load = parse_load(self._load.read())
        except OSError as error:
            reasons.append(why(self._load.path, error))
        else:
            if load is not None:
                values["system.cpu.load_average.1m"] = load
        return Reading(values, "; ".join(reasons))

    def close(self) -> None:
        """Close both files."""
        self._stat.close()
        self._load.close()
