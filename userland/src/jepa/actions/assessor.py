# SPDX-License-Identifier: Apache-2.0
"""Judges whether a change made things worse: measurements before and after, and a rule. No model.

The rule: a channel of ``WORSE_WHEN_HIGHER`` got worse when its mean over the last readings lies more than
``SIGMAS`` standard deviations above its mean before the change. A person may give a condition of their own.
"""

import math
import re
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from jepa.actions.clock import HostClock
from jepa.errors import JepaError

WORSE_WHEN_HIGHER: Final = (
    "system.pressure.cpu.some",
    "system.pressure.memory.some",
    "system.pressure.memory.full",
    "system.pressure.io.some",
    "system.pressure.io.full",
    "system.role.foreground.pressure.cpu",
)
"""Percent of the time in which something waited."""
_THEIR_TURN: Final = ("system.pressure.cpu.some",)
MEANT_TO_RISE: Final[Mapping[str, Collection[str]]] = {
    "cpu.weight": _THEIR_TURN,
    "cpu.max": _THEIR_TURN,
    "unit.freeze": _THEIR_TURN,
}
"""Channels that an action is meant to raise: whoever gets less of the CPU waits for it. Whether the
foreground waits is judged all the same."""
SIGMAS: Final = 3.0
LEAST_SIGMA: Final = 2.0
"""Percent: a machine at rest hardly varies, and a little more than nothing is no harm."""
EVERY_S: Final = 1.0
RECENT: Final = 5
"""Readings that count as now."""
LEAST_READINGS: Final = 3
BASELINE_S: Final = 10.0
"""The longest time that is measured before the change."""
_CONDITION: Final = re.compile(r"(\S+)\s+(below|above)\s+([-+]?\d+(?:\.\d+)?)\s*%?", re.ASCII)


class ChannelReader(Protocol):
    """What channels are now."""

    def read(self) -> Mapping[str, float]:
        """Every channel and signal that is known, in its own unit; rates are since the call before."""

    def why_not(self, name: str) -> str:
        """Why ``name`` is not among them, in one clause; empty where nothing more is known."""

    def close(self) -> None:
        """Close the files that it keeps open."""


@dataclass(frozen=True, slots=True)
class WatchCondition:
    """``CHANNEL below X`` or ``CHANNEL above X``, of the mean over the watched window."""

    channel: str
    """Or a signal."""
    above: bool
    limit: float

    def holds(self, mean: float) -> bool:
        """Whether ``mean`` meets it."""
        return mean > self.limit if self.above else mean < self.limit


def parse_condition(text: str) -> WatchCondition | None:
    """The condition that a person wrote; None for an empty text. JepaError (422)."""
    if not text.strip():
        return None
    found = _CONDITION.fullmatch(text.strip())
    if found is None:
        raise JepaError(
            f"{text[:80]!r} is no condition.",
            "Write CHANNEL below X or CHANNEL above X, such as `system.cpu.utilization below 90`.",
            status=422,
        )
    return WatchCondition(found[1], found[2] == "above", float(found[3]))


@dataclass(frozen=True, slots=True)
class Assessment:
    """What came of watching."""

    worse: str
    """Why the change is to be taken back, in one clause; empty when it may stay."""
    observed: Mapping[str, float] = field(default_factory=dict)
    """The mean of each channel and signal over the window."""


class Assessor:
    """Watches one change. Made before it, since it measures the machine as it was first."""

    def __init__(
        self,
        reader: ChannelReader,
        clock: HostClock,
        condition: WatchCondition | None = None,
        meant_to_rise: Collection[str] = (),
    ) -> None:
        """JepaError (422) when nobody reads the channel of ``condition``."""
        self._judged = [name for name in WORSE_WHEN_HIGHER if name not in meant_to_rise]
        self._reader = reader
        self._clock = clock
        self._condition = condition
        self._before: list[Mapping[str, float]] = []
        reader.read()  # rates begin here
        if condition is not None:
            clock.sleep(EVERY_S / 10)
            if condition.channel not in reader.read():
                why = reader.why_not(condition.channel)
                raise JepaError(
                    f"{condition.channel[:80]!r} of the condition is not read here{why and ': '}{why}.",
                    "Name a channel that `jepa watch` lists under system.*, such as system.cpu.utilization, "
                    "or a signal that `jepa signal list` shows as ok.",
                    status=422,
                )

    def measure_before(self, seconds: float) -> None:
        """Measure the machine as it is, for ``seconds``."""
        for _ in range(max(LEAST_READINGS, round(seconds / EVERY_S))):
            self._clock.sleep(EVERY_S)
            self._before.append(self._reader.read())

    def watch(self, seconds: float, cancelled: threading.Event) -> Assessment:
        """Watch for ``seconds``; returns early when the channels got worse or ``cancelled`` is set."""
        after: list[Mapping[str, float]] = []
        self._reader.read()  # what comes is the rate since the change, not since before it
        end_s = self._clock.boottime_s() + seconds
        while (left_s := end_s - self._clock.boottime_s()) > 0:
            if self._clock.wait(cancelled, min(EVERY_S, left_s)):
                return Assessment("", means(after))
            after.append(self._reader.read())
            if len(after) >= LEAST_READINGS and (worse := self._worse(after[-RECENT:])):
                return Assessment(worse, means(after))
        observed = means(after)
        return Assessment(self._unmet(observed, after), observed)

    def _worse(self, recent: list[Mapping[str, float]]) -> str:
        for channel in self._judged:
            before = [reading[channel] for reading in self._before if channel in reading]
            now = [reading[channel] for reading in recent if channel in reading]
            if len(before) < LEAST_READINGS or len(now) < LEAST_READINGS:
                continue
            usual, spread, mean = _mean(before), max(_deviation(before), LEAST_SIGMA), _mean(now)
            if mean > usual + SIGMAS * spread:
                return f"{channel} rose from {usual:.1f} to {mean:.1f}"
        return ""

    def _unmet(self, observed: Mapping[str, float], after: Sequence[Mapping[str, float]]) -> str:
        """Why the condition does not hold; nor does it when what it names stopped or was mostly away."""
        if (condition := self._condition) is None:
            return ""
        mean = observed.get(condition.channel)
        seen = sum(condition.channel in reading for reading in after)
        at_the_end = any(condition.channel in reading for reading in after[-LEAST_READINGS:])
        if mean is None or 2 * seen < len(after) or not at_the_end:
            why = self._reader.why_not(condition.channel)
            return f"{condition.channel} could not be read{why and ': '}{why}"
        if condition.holds(mean):
            return ""
        side = "above" if condition.above else "below"
        return f"{condition.channel} was {mean:.6g}, not {side} {condition.limit:g}"


def means(readings: Collection[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each channel over the readings that have it."""
    names = {name for reading in readings for name in reading}
    found = {name: [reading[name] for reading in readings if name in reading] for name in sorted(names)}
    return {name: mean for name, values in found.items() if math.isfinite(mean := _mean(values))}


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _deviation(values: Sequence[float]) -> float:
    """Of a sample. To import Python's ``statistics`` would take longer than to use it."""
    mean = _mean(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))
