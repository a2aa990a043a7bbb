# SPDX-License-Identifier: Apache-2.0
"""Memory that runs out: every program waits for pages, or the last of them go within seconds."""

from collections.abc import Iterator

from jepa.healing.finding import Fault, Finding, RepairTarget
from jepa.healing.observation import Observation
from jepa.healing.recent_numbers import RecentNumbers

_FULL = 0.10
"""Share of time in which every program waits for memory that nobody works in any more."""
_SOME = 0.40
_WINDOW_S = 1.0
_SCARCE = 0.12
"""Share of memory below which it counts how fast the rest goes."""
_GONE_S = 4.0
_SWAP_GONE_S = 6.0
"""Memory and swap that will be gone within so long: the last of it goes fastest."""
_GROWTH_S = 15.0
_LEAST_SHARE = 0.10
"""Share of memory that an offender must have grown by, or hold."""


class MemoryThrashing:
    """The machine waits for memory, or will within seconds; offenders are those that grew most of late."""

    def __init__(self) -> None:
        self._full, self._some = RecentNumbers(_WINDOW_S * 2), RecentNumbers(_WINDOW_S * 2)
        self._available = RecentNumbers(_GROWTH_S)
        self._left = RecentNumbers(_GROWTH_S)
        self._units: dict[str, RecentNumbers] = {}
        self._processes: dict[int, RecentNumbers] = {}

    def observe(self, observation: Observation) -> Iterator[Finding]:
        """At most one finding, of the machine."""
        now, total = observation.now_s, observation.memory_total
        for history, value in (
            (self._full, observation.memory_full_s),
            (self._some, observation.memory_some_s),
        ):
            if value is not None:
                history.push(now, value)
        left = observation.memory_available + observation.swap_free
        self._available.push(now, observation.memory_available)
        self._left.push(now, left)
        self._follow(observation)
        full, some = self._full.rate(_WINDOW_S) or 0.0, self._some.rate(_WINDOW_S) or 0.0
        falls = -(self._available.rate(2.0) or 0.0)
        available = observation.memory_available
        scarce = total > 0 and available < _SCARCE * total
        gone_s = available / falls if scarce and falls > 0 else float("inf")
        drains = -(self._left.rate(2.0) or 0.0)
        all_gone_s = left / drains if scarce and drains > 0 else float("inf")
        if not (
            full >= _FULL or (some >= _SOME and scarce) or gone_s <= _GONE_S or all_gone_s <= _SWAP_GONE_S
        ):
            return
        offenders = self._offenders(observation)
        if offenders:
            culprit = offenders[0]
            yield Finding(
                Fault.MEMORY_THRASHING,
                "memory",
                f"memory runs out: {available / 2**20:.0f} MiB are available, all programs wait "
                f"{100 * full:.0f} % of the time; {culprit} grew most",
                offenders,
                evidence={"available": available, "full": 100 * full, "some": 100 * some},
            )

    def _follow(self, observation: Observation) -> None:
        units = {
            name: unit.anonymous for name, unit in observation.units.items() if unit.anonymous is not None
        }
        for name, held in units.items():
            self._units.setdefault(name, RecentNumbers(_GROWTH_S)).push(observation.now_s, held)
        for process in observation.processes:
            history = self._processes.setdefault(process.pid, RecentNumbers(_GROWTH_S))
            history.push(observation.now_s, process.anonymous)
        for gone in self._units.keys() - units.keys():
            del self._units[gone]
        for ended in self._processes.keys() - {process.pid for process in observation.processes}:
            del self._processes[ended]

    def _offenders(self, observation: Observation) -> tuple[RepairTarget, ...]:
        """Those that grew most, then those that hold most; a session is judged by its processes."""
        least = _LEAST_SHARE * observation.memory_total
        found: list[tuple[float, float, RepairTarget]] = []
        sessions = {process.unit for process in observation.processes}
        for name, history in self._units.items():
            if name not in sessions and (held := history.last or 0.0) >= least:
                found.append((history.growth(_GROWTH_S), held, RepairTarget(name)))
        for process in observation.processes:
            history = self._processes[process.pid]
            if process.anonymous >= least:
                offender = RepairTarget(str(process.pid), "process", process.name)
                found.append((history.growth(_GROWTH_S), process.anonymous, offender))
        found.sort(key=lambda each: (each[0] >= least / 4, each[0], each[1]), reverse=True)
        return tuple(offender for _, _, offender in found[:5])
