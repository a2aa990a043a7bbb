# SPDX-License-Identifier: Apache-2.0
"""Forecasts that need no training: what any model of the machine has to beat."""

from collections.abc import Sequence

import numpy as np

from jepa.world.forecast import FloatArray
from jepa.world.windows import P90, all_window_stats, filled

_PAST = 128
"""Frames a season is looked for in."""
_SEASONS = range(4, _PAST // 2 + 1)
_ALIKE = 0.3
"""Autocorrelation below which there is no season, and the past window is repeated."""


def window(values: FloatArray, horizons: Sequence[int]) -> FloatArray:
    """(T, C, H, 2): mean and P90 of the past window as long as the one to come, for values (T, C)."""
    stats = all_window_stats(values, tuple(horizons))
    return np.stack([filled(stats.mean), filled(stats.p90)], axis=-1)


def last(values: FloatArray, horizons: Sequence[int]) -> FloatArray:
    """(T, C, H, 2): the last value."""
    past = window(values, horizons)
    return np.broadcast_to(past[:, :, :1, :1], past.shape)


def seasonal(values: FloatArray, horizons: Sequence[int]) -> FloatArray:
    """(T, C, H, 2): each channel's last season again, its length from the past's autocorrelation."""
    result = window(values, horizons).copy()
    known = _carried(values)
    for now in range(2 * _SEASONS.start, len(values)):
        past = known[max(0, now + 1 - _PAST) : now + 1]
        lag = seasons(past)
        channels = np.flatnonzero(lag)[:, None]
        if not len(channels):
            continue
        begins = len(past) - lag[channels]
        for column, horizon in enumerate(horizons):
            coming = past[begins + np.arange(horizon) % lag[channels], channels]  # (channels, horizon)
            result[now, channels[:, 0], column, 0] = coming.mean(axis=1)
            result[now, channels[:, 0], column, 1] = np.quantile(coming, P90, axis=1)
    return result


def seasons(past: FloatArray) -> np.ndarray:
    """(C,) the lag at which each channel of ``past`` (N, C) is most like itself; 0 where it is not."""
    frames = len(past)
    centred = past - past.mean(axis=0)
    spectrum = np.abs(np.fft.rfft(centred, 2 * frames, axis=0)) ** 2
    correlation = np.fft.irfft(spectrum, axis=0)[:frames]
    lags = [lag for lag in _SEASONS if 2 * lag <= frames]
    if not lags:
        return np.zeros(past.shape[1], np.intp)
    # Fewer frames overlap at a longer lag, which must not make it look less alike.
    share = (frames - np.array(lags)) / frames
    level = correlation[lags] / share[:, None] / np.maximum(correlation[0], 1e-12)
    best = level.argmax(axis=0)
    found = np.array(lags)[best]
    return np.where(level.max(axis=0) >= _ALIKE, found, 0)


def _carried(values: FloatArray) -> FloatArray:
    """Values (T, C) with what is absent replaced by what was last there, or 0."""
    carried = np.nan_to_num(values.copy(), nan=0.0)
    for now in range(1, len(values)):
        absent = np.isnan(values[now])
        carried[now, absent] = carried[now - 1, absent]
    return carried
