# SPDX-License-Identifier: Apache-2.0
"""Forecasts of a signal by what needs no training: the past window, and how far past windows missed. Pure.

The coming window (t, t+h] is forecast to be as the past one of the same length was, corrected by the
quantiles of what that missed lately. How wide the interval is follows whether it held (adaptive conformal
inference, Gibbs and Candes 2021, arXiv:2106.00263): so its coverage comes out right in the long run,
whatever the series does. Windows that overlap are no further evidence, so h of them count as one.
"""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

HORIZONS_S: Final = (5, 15, 30)
"""Windows, of as many readings: there is one a second."""
COVERAGE: Final = 0.9
LEAST_WINDOWS: Final = 10
"""Windows, one after the other, whose miss is known, before anything is forecast."""
GAP_S: Final = 2.5
"""Readings further apart belong to no window together."""
_REMEMBERED: Final = 900
_STEP: Final = 0.02
"""How fast the width follows."""

Interval = tuple[float, float, float]
"""The 5 %, 50 % and 95 % quantile."""
Forecast = Mapping[int, Mapping[str, Interval]]
"""By horizon in seconds, of the window's ``mean`` and ``p90``."""


class _Window:
    """Forecasts one number of the window of one length."""

    def __init__(self, length: int, number: Callable[[Sequence[float]], float]) -> None:
        self._length = length
        self._number = number
        self._order: deque[float] = deque()
        self._misses: list[float] = []
        """The same, sorted."""
        self._out = 1 - COVERAGE
        """Share of misses that are left outside."""
        self._promised: deque[tuple[float, Interval | None]] = deque()
        """By reading, the number of the window up to it, and what was forecast of the window after it."""
        self.newest: Interval | None = None

    def add(self, values: Sequence[float]) -> None:
        """The newest ``values`` are known, the last of them is new."""
        if len(values) < self._length:
            return
        now = self._number(values[-self._length :])
        if len(self._promised) == self._length:
            before, promised = self._promised.popleft()
            self._remember(now - before)
            if promised is not None:
                held = promised[0] <= now <= promised[2]
                self._out += _STEP * ((1 - COVERAGE) - (not held))
                self._out = min(max(self._out, 0.0), 0.5)
        self.newest = self._interval(now)
        self._promised.append((now, self.newest))

    def interrupt(self) -> None:
        """What follows is no neighbour of what was."""
        self._promised.clear()
        self.newest = None

    def _remember(self, miss: float) -> None:
        self._order.append(miss)
        insort(self._misses, miss)
        if len(self._order) > _REMEMBERED:
            del self._misses[bisect_left(self._misses, self._order.popleft())]

    def _interval(self, now: float) -> Interval | None:
        windows = len(self._misses) / self._length
        if windows < LEAST_WINDOWS:
            return None
        tail = self._out / 2
        tail = max(0.0, tail - (1 - tail) / windows)  # of few, the next one is further out than they say
        low, high = (quantile(self._misses, share) for share in (tail, 1 - tail))
        return now + low, now + quantile(self._misses, 0.5), now + high


class SignalForecaster:
    """Forecasts one signal, from as much of its past as it has seen."""

    def __init__(self) -> None:
        self._values: deque[float] = deque(maxlen=max(HORIZONS_S))
        self._at_s: float | None = None
        self._windows = {
            length: {"mean": _Window(length, _mean), "p90": _Window(length, _p90)} for length in HORIZONS_S
        }

    def add(self, at_s: float, value: float) -> None:
        """A value that can be trusted was read, about a second after the last one."""
        if self._at_s is not None and at_s - self._at_s > GAP_S:
            self._values.clear()
            for windows in self._windows.values():
                for each in windows.values():
                    each.interrupt()
        self._at_s = at_s
        self._values.append(value)
        values = list(self._values)
        for windows in self._windows.values():
            for each in windows.values():
                each.add(values)

    def forecast(self) -> Forecast:
        """Of those windows of which enough is known."""
        found = {
            length: {name: each.newest for name, each in windows.items() if each.newest is not None}
            for length, windows in self._windows.items()
        }
        return {length: each for length, each in found.items() if len(each) == 2}


def quantile(ordered: Sequence[float], share: float) -> float:
    """Of values in order, interpolated between them."""
    at = share * (len(ordered) - 1)
    low = min(int(at), len(ordered) - 2) if len(ordered) > 1 else 0
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (at - low) * (ordered[high] - ordered[low])


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _p90(values: Sequence[float]) -> float:
    return quantile(sorted(values), 0.9)
