# SPDX-License-Identifier: Apache-2.0
"""Units that failed, and units that systemd restarts again and again."""

from collections.abc import Iterator

from jepa.healing.finding import Fault, Finding, RepairTarget
from jepa.healing.observation import Observation, UnitSample
from jepa.healing.recent_numbers import RecentNumbers

_FLAPPING_RESTARTS = 4
_FLAPPING_S = 60.0


class UnitFailed:
    """A service that failed and that somebody wants: it ran while we watched, or it is started at boot.

    One that was stopped is inactive and not failed, and one that systemd restarts itself is activating: both
    are left alone.
    """

    def __init__(self) -> None:
        self._ran: set[str] = set()

    def observe(self, observation: Observation) -> Iterator[Finding]:
        """The failed services."""
        for name, unit in observation.units.items():
            if unit.active in ("active", "reloading"):
                self._ran.add(name)
            elif (
                unit.active == "failed" and name.endswith(".service") and (unit.enabled or name in self._ran)
            ):
                yield self._finding(unit, observation)

    def _finding(self, unit: UnitSample, observation: Observation) -> Finding:
        dead = [
            name
            for name in unit.requires
            if (found := observation.units.get(name)) is not None and found.active in ("failed", "inactive")
        ]
        if dead:
            return Finding(
                Fault.DEPENDENCY_FAILED,
                unit.name,
                f"{unit.name} failed ({unit.result}); {', '.join(dead)}, which it requires, does not run",
                tuple(RepairTarget(name) for name in (*dead, unit.name)),
            )
        return Finding(
            Fault.UNIT_FAILED, unit.name, f"{unit.name} failed ({unit.result})", (RepairTarget(unit.name),)
        )


class Flapping:
    """A unit that systemd has restarted four times within a minute: a restart does not help it."""

    def __init__(self) -> None:
        self._restarts: dict[str, RecentNumbers] = {}

    def observe(self, observation: Observation) -> Iterator[Finding]:
        """The units that flap."""
        for name, unit in observation.units.items():
            if not name.endswith(".service"):
                continue
            history = self._restarts.setdefault(name, RecentNumbers(_FLAPPING_S))
            if history.last is not None and unit.restarts < history.last:
                history.clear()
            history.push(observation.now_s, unit.restarts)
            times = history.growth(_FLAPPING_S)
            if times >= _FLAPPING_RESTARTS:
                yield Finding(
                    Fault.FLAPPING,
                    name,
                    f"{name} was restarted {times:.0f} times within {_FLAPPING_S:.0f} s",
                    (RepairTarget(name),),
                    evidence={"restarts": times},
                )
