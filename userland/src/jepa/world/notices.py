# SPDX-License-Identifier: Apache-2.0
"""From ticks to events worth telling: the machine does what the model did not expect, or something looms."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from jepa.telemetry.events.event import Event
from jepa.world.forecast import Forecast, Surprise, Tick

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
    likely: float = 0.5
    """Odds from which an event is foretold."""

    @property
    def unlikely(self) -> float:
        """Odds below which what was foretold no longer stands; it may be foretold anew."""
        return self.likely / 2


class Notices:
    """Remembers what was told already. One call a tick."""

    def __init__(self, rules: Rules | None = None) -> None:
        self._rules = rules or Rules()
        self._strange: deque[bool] = deque(maxlen=self._rules.of)
        self._since: int | None = None
        """Frames since the last strange one, while there is an anomaly."""
        self._told: set[str] = set()

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
        for name, odds in zip(forecast.hazards, forecast.odds, strict=True):
            if not np.isfinite(odds).all():
                continue
            chance = float(odds.max())
            if chance < self._rules.unlikely:
                self._told.discard(name)
            elif chance >= self._rules.likely and name not in self._told:
                self._told.add(name)
                soonest = forecast.horizons_s[int(np.argmax(odds >= self._rules.likely))]
                detail = f"{name.replace('_', ' ')} within {soonest} s: {chance:.0%}"
                yield Event(forecast.ts_ns, "foretold", None, detail, "warning", SOURCE)


def _why(surprise: Surprise) -> str:
    """The channels that strayed furthest, for people."""
    strayed = ", ".join(f"{name} ({distance:.1f} bands out)" for name, distance in surprise.channels[:3])
    return f"stranger than {surprise.probability:.2%} of frames; {strayed or 'no single channel'}"
