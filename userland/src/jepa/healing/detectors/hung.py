# SPDX-License-Identifier: Apache-2.0
"""Services that run and do nothing: connections wait to be accepted, and no CPU time is used.

Services with a watchdog of their own are systemd's business: it kills them, and they are seen as failed.
"""

from collections.abc import Iterator

from jepa.healing.finding import Fault, Finding, Offender
from jepa.healing.history import History, Sustained
from jepa.healing.observation import Observation

_HUNG_S = 10.0
_IDLE_CPU = 0.01
"""CPU seconds a second below which it does nothing: one that is merely slow uses more."""


class Hung:
    """A service that accepts nothing for ten seconds while something waits, and that is not just busy."""

    def __init__(self) -> None:
        self._cpu: dict[str, History] = {}
        self._waits: dict[str, Sustained] = {}

    def observe(self, observation: Observation) -> Iterator[Finding]:
        """The services that hang."""
        for name, unit in observation.units.items():
            if unit.cpu_s is None or unit.active != "active":
                continue
            cpu = self._cpu.setdefault(name, History(_HUNG_S))
            if cpu.last is not None and unit.cpu_s < cpu.last:
                cpu.clear()
            cpu.push(observation.now_s, unit.cpu_s)
            rate = cpu.rate(_HUNG_S)
            still = unit.waiting > 0 and rate is not None and rate < _IDLE_CPU
            if self._waits.setdefault(name, Sustained(_HUNG_S)).push(observation.now_s, still):
                yield Finding(
                    Fault.HUNG,
                    name,
                    f"{name} accepts no connection: {unit.waiting} wait for {_HUNG_S:.0f} s or more, "
                    "and it uses no CPU time",
                    (Offender(name),),
                    evidence={"waiting": unit.waiting},
                )
