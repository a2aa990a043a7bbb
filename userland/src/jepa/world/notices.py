# SPDX-License-Identifier: Apache-2.0
"""From ticks to events worth telling: the machine does what the model did not expect, or something looms."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from jepa.telemetry.events.event import Event
from jepa.telemetry.frame import BoolArray
from jepa.world.forecast import FloatArray, Forecast, Surprise, Tick

SOURCE = "model"


@dataclass(frozen=True, slots=True)
class Rules:
    """When to tell."""

    strange: float = 0.995
    """Probability from which a frame counts as strange."""
    of: int = 5
    """Frames looked at together."""
    enough: int = 3
    """Strange ones among them that make an anomaly: one alone is but a change of work."""
    calm: int = 15
    """Frames without a strange one that end it."""
    likely: float = 0.7
    """Odds from which an event is foretold, if enough frames in a row say so.

    On an hour of real use 2 warnings were in vain with this, 4 at 0.5; either foretold all of 51 events.
    """
    in_a_row: int = 2
    """So many: with three, fewer failures of units are foretold (27 of 34, for 31), for little."""
    unlikely: float = 0.1
    """Odds below which what was foretold no longer stands, and may be foretold anew."""


class Looming:
    """Which of E events stand foretold. One call a frame."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._likely_for = np.zeros(1, np.intp)
        self._standing = np.zeros(1, np.bool_)

    def push(self, odds: FloatArray) -> BoolArray:
        """(E,) of ``odds`` (E, H); what is NaN, since it cannot be seen here, does not stand."""
        chance = np.nan_to_num(odds).max(axis=-1, initial=0.0)
        self._likely_for = np.where(chance >= self._rules.likely, self._likely_for + 1, 0)
        stays = self._standing & (chance >= self._rules.unlikely)
        self._standing = (self._likely_for >= self._rules.in_a_row) | stays
        return self._standing


class Notices:
    """Remembers what was told already. One call a tick."""

    def __init__(self, rules: Rules | None = None) -> None:
        self._rules = rules or Rules()
        self._strange: deque[bool] = deque(maxlen=self._rules.of)
        self._since: int | None = None
        """Frames since the last strange one, while there is an anomaly."""
        self._looming = Looming(self._rules)
        self._stood: tuple[str, ...] = ()

    def look(self, tick: Tick) -> list[Event]:
        """What ``tick`` gives reason to tell, most often nothing."""
        return [*self._anomaly(tick), *self._foretold(tick.forecast)]

    def _anomaly(self, tick: Tick) -> Iterator[Event]:
        surprise = tick.surprise
        strange = surprise is not None and surprise.probability >= self._rules.strange
        self._strange.append(strange)
        if self._since is not None:
            self._since = 0 if strange else self._since + 1
            if self._since >= self._rules.calm:
                self._since = None
                self._strange.clear()
                yield Event(tick.forecast.ts_ns, "anomaly_over", None, None, source=SOURCE)
        elif surprise is not None and sum(self._strange) >= self._rules.enough:
            self._since = 0
            yield Event(tick.forecast.ts_ns, "anomaly", None, _why(surprise), "warning", SOURCE)

    def _foretold(self, forecast: Forecast) -> Iterator[Event]:
        standing = self._looming.push(forecast.odds)
        for name, stands, odds in zip(forecast.hazards, standing, forecast.odds, strict=True):
            if stands and name not in self._stood:
                soonest = forecast.horizons_s[int(np.argmax(odds >= self._rules.likely))]
                detail = f"{name.replace('_', ' ')} within {soonest} s: {odds.max():.0%}"
                yield Event(forecast.ts_ns, "foretold", None, detail, "warning", SOURCE)
        self._stood = tuple(name for name, stands in zip(forecast.hazards, standing, strict=True) if stands)


def _why(surprise: Surprise) -> str:
    """The channels that strayed furthest, for people."""
    strayed = ", ".join(f"{name} ({distance:.1f} bands out)" for name, distance in surprise.channels[:3])
    return f"stranger than {surprise.probability:.2%} of frames; {strayed or 'no single channel'}"
