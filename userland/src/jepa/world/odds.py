# SPDX-License-Identifier: Apache-2.0
"""Fits the odds of events to this machine while it runs: from what then came, and what did not.

What is saturation's eve on one machine is every afternoon on another. So of each event and horizon a slope
and an offset of the odds' logarithm are learned (Platt, Probabilistic Outputs for Support Vector Machines,
1999), by logistic regression one frame at a time, with the curvature of what was seen and of a prior that
holds to the pack's own odds. It forgets, every step is bounded, and where nothing comes in that says
otherwise the pack's odds come back.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jepa.telemetry.frame import BoolArray
from jepa.world.forecast import FloatArray
from jepa.world.hazards import Hazard

_LEAST = 1e-4
"""Odds are taken to lie so far from 0 and 1 at least."""


@dataclass(frozen=True, slots=True)
class OddsPace:
    """How fast it learns; looked at on the validation sessions and on the tuning one of real use."""

    memory_s: float = 3600.0
    """What came counts 1/e after so long."""
    prior: float = 5.0
    """How much the pack's own odds weigh, in frames that could have gone either way."""
    steepest: float = 2.5
    flattest: float = 0.3
    highest: float = 2.0
    lowest: float = -4.0
    """Bounds of the slope and of the offset."""


class Happenings:
    """Which of E hazards happen, frame by frame; `jepa.world.hazards.happening` tells it of a recording."""

    def __init__(self, hazards: Sequence[Hazard]) -> None:
        self._over = np.array([hazard.over_s for hazard in hazards], np.float64)
        self._threshold = np.array([hazard.threshold for hazard in hazards])
        longest = int(self._over.max(initial=1))
        self._counts = np.arange(longest - 1, -1, -1)[:, None] < self._over  # (N, E), the newest frame last
        self._values = np.full(self._counts.shape, np.nan)

    def push(self, values: FloatArray) -> FloatArray:
        """(E,) 1, 0 or NaN, of the hazards' channels (E,) in units, NaN where absent."""
        self._values[:-1] = self._values[1:]
        self._values[-1] = values
        total = np.where(self._counts & np.isfinite(self._values), self._values, 0).sum(axis=0)
        return np.where(np.isfinite(values), total / self._over >= self._threshold, np.nan)

    def clear(self) -> None:
        """Forget all frames."""
        self._values.fill(np.nan)


class OddsAdapter:
    """From the pack's odds (E, H) of ``events`` events within ``horizons`` frames to fitted ones."""

    def __init__(self, events: int, horizons: Sequence[int], pace: OddsPace | None = None) -> None:
        self._pace = pace or OddsPace()
        self._horizons = np.array(horizons, np.intp)
        self._columns = np.arange(len(self._horizons))
        self._fade = float(np.exp(-1 / self._pace.memory_s))
        # Windows of neighbouring frames overlap: they do not count as so many separate ones.
        self._weight = self._horizons**-0.5  # (H,)
        self._shape = (events, len(self._horizons))
        self.clear()

    def clear(self) -> None:
        """Forget this machine."""
        longest = int(self._horizons.max())
        self._made = 0
        self._logits = np.full((longest, *self._shape), np.nan)
        self._since = np.full(self._shape[0], np.inf)
        """(E,) frames since each event last happened."""
        self._happened = np.zeros((longest, self._shape[0]), np.bool_)
        self._slope, self._offset = np.ones(self._shape), np.zeros(self._shape)
        # Curvature of what was seen: slope with slope, slope with offset, offset with offset.
        self._curvature = np.zeros((3, *self._shape))

    def adapt(self, odds: FloatArray, happens: FloatArray) -> FloatArray:
        """``odds`` (E, H), fitted; NaN stays. One call a frame, with what ``happens`` at it.

        That is (E,) 1 or 0, NaN where nobody can see it.
        """
        self._since = np.where(happens > 0, 0, self._since + 1)
        self._settle(np.isfinite(happens))
        place = self._made % len(self._logits)
        self._logits[place] = _logit(odds)
        self._happened[place] = happens > 0
        self._made += 1
        return self.fitted(odds)

    def fitted(self, odds: FloatArray) -> FloatArray:
        """Odds (..., E, H) as they are fitted now, without learning from them."""
        return _sigmoid(self._slope * _logit(odds) + self._offset).astype(np.float32)

    def _settle(self, known: BoolArray) -> None:
        """Learn from the odds of the windows that end now."""
        pace = self._pace
        place = (self._made - self._horizons) % len(self._logits)
        x = self._logits[place, :, self._columns].T  # (E, H)
        # Before its window began an event must not have gone on: that is no foretelling.
        counts = known[:, None] & np.isfinite(x) & ~self._happened[place].T & (self._horizons <= self._made)
        x = np.where(counts, x, 0)
        chance = _sigmoid(self._slope * x + self._offset)
        weight = counts * self._weight
        missed = weight * ((self._since[:, None] < self._horizons) - chance)
        sure = weight * chance * (1 - chance)
        self._curvature = self._curvature * self._fade + sure * np.stack([x * x, x, np.ones_like(x)])
        back = (1 - self._fade) * pace.prior
        slope = missed * x - back * (self._slope - 1)
        offset = missed - back * self._offset
        both, mixed, alone = self._curvature + np.array([pace.prior, 0, pace.prior])[:, None, None]
        determinant = both * alone - mixed * mixed
        step = (alone * slope - mixed * offset) / determinant, (both * offset - mixed * slope) / determinant
        self._slope = np.clip(self._slope + step[0], pace.flattest, pace.steepest)
        self._offset = np.clip(self._offset + step[1], pace.lowest, pace.highest)


def _logit(odds: FloatArray) -> np.ndarray:
    bounded = np.clip(np.asarray(odds, np.float64), _LEAST, 1 - _LEAST)
    return np.asarray(np.log(bounded / (1 - bounded)))


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-x)))
