# SPDX-License-Identifier: Apache-2.0
"""CPU time, load, context switches and process creation, from /proc/stat and /proc/loadavg."""

import math
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


_LINES = {
    b"ctxt": "context_switches",
    b"intr": "interrupts",
    b"processes": "created",
    b"procs_running": "runnable",
}


def parse_stat(content: bytes) -> StatSample:
    """Read /proc/stat; what is missing or malformed is None."""
    found: dict[str, int | None] = {}
    for line in content.splitlines():
        key, _, rest = line.partition(b" ")
        if key == b"cpu":
            ticks = rest.split()
            names = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
            found |= {name: at(ticks, position) for position, name in enumerate(names)}
        elif key in _LINES:
            found[_LINES[key]] = at(rest.split(None, 1), 0)
    return StatSample(**found)


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
    return values | _shares(before, after)


def _shares(before: StatSample, after: StatSample) -> dict[str, float]:
    def ticks(name: str) -> int | None:
        start: int | None = getattr(before, name)
        end: int | None = getattr(after, name)
        # The kernel documents that idle and iowait may step back; nothing else does unless a CPU went away.
        if name in ("idle", "iowait") and start is not None and end is not None:
            return max(0, end - start)
        return grown(start, end)

    user, nice, system, idle = (ticks(name) for name in ("user", "nice", "system", "idle"))
    iowait, irq, softirq, steal = (ticks(name) for name in ("iowait", "irq", "softirq", "steal"))
    if user is None or nice is None or system is None or idle is None:
        return {}
    known = (user, nice, system, idle, iowait or 0, irq or 0, softirq or 0, steal or 0)
    total = sum(known)
    if total == 0:
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
