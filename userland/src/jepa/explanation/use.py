# SPDX-License-Identifier: Apache-2.0
"""What each unit and process uses, from two looks at the machine some seconds apart."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from jepa.healing.observation import Observation, UnitSample

_WHOLE: Final = 100.0


@dataclass(frozen=True, slots=True)
class UnitUse:
    """One unit: what it used and waited for per second, and what it holds. 0 where it does not say."""

    name: str
    cpu: float = 0.0
    """Percent of all CPU time of the machine."""
    cpu_wait: float = 0.0
    """Percent of time in which some of its processes waited for a CPU; so are the next two."""
    io_wait: float = 0.0
    throttled: float = 0.0
    """Percent of time, of one CPU, in which it had spent its quota; may exceed 100."""
    read: float = 0.0
    """Bytes a second from devices."""
    written: float = 0.0
    """Bytes a second to files and devices."""
    memory: float = 0.0
    """Bytes of anonymous memory and swap."""
    growth: float = 0.0
    """Bytes a second by which that grew."""
    limit: float | None = None
    """Bytes of both at which the kernel kills within it."""
    tasks: float = 0.0
    forks: float = 0.0
    """Tasks a second by which it grew."""
    wrote: float = 0.0
    """Bytes to files and devices since its control group was made."""
    connections: int = 0
    """Connections that it asked for between the looks, of those that were seen."""
    waiting: int = 0
    """Connections that waited at both looks for it to accept them."""
    weight: int | None = None
    """Its share of the CPU beside other services; None for one that is not among them."""
    active: str = "active"
    """systemd's ActiveState."""
    result: str = "success"
    requires: tuple[str, ...] = ()
    restarts: int = 0
    """How often systemd restarted it between the looks."""

    @property
    def is_ours(self) -> bool:
        """Whether it is a part of JEPA OS: that it has to wait is no harm to a person."""
        return self.name.startswith("jepa")

    @property
    def io(self) -> float:
        """Bytes a second, both ways."""
        return self.read + self.written


@dataclass(frozen=True, slots=True)
class ProcessUse:
    """One process."""

    pid: int
    name: str
    unit: str
    """The unit it runs in; empty for threads of the kernel."""
    cpu: float = 0.0
    """Percent of all CPU time of the machine."""
    memory: float = 0.0
    """Bytes of anonymous memory and swap."""
    switches: float = 0.0
    """Times a second that one of its threads left a CPU, to wait or for another."""

    def __str__(self) -> str:
        return f"{self.name}, process {self.pid}"


@dataclass(frozen=True, slots=True)
class ProcessCount:
    """The counters of one process at one look."""

    name: str
    unit: str
    cpu_s: float
    memory: int
    switches: int


def unit_uses(
    before: Observation, after: Observation, connections: Mapping[str, int] | None = None
) -> dict[str, UnitUse]:
    """The use of each unit that was there at both looks; ``connections``: how many it asked for."""
    seconds = after.now_s - before.now_s
    if seconds <= 0:
        return {}
    return {
        name: replace(
            _use(before.units[name], unit, seconds, after.cpus), connections=(connections or {}).get(name, 0)
        )
        for name, unit in after.units.items()
        if name in before.units
    }


def process_uses(
    before: Mapping[int, ProcessCount], after: Mapping[int, ProcessCount], seconds: float, cpus: int
) -> tuple[ProcessUse, ...]:
    """The use of each process that was there at both looks."""
    return tuple(
        ProcessUse(
            pid,
            now.name,
            now.unit,
            _WHOLE * max(0.0, now.cpu_s - before[pid].cpu_s) / seconds / cpus,
            now.memory,
            max(0, now.switches - before[pid].switches) / seconds,
        )
        for pid, now in after.items()
        if pid in before
    )


def _use(before: UnitSample, after: UnitSample, seconds: float, cpus: int) -> UnitUse:
    def rate(first: float | None, last: float | None) -> float:
        return 0.0 if first is None or last is None else max(0.0, last - first) / seconds

    def rose(first: float | None, last: float | None) -> float:
        return 0.0 if first is None or last is None else (last - first) / seconds

    return UnitUse(
        after.name,
        cpu=_WHOLE * rate(before.cpu_s, after.cpu_s) / cpus,
        cpu_wait=min(_WHOLE, _WHOLE * rate(before.cpu_wait_s, after.cpu_wait_s)),
        io_wait=min(_WHOLE, _WHOLE * rate(before.io_wait_s, after.io_wait_s)),
        throttled=_WHOLE * rate(before.throttled_s, after.throttled_s),
        read=rate(before.read, after.read),
        written=rate(before.written, after.written),
        wrote=after.written or 0.0,
        memory=after.anonymous or 0.0,
        growth=rose(before.anonymous, after.anonymous),
        limit=after.memory_limit,
        tasks=after.tasks or 0.0,
        forks=rose(before.tasks, after.tasks),
        waiting=min(before.waiting, after.waiting),
        weight=after.cpu_weight,
        active=after.active,
        result=after.result,
        requires=after.requires,
        restarts=max(0, after.restarts - before.restarts),
    )


def largest(uses: Iterable[UnitUse], by: str, many: int = 3) -> list[UnitUse]:
    """The ``many`` units with most of the attribute ``by``, those with none left out."""
    found = [use for use in uses if getattr(use, by) > 0]
    return sorted(found, key=lambda use: (-getattr(use, by), use.name))[:many]
