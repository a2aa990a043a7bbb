# SPDX-License-Identifier: Apache-2.0
"""How surprising a frame is: a probability from the latent distance, and the channels that strayed."""

from collections.abc import Sequence

import numpy as np

from jepa.telemetry.frame import Frame
from jepa.world.forecast import Forecast

_NAMED = 5


class SurpriseScale:
    """Turns a latent distance into the share of calibration frames that were less surprising."""

    def __init__(self, quantiles: Sequence[float]) -> None:
        self._distances = np.array(quantiles, np.float64)
        self._shares = np.linspace(0.0, 1.0, len(quantiles))

    def probability(self, distance: float) -> float:
        """0..1; 1 beyond everything seen in calibration."""
        return float(np.interp(distance, self._distances, self._shares))


def furthest(frame: Frame, forecast: Forecast) -> tuple[tuple[str, float], ...]:
    """The channels outside the widest band that ``forecast`` gave the next frame, worst first.

    Distances are in widths of that band.
    """
    low, high = forecast.mean[:, 0, 0], forecast.mean[:, 0, -1]
    outside = np.maximum(low - frame.values, frame.values - high) / np.maximum(high - low, 1e-6)
    strayed = np.flatnonzero(frame.valid & np.isfinite(outside) & (outside > 0))
    worst = strayed[np.argsort(-outside[strayed])][:_NAMED]
    return tuple((forecast.channels[position], float(outside[position])) for position in worst)
