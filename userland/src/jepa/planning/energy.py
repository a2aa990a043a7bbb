# SPDX-License-Identifier: Apache-2.0
"""Goals as energies over channels and latents: low is wanted.

Channels are taken on the unit scale, 0 at the low end of their range and 1 at the high one, after their
transform. Every term is convex, so that over an interval it is highest at one of the ends; what is bounded
hard is no term, but refuses a course.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from jepa.telemetry.frame import BoolArray
from jepa.world.forecast import FloatArray


class Term(Protocol):
    """One wish about one channel."""

    @property
    def channel(self) -> str:
        """Its name."""

    def energy(self, value: FloatArray) -> FloatArray:
        """Of values of any shape; convex, 0 or more."""


@dataclass(frozen=True, slots=True)
class Weighted:
    """As low as can be; with a negative weight as high as can be."""

    channel: str
    weight: float = 1.0

    def energy(self, value: FloatArray) -> FloatArray:
        """Proportional to the value, or to what is missing up to the end of the range."""
        return self.weight * value if self.weight >= 0 else -self.weight * (1 - value)


HARDLY: Final = 0.02
"""Of a term's weight, what less than enough is worth: it decides between courses that cost the same."""


@dataclass(frozen=True, slots=True)
class AtMost:
    """No more than ``most`` is wanted, and less is hardly any better."""

    channel: str
    most: float
    weight: float = 1.0

    def energy(self, value: FloatArray) -> FloatArray:
        """Proportional to what is too much, and to a little of what there is."""
        return np.asarray(
            self.weight * (np.maximum(value - self.most, 0) + HARDLY * np.minimum(value, self.most))
        )


@dataclass(frozen=True, slots=True)
class Near:
    """The value ``at`` is wanted."""

    channel: str
    at: float
    weight: float = 1.0

    def energy(self, value: FloatArray) -> FloatArray:
        """Proportional to the distance."""
        return np.asarray(self.weight * np.abs(value - self.at))


@dataclass(frozen=True, slots=True)
class LatentTarget:
    """The state whose latent is ``goal`` is wanted: make it feel like this again."""

    goal: FloatArray  # (D,)
    usual_error: float
    """Squared distance, a number of the latent, by which a predicted latent usually misses the real one."""
    weight: float = 1.0

    def energy(self, latents: FloatArray) -> FloatArray:
        """(K,) of latents (K, S, D): the mean squared distance at the last step."""
        return np.asarray(self.weight * np.square(latents[:, -1] - self.goal).mean(axis=-1), np.float32)


@dataclass(frozen=True, slots=True)
class Bound:
    """A channel that may not leave a range, whatever is gained by it."""

    channel: str
    least: float = 0.0
    most: float = 1.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What K courses come to, on the unit scale, and how sure that is."""

    channels: tuple[str, ...]
    middle: FloatArray  # (K, C)
    deviation: (
        FloatArray  # (K, C) of the effect, as standard deviations; 0 for a course that changes nothing
    )
    most: FloatArray  # (K, C) what the kernel lets it be at most, whatever is imagined
    spread: tuple[FloatArray, FloatArray]  # (C,) each: how far the forecast itself reaches down and up
    latents: FloatArray  # (K, S, D)
    changed: BoolArray  # (K,) whether the course changes anything

    def ends(self, deviations: float) -> tuple[FloatArray, FloatArray]:
        """(K, C) each: the lower and the upper end of the effect, so many standard deviations away."""
        away = deviations * self.deviation
        return np.clip(self.middle - away, 0, self.most), np.clip(self.middle + away, 0, self.most)

    def interval(self, deviations: float) -> tuple[FloatArray, FloatArray]:
        """(K, C) each: the same of what will be observed, which the forecast is unsure of as well."""
        away = deviations * self.deviation
        low, high = (
            self.middle - np.hypot(away, self.spread[0]),
            self.middle + np.hypot(away, self.spread[1]),
        )
        return np.clip(low, 0, self.most), np.clip(high, 0, self.most)


@dataclass(frozen=True, slots=True)
class Energy:
    """A goal: the sum of its terms, within its bounds."""

    terms: tuple[Term, ...] = ()
    bounds: tuple[Bound, ...] = ()
    latent: LatentTarget | None = None

    @property
    def channels(self) -> tuple[str, ...]:
        """Those it speaks of."""
        named = [*(term.channel for term in self.terms), *(bound.channel for bound in self.bounds)]
        return tuple(dict.fromkeys(named))

    def expected(self, outcome: Outcome) -> FloatArray:
        """(K,) at the middle of what is imagined."""
        total = self._total(outcome.channels, outcome.middle)
        return total if self.latent is None else total + self.latent.energy(outcome.latents)

    def worst(self, outcome: Outcome, deviations: float, together: float = 1.0) -> FloatArray:
        """(K,) with every channel at whichever end of its effect is worse for it.

        ``together`` is how far channels are there at once: what each loses by it adds up where that is 1,
        and its square where it is 0, as deviations of a sum do.
        """
        low, high = outcome.ends(deviations)
        total = np.zeros(len(outcome.middle), np.float32)
        lost, squares = np.zeros_like(total), np.zeros_like(total)
        for term in self.terms:
            at = outcome.channels.index(term.channel)
            expected = term.energy(outcome.middle[:, at])
            more = np.maximum(term.energy(low[:, at]), term.energy(high[:, at])) - expected
            total += expected
            lost += more
            squares += more**2
        total += np.sqrt(together * lost**2 + (1 - together) * squares)
        if self.latent is not None:
            missed = np.where(outcome.changed, self.latent.weight * self.latent.usual_error, 0)
            total += self.latent.energy(outcome.latents) + missed
        return total

    def allowed(self, outcome: Outcome, deviations: float) -> BoolArray:
        """(K,) whether every bound is kept over the whole interval of what will be observed."""
        low, high = outcome.interval(deviations)
        kept = np.ones(len(outcome.middle), np.bool_)
        for bound in self.bounds:
            at = outcome.channels.index(bound.channel)
            kept &= (low[:, at] >= bound.least) & (high[:, at] <= bound.most)
        return kept

    def _total(self, channels: Sequence[str], value: FloatArray) -> FloatArray:
        total = np.zeros(len(value), np.float32)
        for term in self.terms:
            total += term.energy(value[:, channels.index(term.channel)])
        return total
