# SPDX-License-Identifier: Apache-2.0
"""Units whose memory grows along a straight line towards a limit: their own, or all there is."""

from collections.abc import Iterator

from jepa.healing.finding import Fault, Finding, RepairTarget
from jepa.healing.observation import Observation, UnitSample
from jepa.healing.recent_numbers import LeastSquares, Line

_SEEN_S = 300.0
_LEAST_S = 60.0
_EXPLAINED = 0.95
_STEEP_S = 20.0
_STEEP_EXPLAINED = 0.99
_STEEP_LEFT_S = 20.0
"""One that reaches its own limit within this is believed sooner: the kernel would kill it anyway."""
_AHEAD_S = 900.0
_LEAST_SHARE = 0.05
"""Growth, as a share of the limit, below which nothing is a leak yet."""


class Leak:
    """A service that will reach its limit within fifteen minutes if it goes on as it did for one to five."""

    def __init__(self) -> None:
        self._memory: dict[str, tuple[LeastSquares, LeastSquares]] = {}

    def observe(self, observation: Observation) -> Iterator[Finding]:
        """The services that leak."""
        for name, unit in observation.units.items():
            if unit.anonymous is None or not name.endswith(".service"):
                continue
            trends = self._memory.get(name)
            if trends is None or unit.anonymous < 0.8 * (trends[0].last or 0):
                # new, restarted, or it gave memory back: no leak
                trends = self._memory[name] = LeastSquares(_SEEN_S), LeastSquares(_STEEP_S + 1)
            for each in trends:
                each.push(observation.now_s, unit.anonymous)
            yield from self._judge(unit, *trends, observation)
        for gone in self._memory.keys() - observation.units.keys():
            del self._memory[gone]

    def _judge(
        self, unit: UnitSample, seen: LeastSquares, steep: LeastSquares, observation: Observation
    ) -> Iterator[Finding]:
        held = unit.anonymous or 0
        left = observation.memory_available + observation.swap_free
        limit, own = held + left, False
        if unit.memory_limit is not None and unit.memory_limit < limit:
            limit, left, own = unit.memory_limit, max(0, unit.memory_limit - held), True
        line = seen.line()
        if line is None or not _leads(line, left, limit, _LEAST_S, _EXPLAINED, _AHEAD_S):
            line = steep.line() if own else None
            if line is None or not _leads(line, left, limit, _STEEP_S, _STEEP_EXPLAINED, _STEEP_LEFT_S):
                return
        yield Finding(
            Fault.LEAK,
            unit.name,
            f"{unit.name} grows by {line.rate * 60 / 2**20:.1f} MiB a minute and reaches "
            f"{limit / 2**20:.0f} MiB in {left / line.rate / 60:.1f} minutes",
            (RepairTarget(unit.name),),
            left_s=left / line.rate,
            evidence={"bytes_per_second": line.rate, "limit": limit},
        )


def _leads(line: Line, left: int, limit: int, least_s: float, explained: float, ahead_s: float) -> bool:
    """Whether what is held grows along ``line`` to the limit within ``ahead_s``."""
    return (
        line.rate > 0
        and line.span_s >= least_s
        and line.explained >= explained
        and line.rate * line.span_s >= _LEAST_SHARE * limit
        and left / line.rate <= ahead_s
    )
