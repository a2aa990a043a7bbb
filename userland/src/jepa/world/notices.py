# SPDX-License-Identifier: Apache-2.0
"""From ticks to events worth telling: the machine does what the model did not expect, or something looms."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from jepa.telemetry.events.event import Event
from jepa.telemetry.frame import BoolArray
from jepa.world.forecast import FloatArray, Forecast, Surprise, Tick
from jepa.world.hysteresis import Hysteresis

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
    """Probability from which an event is predicted, if enough frames in a row say so.

    In an hour of real use this gave 2 false alarms, 0.5 gave 4; either predicted all of 51 onsets.
    """
    in_a_row: int = 2
    """So many: with three, fewer unit failures are predicted (27 of 34, for 31), for little."""
    unlikely: float = 0.1
    """Probability below which an alert no longer stands, and may be raised anew."""


class Looming:
    """Which of E events have an alert standing. One call a frame."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._likely_for = np.zeros(1, np.intp)
        self._standing = np.zeros(1, np.bool_)

    def push(self, probability: FloatArray) -> BoolArray:
        """(E,) of ``probability`` (E, H); what is NaN, since it cannot be seen here, does not stand."""
        chance = np.nan_to_num(probability).max(axis=-1, initial=0.0)
        self._likely_for = np.where(chance >= self._rules.likely, self._likely_for + 1, 0)
        stays = self._standing & (chance >= self._rules.unlikely)
        self._standing = (self._likely_for >= self._rules.in_a_row) | stays
        return self._standing


class Notices:
    """Remembers what was told already. One call a tick."""

    def __init__(self, rules: Rules | None = None) -> None:
        self._rules = rules or Rules()
        of, enough, calm = self._rules.of, self._rules.enough, self._rules.calm
        self._strange = Hysteresis(of=of, enough=enough, calm=calm)
        self._looming = Looming(self._rules)
        self._stood: tuple[str, ...] = ()

    def look(self, tick: Tick) -> list[Event]:
        """What ``tick`` gives reason to tell, most often nothing."""
        return [*self._anomaly(tick), *self._predicted(tick.forecast)]

    def _anomaly(self, tick: Tick) -> Iterator[Event]:
        surprise = tick.surprise
        strange = surprise is not None and surprise.probability >= self._rules.strange
        if not self._strange.push(strange):
            return
        if not self._strange.holds:
            yield Event(tick.forecast.ts_ns, "anomaly_over", None, None, source=SOURCE)
        elif surprise is not None:
            yield Event(tick.forecast.ts_ns, "anomaly", None, _why(surprise), "warning", SOURCE)

    def _predicted(self, forecast: Forecast) -> Iterator[Event]:
        standing = self._looming.push(forecast.event_probability)
        rows = zip(forecast.events, standing, forecast.event_probability, strict=True)
        for name, stands, probability in rows:
            if stands and name not in self._stood:
                soonest = forecast.horizons_s[int(np.argmax(probability >= self._rules.likely))]
                detail = f"{name.replace('_', ' ')} within {soonest} s: {probability.max():.0%}"
                yield Event(forecast.ts_ns, "event_predicted", None, detail, "warning", SOURCE)
        self._stood = tuple(name for name, stands in zip(forecast.events, standing, strict=True) if stands)


def _why(surprise: Surprise) -> str:
    """The channels that strayed furthest, for people."""
    strayed = ", ".join(f"{name} ({distance:.1f} bands out)" for name, distance in surprise.channels[:3])
    return f"stranger than {surprise.probability:.2%} of frames; {strayed or 'no single channel'}"
