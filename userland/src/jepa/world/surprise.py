# SPDX-License-Identifier: Apache-2.0
"""How surprising a frame is: a probability from the size of the surprise, and the channels that strayed."""

import math
from collections import deque
from collections.abc import Sequence

import numpy as np

from jepa.packs.machine import Calibration
from jepa.telemetry.frame import Frame
from jepa.world.context import EncodedFrame
from jepa.world.forecast import SCALE_FRAMES, Forecast, Surprise
from jepa.world.ranks import SlidingRanks

_NAMED = 5
_SMOOTHED = 3
_LEAST = 1e-3
_REMEMBERED = 1800
"""Sizes of this machine that count, the newest: half an hour at 1 Hz."""
_TRUSTED = 120
"""How many of this machine's sizes weigh as much as the pack's calibration."""
_STRANGE = 0.995
_RUN, _CALM = 3, 15
"""So many strange frames, before so many that are not, are no chance."""
_LASTING = 60
"""Strange frames after which they are no fault any more, but what this machine does now."""
_UNLIKE = 0.99


class Sizes:
    """How large a surprise is: distance and novelty together, each in units of what is usual.

    As a logarithm, and a mean over the last few frames: what is wrong lasts longer than a change of work.
    """

    def __init__(self, usual_distance: float, usual_novelty: float) -> None:
        self._usual = usual_distance, usual_novelty
        self._last: deque[float] = deque(maxlen=_SMOOTHED)

    def push(self, distance: float, novelty: float) -> float:
        """The size at a frame; about 0.7 on ordinary ones."""
        usual_distance, usual_novelty = self._usual
        self._last.append(math.log(distance / usual_distance + novelty / usual_novelty + _LEAST))
        return sum(self._last) / len(self._last)

    def clear(self) -> None:
        """Forget the last frames."""
        self._last.clear()


class SurpriseScale:
    """Turns the size of a surprise into the share of frames that were less surprising.

    At first these are the frames the pack was calibrated on; with time those of this machine, on which all
    may be a little strange to the pack (conformal prediction with a window: Vovk, Gammerman and Shafer,
    Algorithmic Learning in a Random World, 2005). What was strange several times in a row counts only once
    it has lasted for long: a fault must not become what this machine is known for.
    """

    def __init__(self, quantiles: Sequence[float]) -> None:
        self._sizes = np.array(quantiles, np.float64)
        self._shares = np.linspace(0.0, 1.0, len(quantiles))
        self._here = SlidingRanks(_REMEMBERED)
        self._held: list[float] = []
        self._calm = 0

    def probability(self, size: float) -> float:
        """0..1; 1 beyond everything seen in calibration and here."""
        calibrated = float(np.interp(size, self._sizes, self._shares))
        return (_TRUSTED * calibrated + self._here.below(size)) / (_TRUSTED + len(self._here))

    def remember(self, size: float) -> None:
        """Count ``size`` as one of this machine's, unless it belongs to a passing fault."""
        if self.probability(size) >= _STRANGE:
            self._held.append(size)
            self._calm = 0
            if len(self._held) >= _LASTING:
                self._settle()
            return
        self._here.push(size)
        self._calm += 1
        if self._held and self._calm >= _CALM:
            if len(self._held) < _RUN:
                self._settle()
            self._held.clear()

    def _settle(self) -> None:
        for size in self._held:
            self._here.push(size)
        self._held.clear()

    @property
    def unfamiliar(self) -> bool:
        """Whether frames of this machine usually surprise more than nearly all that were calibrated on."""
        if len(self._here) < SCALE_FRAMES:
            return False
        return float(np.interp(self._here.quantile(0.5), self._sizes, self._shares)) >= _UNLIKE

    def clear(self) -> None:
        """Forget this machine."""
        self._here.clear()
        self._held.clear()
        self._calm = 0


class SurpriseMeter:
    """How surprising each frame is, by the pack's calibration and by the frames of this machine."""

    def __init__(self, calibration: Calibration) -> None:
        self._sizes = Sizes(calibration.usual_distance, calibration.usual_novelty)
        self._scale = SurpriseScale(calibration.surprise)
        self._frames = 0

    def measure(self, step: EncodedFrame, frame: Frame, last: Forecast | None) -> Surprise | None:
        """Of ``frame``, encoded as ``step``, after the forecast ``last``; None for the first frame."""
        self._frames += 1
        if step.expected is None:
            return None
        distance = float(np.square(step.latent - step.expected).mean())
        size = self._sizes.push(distance, step.novelty)
        outside = () if last is None else furthest(frame, last)
        probability = self._scale.probability(size)
        surprise = Surprise(distance, step.novelty, size, probability, outside, self._frames)
        self._scale.remember(size)
        return surprise

    @property
    def unfamiliar(self) -> bool:
        """Whether this machine is unlike those the pack was trained on."""
        return self._scale.unfamiliar

    def clear(self) -> None:
        """Forget this machine."""
        self._sizes.clear()
        self._scale.clear()
        self._frames = 0


def furthest(frame: Frame, forecast: Forecast) -> tuple[tuple[str, float], ...]:
    """The channels outside the widest band that ``forecast`` gave the next frame, worst first.

    Distances are in widths of that band.
    """
    low, high = forecast.mean[:, 0, 0], forecast.mean[:, 0, -1]
    outside = np.maximum(low - frame.values, frame.values - high) / np.maximum(high - low, 1e-6)
    strayed = np.flatnonzero(frame.valid & np.isfinite(outside) & (outside > 0))
    worst = strayed[np.argsort(-outside[strayed])][:_NAMED]
    return tuple((forecast.channels[position], float(outside[position])) for position in worst)
