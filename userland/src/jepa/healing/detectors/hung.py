# SPDX-License-Identifier: Apache-2.0
"""Services that run and do nothing: connections wait to be accepted, and no CPU time is used.

Services with a watchdog of their own are systemd's business: it kills them, and they are seen as failed.
"""

from collections.abc import Iterator

from jepa.healing.finding import Fault, Finding, RepairTarget
from jepa.healing.observation import Observation
from jepa.healing.recent_numbers import RecentNumbers, Sustained

_SLOW_S = 10.0
_SLOW_CPU = 0.01
"""CPU seconds a second below which it does nothing: one that is merely slow uses more."""
_STILL_S = 5.0
"""Sooner for one that uses no CPU time at all and waits for no disk: nothing on its way could end that."""
_STILL_CPU_S = 0.0005
_STILL_IO_S = 0.05
"""CPU time and time waited for disks since the last look, from which on it is not still."""


class Hung:
    """A service that accepts nothing for some seconds while something waits, and that is not just busy."""

    def __init__(self) -> None:
        self._cpu: dict[str, RecentNumbers] = {}
        self._io: dict[str, float] = {}
        self._slow: dict[str, Sustained] = {}
        self._still: dict[str, Sustained] = {}

    def observe(self, observation: Observation) -> Iterator[Finding]:
        """The services that hang."""
        now = observation.now_s
        for name, unit in observation.units.items():
            if unit.cpu_s is None or unit.active != "active":
                continue
            cpu = self._cpu.setdefault(name, RecentNumbers(_SLOW_S))
            if cpu.last is not None and unit.cpu_s < cpu.last:
                cpu.clear()
            used = None if cpu.last is None else unit.cpu_s - cpu.last
            cpu.push(now, unit.cpu_s)
            rate = cpu.rate(_SLOW_S)
            io = unit.io_wait_s or 0.0
            read, self._io[name] = io - self._io.get(name, 0.0), io
            waits = unit.waiting > 0
            still = waits and used is not None and used < _STILL_CPU_S and read < _STILL_IO_S
            slow = waits and rate is not None and rate < _SLOW_CPU
            for found, states, seconds in (
                (still, self._still, _STILL_S),
                (slow, self._slow, _SLOW_S),
            ):
                hangs = states.setdefault(name, Sustained(seconds)).push(now, found)
                if hangs:
                    yield Finding(
                        Fault.HUNG,
                        name,
                        f"{name} accepts no connection: {unit.waiting} wait for {seconds:.0f} s or more, "
                        "and it uses no CPU time",
                        (RepairTarget(name),),
                        evidence={"waiting": unit.waiting},
                    )
                    break
