# SPDX-License-Identifier: Apache-2.0
"""Units whose memory grows along a straight line towards a limit: their own, or all there is."""

from collections.abc import Iterator

from jepa.healing.finding import Fault, Finding, Offender
from jepa.healing.history import History
from jepa.healing.observation import Observation, UnitSample

_SEEN_S = 300.0
_LEAST_S = 60.0
_EXPLAINED = 0.95
_STEEP_S = 25.0
_STEEP_EXPLAINED = 0.99
_STEEP_LEFT_S = 20.0
"""One that reaches its own limit within this is believed sooner: the kernel would kill it anyway."""
_AHEAD_S = 900.0
_LEAST_SHARE = 0.05
"""Growth, as a share of the limit, below which nothing is a leak yet."""


class Leak:
    """A service that will reach its limit within fifteen minutes if it goes on as it did for one to five."""

    def __init__(self) -> None:
        self._memory: dict[str, History] = {}

    def observe(self, observation: Observation) -> Iterator[Finding]:
        """The services that leak."""
        for name, unit in observation.units.items():
            if unit.anonymous is None or not name.endswith(".service"):
                continue
            history = self._memory.setdefault(name, History(_SEEN_S))
            if history.last is not None and unit.anonymous < 0.8 * history.last:
                history.clear()  # restarted, or it gave memory back: no leak
            history.push(observation.now_s, unit.anonymous)
            yield from self._judge(unit, history, observation)
        for gone in self._memory.keys() - observation.units.keys():
            del self._memory[gone]

    def _judge(self, unit: UnitSample, history: History, observation: Observation) -> Iterator[Finding]:
        line = history.line()
        if line is None or line.span_s < _STEEP_S or line.explained < _EXPLAINED or line.rate <= 0:
            return
        left = observation.memory_available + observation.swap_free
        limit = (unit.anonymous or 0) + left
        if unit.memory_limit is not None and unit.memory_limit < limit:
            limit, left = unit.memory_limit, max(0, unit.memory_limit - (unit.anonymous or 0))
        own = limit == unit.memory_limit
        steep = own and line.explained >= _STEEP_EXPLAINED and left / line.rate <= _STEEP_LEFT_S
        if line.span_s < _LEAST_S and not steep:
            return
        if line.rate * line.span_s < _LEAST_SHARE * limit or left / line.rate > _AHEAD_S:
            return
        yield Finding(
            Fault.LEAK,
            unit.name,
            f"{unit.name} grows by {line.rate * 60 / 2**20:.1f} MiB a minute and reaches "
            f"{limit / 2**20:.0f} MiB in {left / line.rate / 60:.1f} minutes",
            (Offender(unit.name),),
            left_s=left / line.rate,
            evidence={"bytes_per_second": line.rate, "limit": limit},
        )
