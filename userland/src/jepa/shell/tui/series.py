# SPDX-License-Identifier: Apache-2.0
"""Keeps what was observed and what had been forecast for it, and judges the one by the other.

A forecast speaks of the mean over a coming window (t, t+h]. So everything here compares like with like: the
value shown at second ``k`` is the mean over the last ``h`` seconds, and the band beneath it is what was
forecast for those very seconds when they began.
"""

import itertools
import math
from array import array
from collections import deque
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from jepa.service.api import Band, FrameOut, TickOut
from jepa.shell.formatting import Interval, interval

KEEP_S = 3600
"""How long observations and forecasts are kept: as far as a replay goes back."""
JUDGED_S = 600
"""How long verdicts are kept."""
TOLERANCE = 0.1
"""How far outside its band a value may lie and still count as inside, in noise floors."""
COMPLETE = 0.8
"""The share of a window's seconds that must have been observed for a verdict."""


class Point(NamedTuple):
    """One second of the past: the mean over the window that ends there, and what was forecast for it."""

    value: float
    """NaN where the window was not observed."""
    band: Interval | None
    """None where nothing had been forecast."""


def fan(bands: Mapping[int, Interval], now: float, seconds: int) -> list[Interval]:
    """One interval for each of the coming ``seconds``, from the latest forecast.

    Entry ``d - 1`` is the band of the mean over the coming ``d`` seconds: exact at the horizons forecast,
    straight between them, starting from the value ``now``. Empty when nothing is forecast.
    """
    if not bands:
        return []
    start = now if math.isfinite(now) else bands[min(bands)].median
    nodes = [(0, Interval(start, start, start)), *sorted(bands.items())]
    result: list[Interval] = []
    for (left, a), (right, b) in itertools.pairwise(nodes):
        for second in range(left + 1, min(right, seconds) + 1):
            share = (second - left) / (right - left)
            result.append(Interval(*(x + (y - x) * share for x, y in zip(a, b, strict=True))))
    return result


class _Issued(NamedTuple):
    """What was forecast at one second; flat, since an hour of them is kept."""

    horizons: tuple[int, ...]
    numbers: "array[float]"
    """Low, median and high of each horizon."""

    def band(self, horizon: int) -> Interval | None:
        """The band of one horizon; None where there is none."""
        if horizon not in self.horizons:
            return None
        place = 3 * self.horizons.index(horizon)
        return Interval(*self.numbers[place : place + 3])

    @classmethod
    def of(cls, bands: Mapping[int, Interval]) -> "_Issued":
        """``bands`` by horizon."""
        horizons = tuple(sorted(bands))
        return cls(horizons, array("d", itertools.chain.from_iterable(bands[h] for h in horizons)))


class Track:
    """One channel's observations and forecasts, by whole second."""

    def __init__(self, noise_floor: float = 0.0) -> None:
        self.latest = math.nan
        """The newest observation; NaN when the last frame did not hold the channel."""
        self.noise_floor = noise_floor
        self._slack = noise_floor * TOLERANCE
        self._values: dict[int, float] = {}
        self._forecasts: dict[int, _Issued] = {}
        self._verdicts: dict[int, deque[tuple[int, bool]]] = {}

    @property
    def observed(self) -> bool:
        """Whether any observation is held."""
        return bool(self._values)

    @property
    def foreseen(self) -> bool:
        """Whether any forecast is held."""
        return bool(self._forecasts)

    def observe(self, second: int, value: float | None) -> None:
        """Take the value at ``second``, judge the forecasts that come due there, forget what is old."""
        self.latest = math.nan if value is None else value
        self.recall(second, value)
        self._values.pop(second - KEEP_S, None)
        for horizon in {h for h in self._horizons if second - h in self._forecasts}:
            band = self._forecasts[second - horizon].band(horizon)
            mean = self.mean(second, horizon)
            if band is not None and math.isfinite(mean):
                verdicts = self._verdicts.setdefault(horizon, deque(maxlen=JUDGED_S))
                verdicts.append((second, self.holds(mean, band)))
        self._forecasts.pop(second - KEEP_S, None)

    def recall(self, second: int, value: float | None) -> None:
        """Take a value of before that was not drawn then."""
        if value is not None and math.isfinite(value):
            self._values[second] = value

    def forecast(self, second: int, bands: Sequence[Band]) -> None:
        """Keep what was forecast at ``second``."""
        kept = {band.horizon_s: found for band in bands if (found := interval(band.mean)) is not None}
        if kept:
            self._forecasts[second] = _Issued.of(kept)

    def holds(self, value: float, band: Interval) -> bool:
        """Whether ``value`` lies in ``band``, up to a tenth of the noise floor."""
        return band.low - self._slack <= value <= band.high + self._slack

    def mean(self, second: int, window: int) -> float:
        """Mean over (second - window, second]; NaN when less than four fifths of it was observed."""
        values = self._values
        seen = [values[k] for k in range(second - window + 1, second + 1) if k in values]
        return sum(seen) / len(seen) if seen and len(seen) >= window * COMPLETE else math.nan

    def at(self, second: int, window: int) -> Point:
        """What was observed over the window that ends at ``second``, and what was forecast for it."""
        issued = self._forecasts.get(second - window)
        return Point(self.mean(second, window), issued.band(window) if issued else None)

    def ahead(self, second: int, seconds: int) -> list[Interval]:
        """The fan of the forecast made at ``second``; empty when there was none."""
        issued = self._forecasts.get(second)
        if issued is None:
            return []
        bands = {horizon: band for horizon in issued.horizons if (band := issued.band(horizon)) is not None}
        return fan(bands, self._values.get(second, math.nan), seconds)

    def held(self, window: int) -> tuple[int, int]:
        """(inside, judged): forecasts with this window that have come due in the last ten minutes."""
        verdicts = self._verdicts.get(window, ())
        return sum(inside for _, inside in verdicts), len(verdicts)

    def range(self, second: int, seconds: int) -> list[float]:
        """What was observed in the ``seconds`` up to ``second``, oldest first."""
        values = self._values
        return [values[k] for k in range(second - seconds + 1, second + 1) if k in values]

    @property
    def span(self) -> tuple[int, int] | None:
        """The first and the last second that was observed; None where none was."""
        return (min(self._values), max(self._values)) if self._values else None

    @property
    def _horizons(self) -> set[int]:
        newest = next(reversed(self._forecasts.values()), None)
        return {*(newest.horizons if newest else ()), *self._verdicts}


EARLY_S = 0.1
"""How much earlier in its second a frame may come than the one that set the clock, seconds."""
GAP_S = 1.9
"""From this distance on two frames need not share a grid: the sampler may have started anew in between."""


class _Clock:
    """Numbers frames by whole seconds: a late frame keeps its own second and none is counted twice."""

    def __init__(self) -> None:
        self._second = 0
        self._set_second = 0
        self._set_ns = 0
        self._last_ns: int | None = None

    def second(self, ts_ns: int) -> int:
        """The second of the frame at ``ts_ns``, which is later than the frame before."""
        if self._last_ns is None:
            self._set(ts_ns // 1_000_000_000, ts_ns)
        elif (ts_ns - self._last_ns) / 1e9 > GAP_S:
            second = self._set_second + round((ts_ns - self._set_ns) / 1e9)
            self._set(max(second, self._second + 1), ts_ns)
        else:
            second = self._set_second + math.floor((ts_ns - self._set_ns) / 1e9 + EARLY_S)
            if second > self._second:
                self._second = second
            else:
                # The clock was set by a frame that was itself late.
                self._set(self._second + 1, ts_ns)
        self._last_ns = ts_ns
        return self._second

    def _set(self, second: int, ts_ns: int) -> None:
        self._second = self._set_second = second
        self._set_ns = ts_ns


class Board:
    """All channels' tracks, fed with ticks."""

    def __init__(self, noise_floors: Mapping[str, float]) -> None:
        self.tracks = {name: Track(floor) for name, floor in noise_floors.items()}
        self.second: int | None = None
        """The newest frame's second; None before the first."""
        self.horizons: tuple[int, ...] = ()
        """The horizons the newest forecast had, ascending, in seconds."""
        self.last_ns = 0
        """The newest frame's time, nanoseconds since the epoch."""
        self._clock = _Clock()
        self._seconds: dict[int, int] = {}
        """The second of each frame, by its time."""

    def fill(self, frames: Sequence[FrameOut]) -> None:
        """Take frames without forecasts, oldest first, such as the history before the shell started."""
        for frame in frames:
            self._observe(frame)

    def recall(self, frames: Sequence[FrameOut]) -> None:
        """Take from ``frames`` the values that were not in those taken, such as of channels not drawn."""
        for frame in frames:
            second = self._seconds.get(frame.ts_ns)
            if second is not None:
                for name, value in frame.values.items():
                    if name in self.tracks:
                        self.tracks[name].recall(second, value)

    @property
    def observed(self) -> set[str]:
        """The channels of which anything was observed."""
        return {name for name, track in self.tracks.items() if track.observed}

    def time_ns(self, second: int) -> int | None:
        """The time of the frame of ``second``; None where there was none."""
        return next((ts_ns for ts_ns, each in reversed(self._seconds.items()) if each == second), None)

    def second_of(self, ts_ns: int) -> int:
        """The second in which something happened at ``ts_ns``, counted from the newest frame."""
        return (self.second or 0) + round((ts_ns - self.last_ns) / 1e9)

    def tick(self, tick: TickOut) -> None:
        """Take one frame and what was forecast from it; a frame already known is not counted again."""
        if not self._observe(tick.frame) or tick.forecast is None or self.second is None:
            return
        for name, bands in tick.forecast.channels.items():
            if name in self.tracks:
                self.tracks[name].forecast(self.second, bands)
        seen = {band.horizon_s for bands in tick.forecast.channels.values() for band in bands}
        self.horizons = tuple(sorted(seen)) or self.horizons

    def _observe(self, frame: FrameOut) -> bool:
        if frame.ts_ns <= self.last_ns:
            return False
        self.last_ns = frame.ts_ns
        self.second = self._clock.second(frame.ts_ns)
        self._seconds[frame.ts_ns] = self.second
        if len(self._seconds) > KEEP_S:
            del self._seconds[next(iter(self._seconds))]
        for name, track in self.tracks.items():
            track.observe(self.second, frame.values.get(name))
        return True
