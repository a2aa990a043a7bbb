# SPDX-License-Identifier: Apache-2.0
"""Calibrates event probabilities to this machine while it runs, from which events came and which did not.

A pattern that precedes saturation on one machine may be ordinary on another. So for each event and horizon
a slope and an offset of the logit are learned (Platt, Probabilistic Outputs for Support Vector Machines,
1999), by online logistic regression: one Newton step a frame, with a prior that holds to the pack's own
probabilities. Old frames fade, every step is bounded, and without new evidence the pack's own
probabilities return.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jepa.telemetry.frame import BoolArray
from jepa.world.event_definitions import EventDefinition
from jepa.world.forecast import FloatArray

_LEAST = 1e-4
"""Probabilities are kept at least this far from 0 and 1."""


@dataclass(frozen=True, slots=True)
class CalibrationPace:
    """How fast it learns; chosen on the validation sessions and on the tuning recording of real use."""

    memory_s: float = 3600.0
    """Evidence counts 1/e after so long."""
    prior: float = 5.0
    """Weight of the pack's own probabilities, in frames that could have gone either way."""
    steepest: float = 2.5
    flattest: float = 0.3
    highest: float = 2.0
    lowest: float = -4.0
    """Bounds of the slope and of the offset."""


class EventDetector:
    """Which of E events hold, frame by frame; `jepa.world.event_definitions.holding` for a stream."""

    def __init__(self, definitions: Sequence[EventDefinition]) -> None:
        self._over = np.array([each.over_s for each in definitions], np.float64)
        self._threshold = np.array([each.threshold for each in definitions])
        longest = int(self._over.max(initial=1))
        self._counts = np.arange(longest - 1, -1, -1)[:, None] < self._over  # (N, E), the newest frame last
        self._values = np.full(self._counts.shape, np.nan)

    def push(self, values: FloatArray) -> FloatArray:
        """(E,) 1, 0 or NaN, from the events' channels (E,) in units, NaN where absent."""
        self._values[:-1] = self._values[1:]
        self._values[-1] = values
        total = np.where(self._counts & np.isfinite(self._values), self._values, 0).sum(axis=0)
        return np.where(np.isfinite(values), total / self._over >= self._threshold, np.nan)

    def clear(self) -> None:
        """Forget all frames."""
        self._values.fill(np.nan)


class EventCalibrator:
    """Maps the pack's probabilities (E, H) of E ``events`` within ``horizons`` frames to calibrated ones."""

    def __init__(self, events: int, horizons: Sequence[int], pace: CalibrationPace | None = None) -> None:
        self._pace = pace or CalibrationPace()
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
        """(E,) frames since each event last held."""
        self._held = np.zeros((longest, self._shape[0]), np.bool_)
        self._slope, self._offset = np.ones(self._shape), np.zeros(self._shape)
        # Curvature of the evidence: slope with slope, slope with offset, offset with offset.
        self._curvature = np.zeros((3, *self._shape))

    def adapt(self, probability: FloatArray, holds: FloatArray) -> FloatArray:
        """``probability`` (E, H), calibrated; NaN stays. One call a frame, with which events hold at it.

        ``holds`` is (E,) 1 or 0, NaN where that cannot be observed.
        """
        self._since = np.where(holds > 0, 0, self._since + 1)
        self._settle(np.isfinite(holds))
        place = self._made % len(self._logits)
        self._logits[place] = _logit(probability)
        self._held[place] = holds > 0
        self._made += 1
        return self.calibrated(probability)

    def calibrated(self, probability: FloatArray) -> FloatArray:
        """``probability`` (..., E, H) under the present calibration, without learning from it."""
        return _sigmoid(self._slope * _logit(probability) + self._offset).astype(np.float32)

    def _settle(self, known: BoolArray) -> None:
        """Learn from the probabilities of the windows that end now."""
        pace = self._pace
        place = (self._made - self._horizons) % len(self._logits)
        x = self._logits[place, :, self._columns].T  # (E, H)
        # An event that already held when its window began was not predicted.
        counts = known[:, None] & np.isfinite(x) & ~self._held[place].T & (self._horizons <= self._made)
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


def _logit(probability: FloatArray) -> np.ndarray:
    bounded = np.clip(np.asarray(probability, np.float64), _LEAST, 1 - _LEAST)
    return np.asarray(np.log(bounded / (1 - bounded)))


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-x)))
