# SPDX-License-Identifier: Apache-2.0
"""Fits forecasts to this machine while it runs: whom to trust for each channel, and how wide to be.

Of each channel, horizon and target it remembers, fading, how the model, the model less its own bias, the
past window and the last value did lately, and leans towards whoever did well (exponentially weighted
forecasters with discounted losses: Cesa-Bianchi and Lugosi, Prediction, Learning, and Games, 2006).
Intervals are stretched while they miss more than they should and drawn in while they miss less (adaptive
conformal inference: Gibbs and Candès, NeurIPS 2021). Nothing is learned into the pack, every step is
bounded, and what is not confirmed fades: where it does not help, the pack's own forecasts come back.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jepa.telemetry.frame import BoolArray
from jepa.world.forecast import FloatArray

_EXPERTS = 4
"""The model, the model less its bias, the past window, the last value."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast it adapts; all but ``prior`` first values, looked at on validation sessions.

    A small prior helps where the machine is unlike those trained on, and costs where it is alike.
    """

    memory_s: float = 40.0
    """Losses fade by 1/e in so long, and twice the horizon."""
    eagerness: float = 3.0
    """How much one lost window weighs against another, in nats."""
    prior: float = 6.0
    """By how many nats the model is trusted more than the others before anything is known."""
    stretch: float = 0.06
    """By how much a missed interval grows, in nats, for a horizon of 1 s."""
    widest: float = 6.0
    """The most an interval is stretched, or drawn in."""
    scale: float = 0.05
    """Error, on the unit scale, at which a forecast is half lost."""


class Adapter:
    """Everything is on the unit scale: quantiles (C, H, 2, Q), what was observed (C, H, 2)."""

    def __init__(
        self, channels: int, horizons: Sequence[int], levels: Sequence[float], pace: Pace | None = None
    ) -> None:
        self._pace = pace or Pace()
        self._middle = levels.index(0.5)
        self._miss = levels[0] + 1 - levels[-1]
        # Horizons come first, so that all windows that end with a frame are judged at once.
        self._shape = (len(horizons), channels, 2)
        self._ahead = np.array(horizons, np.intp)
        reach = np.array(horizons, np.float32)[:, None, None]
        self._fade: FloatArray = np.exp(-1 / (self._pace.memory_s + 2 * reach)).astype(np.float32)
        # Windows of neighbouring frames overlap: they do not count as so many separate ones.
        self._weight: FloatArray = (self._pace.eagerness / np.sqrt(reach)).astype(np.float32)
        self._step: FloatArray = (self._pace.stretch / np.sqrt(reach)).astype(np.float32)
        self._rest: FloatArray = np.full((_EXPERTS, 1, 1), self._pace.prior, np.float32)
        self._rest[0] = 0
        self.clear()

    def clear(self) -> None:
        """Forget this machine."""
        longest, (horizons, channels, targets) = int(self._ahead.max()), self._shape
        self._made = 0
        self._points: FloatArray = np.zeros((longest, horizons, _EXPERTS, channels, targets), np.float32)
        self._bounds: FloatArray = np.zeros((longest, horizons, 2, channels, targets), np.float32)
        self._lost: FloatArray = np.zeros(self._points.shape[1:], np.float32) + self._rest
        self._bias: FloatArray = np.zeros(self._shape, np.float32)
        self._stretch: FloatArray = np.zeros(self._shape, np.float32)

    def adapt(self, quantiles: FloatArray, stats: FloatArray, seen: FloatArray) -> FloatArray:
        """``quantiles``, fitted; one call a frame.

        ``stats`` (C, H, 2) is what the windows that end now held, known where ``seen`` (C, H) is 1.
        """
        held = stats.transpose(1, 0, 2)  # (H, C, 2)
        self._settle(held, seen.T[..., None] > 0)
        points = self._all_points(quantiles[..., self._middle].transpose(1, 0, 2), held)
        share = np.exp(self._lost.min(axis=1, keepdims=True) - self._lost)
        centre = ((share * points).sum(axis=1) / share.sum(axis=1)).transpose(1, 0, 2)[..., None]
        middle = self._middle
        median = quantiles[..., middle, None]
        # The interval stays where it was: moved along it would lose the 0 that quiet channels keep to.
        fitted = median + (quantiles - median) * np.exp(self._stretch).transpose(1, 0, 2)[..., None]
        fitted[..., :middle] = np.minimum(fitted[..., :middle], centre)
        fitted[..., middle:] = np.maximum(fitted[..., middle:], centre)
        fitted[..., middle] = centre[..., 0]
        fitted = np.clip(fitted, 0, 1).astype(np.float32)
        place = self._made % len(self._points)
        self._points[place] = points
        self._bounds[place] = fitted[..., [0, -1]].transpose(1, 3, 0, 2)
        self._made += 1
        return np.asarray(fitted)

    def _all_points(self, median: FloatArray, held: FloatArray) -> FloatArray:
        """(H, K, C, 2) from the model's median and what past windows held, (H, C, 2) both."""
        last = np.broadcast_to(held[:1, :, :1], median.shape)
        return np.stack([median, np.clip(median + self._bias, 0, 1), held, last], axis=1)

    def _settle(self, truth: FloatArray, seen: BoolArray) -> None:
        """Judge the forecasts of the windows that have just ended: truth (H, C, 2), seen (H, C, 1)."""
        known = seen & (self._ahead <= self._made)[:, None, None]
        place = (self._made - self._ahead) % len(self._points), np.arange(len(self._ahead))
        error = truth[:, None] - self._points[place]  # (H, K, C, 2)
        loss = 1 - np.exp2(-np.abs(error) / self._pace.scale)
        fade, weight = self._fade[:, None], self._weight[:, None]
        lost = self._rest + (self._lost - self._rest) * fade + weight * loss
        self._lost = np.where(known[:, None], lost, self._lost)
        bias = self._bias + (1 - self._fade) * (error[:, 0] - self._bias)
        self._bias = np.where(known, bias, self._bias)
        low, high = self._bounds[place].swapaxes(0, 1)
        missed = (truth < low) | (truth > high)
        limit = np.log(self._pace.widest)
        stretch = np.clip(self._stretch + self._step * (missed - self._miss), -limit, limit)
        self._stretch = np.where(known, stretch, self._stretch).astype(np.float32)
