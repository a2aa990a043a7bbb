# SPDX-License-Identifier: Apache-2.0
"""Units that take all of something that others need: CPU time, processes, the log."""

from collections.abc import Iterator, Mapping

from jepa.healing.finding import Fault, Finding, RepairTarget
from jepa.healing.observation import Observation
from jepa.healing.recent_numbers import RecentNumbers, Sustained

_RUNAWAY_S = 5.0
_RUNAWAY_SHARE = 0.8
_VICTIM_WAITS = 0.7
_RATE_S = 3.0
_USUAL = 100
"""systemd's weight of a unit for which none is set; who has less is meant to wait."""
_FORK_S = 3.0
_FORK_LEAST = 400
_FORK_GROWTH = 200
_LOG_S = 5.0
_LOG_BUSY = 0.25
_LOG_SHARE = 0.6
_JOURNAL = "systemd-journald.service"


class Runaway:
    """A unit that uses nearly all CPU time while one of lower, but usual, weight waits for most of the time.

    Of units of the same weight none is kept waiting for long by one that wants all: the scheduler sees to
    that. So work that was started to use all CPUs is no runaway, and what is meant to wait is no victim.
    """

    def __init__(self) -> None:
        self._cpu: dict[str, RecentNumbers] = {}
        self._waits: dict[str, RecentNumbers] = {}
        self._long: dict[str, Sustained] = {}

    def observe(self, observation: Observation) -> Iterator[Finding]:
        """The units that run away."""
        now = observation.now_s
        used = self._rates(observation, self._cpu, {n: unit.cpu_s for n, unit in observation.units.items()})
        waited = self._rates(
            observation, self._waits, {n: unit.cpu_wait_s for n, unit in observation.units.items()}
        )
        for name, rate in used.items():
            share = rate / observation.cpus
            weight = observation.units[name].cpu_weight or 0
            victim, waits = max(
                (
                    (other, wait)
                    for other, wait in waited.items()
                    if other != name and _USUAL <= (observation.units[other].cpu_weight or 0) < weight
                ),
                key=lambda each: each[1],
                default=("", 0.0),
            )
            long = self._long.setdefault(name, Sustained(_RUNAWAY_S, grace_s=2.0))
            if long.push(now, share >= _RUNAWAY_SHARE and waits >= _VICTIM_WAITS):
                yield Finding(
                    Fault.RUNAWAY,
                    name,
                    f"{name} uses {100 * share:.0f} % of all CPU time for {_RUNAWAY_S:.0f} s or more, and "
                    f"{victim} waits {100 * waits:.0f} % of the time for some",
                    (RepairTarget(name),),
                    evidence={"share": 100 * share, "waits": 100 * waits},
                )
        for gone in self._long.keys() - observation.units.keys():
            del self._long[gone]

    def _rates(
        self, observation: Observation, kept: dict[str, RecentNumbers], values: Mapping[str, float | None]
    ) -> dict[str, float]:
        """Growth per second over the last seconds, of those where that is known."""
        found: dict[str, float] = {}
        for name, value in values.items():
            if value is None:
                continue
            history = kept.setdefault(name, RecentNumbers(_RATE_S))
            if history.last is not None and value < history.last:
                history.clear()
            history.push(observation.now_s, value)
            if (rate := history.rate(_RATE_S)) is not None:
                found[name] = rate
        for gone in kept.keys() - values.keys():
            del kept[gone]
        return found


class ForkStorm:
    """A unit whose processes multiply."""

    def __init__(self) -> None:
        self._tasks: dict[str, RecentNumbers] = {}

    def observe(self, observation: Observation) -> Iterator[Finding]:
        """The units that fork without end."""
        for name, unit in observation.units.items():
            if unit.tasks is None:
                continue
            history = self._tasks.setdefault(name, RecentNumbers(_FORK_S))
            history.push(observation.now_s, unit.tasks)
            grown = history.growth(_FORK_S)
            if unit.tasks >= _FORK_LEAST and grown >= _FORK_GROWTH:
                yield Finding(
                    Fault.FORK_STORM,
                    name,
                    f"{name} has {unit.tasks} tasks, {grown:.0f} more than {_FORK_S:.0f} s ago",
                    (RepairTarget(name),),
                    evidence={"tasks": unit.tasks},
                )
        for gone in self._tasks.keys() - observation.units.keys():
            del self._tasks[gone]


class LogStorm:
    """A unit that logs so much that journald takes a quarter of a CPU for it, for five seconds."""

    def __init__(self) -> None:
        self._journal = RecentNumbers(_LOG_S)

    def observe(self, observation: Observation) -> Iterator[Finding]:
        """The unit that floods the log, at most one: most of the newest lines are its own."""
        journal = observation.units.get(_JOURNAL)
        if journal is None or journal.cpu_s is None:
            return
        if self._journal.last is not None and journal.cpu_s < self._journal.last:
            self._journal.clear()
        self._journal.push(observation.now_s, journal.cpu_s)
        busy = self._journal.rate(_LOG_S) or 0.0
        lines = sum(observation.log_lines.values())
        if busy < _LOG_BUSY or not lines:
            return
        name, most = max(observation.log_lines.items(), key=lambda each: each[1])
        if most >= _LOG_SHARE * lines:
            yield Finding(
                Fault.LOG_STORM,
                name,
                f"{name} floods the log: {100 * most / lines:.0f} % of its newest lines, for which journald "
                f"takes {100 * busy:.0f} % of a CPU",
                (RepairTarget(name),),
                evidence={"journald": 100 * busy, "share": 100 * most / lines},
            )
