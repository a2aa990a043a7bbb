# SPDX-License-Identifier: Apache-2.0
"""Exponential smoothing whose form is chosen anew for each series (AutoETS of statsforecast)."""

from collections.abc import Sequence

import numpy as np

from jepa.evaluation.baselines import last, seasons
from jepa.telemetry.recording import Recording
from jepa.world.forecast import FloatArray
from jepa.world.windows import P90

_PAST = 128
_EVERY, _FITS = 5, 48
"""Fitted on one frame in so many, or fewer, so that there are not more fits than that in a recording: one
takes some hundredths of a second, a channel. In between it stays."""


class Ets:
    """Fitted on a channel's own last 128 frames alone; needs no training."""

    def points(self, recording: Recording, horizons: Sequence[int]) -> FloatArray:
        """(T, C, H, 2) in units: of the smoothed path, whose P90 knows nothing of the noise around it."""
        result = last(recording.values, horizons).copy()
        low = [channel.low for channel in recording.schema.channels]
        high = [channel.high for channel in recording.schema.channels]
        every = max(_EVERY, len(recording.values) // _FITS)
        for now in range(2 * max(horizons), len(recording.values), every):
            past = recording.values[max(0, now + 1 - _PAST) : now + 1]
            known = np.nan_to_num(past)
            lag = seasons(known)
            for channel in np.flatnonzero(np.isfinite(past).all(axis=0) & (np.ptp(known, axis=0) > 0)):
                path = _path(known[:, channel].astype(np.float64), int(lag[channel]), max(horizons))
                # A trend goes on for ever; what it describes does not.
                path = np.clip(path, low[channel], high[channel])
                for column, horizon in enumerate(horizons):
                    coming = path[:horizon]
                    result[now : now + every, channel, column] = coming.mean(), np.quantile(coming, P90)
        return result


def _path(series: np.ndarray, season: int, frames: int) -> np.ndarray:
    # Takes four seconds to import, which whoever asks for another peer need not wait for.
    from statsforecast.models import AutoETS

    model = AutoETS(season_length=max(1, season) if season <= 24 else 1)
    return np.asarray(model.forecast(y=series, h=frames)["mean"])
