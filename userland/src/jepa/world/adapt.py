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
    """Everything is on the unit scale: quantiles (C, H, 2, Q), what was observed (C, H, 2).

    Within, horizons come first, so that all windows that end with a frame are judged at once, and channels
    last, so that they lie side by side.
    """

    def __init__(
        self, channels: int, horizons: Sequence[int], levels: Sequence[float], pace: Pace | None = None
    ) -> None:
        self._pace = pace or Pace()
        self._middle = levels.index(0.5)
        self._miss = levels[0] + 1 - levels[-1]
        self._shape = (len(horizons), 2, channels)
        self._ahead = np.array(horizons, np.intp)
        self._each = np.arange(len(horizons))
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
        longest, (horizons, targets, channels) = int(self._ahead.max()), self._shape
        self._made = 0
        self._points: FloatArray = np.zeros((longest, horizons, _EXPERTS, targets, channels), np.float32)
        self._bounds: FloatArray = np.zeros((longest, 2, horizons, targets, channels), np.float32)
        self._lost: FloatArray = np.zeros(self._points.shape[1:], np.float32) + self._rest
        self._bias: FloatArray = np.zeros(self._shape, np.float32)
        self._stretch: FloatArray = np.zeros(self._shape, np.float32)

    def adapt(self, quantiles: FloatArray, stats: FloatArray, seen: FloatArray) -> FloatArray:
        """``quantiles``, fitted; one call a frame.

        ``stats`` (C, H, 2) is what the windows that end now held, known where ``seen`` (C, H) is 1.
        """
        held = np.ascontiguousarray(stats.transpose(1, 2, 0))
        self._settle(held, seen.T[:, None] > 0)
        own = np.ascontiguousarray(quantiles.transpose(3, 1, 2, 0))  # (Q, H, 2, C)
        middle = self._middle
        median = own[middle]
        place = self._made % len(self._points)
        points = self._all_points(median, held, out=self._points[place])
        share = np.exp(self._lost.min(axis=1, keepdims=True) - self._lost)
        total = share.sum(axis=1)
        share *= points
        centre = share.sum(axis=1)
        centre /= total
        # The interval stays where it was: moved along it would lose the 0 that quiet channels keep to.
        fitted: FloatArray = own - median
        fitted *= np.exp(self._stretch)
        fitted += median
        np.minimum(fitted[:middle], centre, out=fitted[:middle])
        np.maximum(fitted[middle:], centre, out=fitted[middle:])
        fitted[middle] = centre
        np.minimum(np.maximum(fitted, 0, out=fitted), 1, out=fitted)
        self._bounds[place] = fitted[[0, -1]]
        self._made += 1
        return fitted.transpose(3, 1, 2, 0)

    def _all_points(self, median: FloatArray, held: FloatArray, out: FloatArray) -> FloatArray:
        """(H, K, 2, C) from the model's median and what past windows held, (H, 2, C) both."""
        out[:, 0] = median
        np.minimum(np.maximum(median + self._bias, 0), 1, out=out[:, 1])
        out[:, 2] = held
        out[:, 3] = held[0, 0]
        return out

    def _settle(self, truth: FloatArray, seen: BoolArray) -> None:
        """Judge the forecasts of the windows that have just ended: truth (H, 2, C), seen (H, 1, C)."""
        known = seen & (self._ahead <= self._made)[:, None, None]
        place = (self._made - self._ahead) % len(self._points)
        error = truth[:, None] - self._points[place, self._each]  # (H, K, 2, C)
        loss = np.abs(error)
        loss /= -self._pace.scale
        np.exp2(loss, out=loss)
        np.subtract(1, loss, out=loss)
        loss *= self._weight[:, None]
        lost = self._lost - self._rest
        lost *= self._fade[:, None]
        lost += self._rest
        lost += loss
        np.copyto(self._lost, lost, where=known[:, None])
        bias = error[:, 0] - self._bias
        bias *= 1 - self._fade
        bias += self._bias
        np.copyto(self._bias, bias, where=known)
        low, high = self._bounds[place, :, self._each].swapaxes(0, 1)
        missed = (truth < low) | (truth > high)
        limit = np.log(self._pace.widest)
        stretch = np.clip(self._stretch + self._step * (missed - self._miss), -limit, limit)
        np.copyto(self._stretch, stretch, where=known, casting="same_kind")
