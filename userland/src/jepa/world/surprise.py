# SPDX-License-Identifier: Apache-2.0
"""How surprising a frame is: a probability from the size of the surprise, and the channels that strayed."""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Sequence

import numpy as np

from jepa.telemetry.frame import Frame
from jepa.world.forecast import Forecast

_NAMED = 5


_REMEMBERED = 1800
"""Distances of this machine that count, the newest: half an hour at 1 Hz."""
_TRUSTED = 120
"""How many of this machine's distances weigh as much as the pack's calibration."""


_ENOUGH = 300
"""Frames after which it can be said whether this machine is like those the pack knows."""
_UNLIKE = 0.99


class SurpriseScale:
    """Turns the size of a surprise into the share of frames that were less surprising.

    At first these are the frames the pack was calibrated on; with time those of this machine, on which all
    may be a little strange to the pack (conformal prediction with a window: Vovk, Gammerman and Shafer,
    Algorithmic Learning in a Random World, 2005).
    """

    def __init__(self, quantiles: Sequence[float]) -> None:
        self._distances = np.array(quantiles, np.float64)
        self._shares = np.linspace(0.0, 1.0, len(quantiles))
        self._here: deque[float] = deque(maxlen=_REMEMBERED)
        self._ascending: list[float] = []

    def probability(self, distance: float) -> float:
        """0..1; 1 beyond everything seen in calibration and here."""
        calibrated = float(np.interp(distance, self._distances, self._shares))
        count = len(self._here)
        below = bisect_left(self._ascending, distance)
        return (_TRUSTED * calibrated + below) / (_TRUSTED + count)

    def remember(self, distance: float) -> None:
        """Count ``distance`` as one of this machine's."""
        if len(self._here) == _REMEMBERED:
            del self._ascending[bisect_left(self._ascending, self._here[0])]
        self._here.append(distance)
        insort(self._ascending, distance)

    @property
    def unfamiliar(self) -> bool:
        """Whether frames of this machine usually surprise more than nearly all that were calibrated on."""
        if len(self._here) < _ENOUGH:
            return False
        usual = self._ascending[len(self._ascending) // 2]
        return float(np.interp(usual, self._distances, self._shares)) >= _UNLIKE

    def clear(self) -> None:
        """Forget this machine."""
        self._here.clear()
        self._ascending.clear()


def furthest(frame: Frame, forecast: Forecast) -> tuple[tuple[str, float], ...]:
    """The channels outside the widest band that ``forecast`` gave the next frame, worst first.

    Distances are in widths of that band.
    """
    low, high = forecast.mean[:, 0, 0], forecast.mean[:, 0, -1]
    outside = np.maximum(low - frame.values, frame.values - high) / np.maximum(high - low, 1e-6)
    strayed = np.flatnonzero(frame.valid & np.isfinite(outside) & (outside > 0))
    worst = strayed[np.argsort(-outside[strayed])][:_NAMED]
    return tuple((forecast.channels[position], float(outside[position])) for position in worst)
