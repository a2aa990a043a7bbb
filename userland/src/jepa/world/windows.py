# SPDX-License-Identifier: Apache-2.0
"""The mean and the P90 of each channel over trailing windows, frame by frame or for a whole recording.

What the model forecasts at time t over (t, t+h] is exactly what the trailing window of length h holds at
t+h, so targets, baselines and the model's features all come from here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from jepa.world.forecast import FloatArray
from jepa.world.scale import Scale

P90 = 0.9
OBSERVED = 0.5
"""A window counts when at least this share of its frames observed the channel."""


@dataclass(frozen=True, slots=True)
class WindowStats:
    """Statistics of the windows that end at one instant, in the channels' units."""

    mean: FloatArray  # (C, H), NaN where no frame of the window observed the channel
    p90: FloatArray  # (C, H)
    share: FloatArray  # (C, H), 0..1: frames that observed the channel, of the frames a full window has


def window_stats(recent: FloatArray, lengths: tuple[int, ...]) -> WindowStats:
    """Statistics of the last ``lengths`` frames of ``recent`` (N, C), oldest first, NaN where absent.

    A window longer than what there is covers what there is.
    """
    # Sorting is quick along rows only.
    by_channel = np.ascontiguousarray(recent.T)
    channels = len(by_channel)
    mean = np.full((channels, len(lengths)), np.nan, np.float32)
    p90 = np.full((channels, len(lengths)), np.nan, np.float32)
    share = np.zeros((channels, len(lengths)), np.float32)
    absent = np.isnan(by_channel)
    known = np.where(absent, np.float32(0), by_channel)
    for column, length in enumerate(lengths):
        window = by_channel[:, -length:]
        count = window.shape[1] - np.add.reduce(absent[:, -length:], axis=1, dtype=np.intp)
        share[:, column] = count / length
        some = np.flatnonzero(count)
        total = np.add.reduce(known[:, -length:], axis=1, dtype=np.float64)
        mean[some, column] = total[some] / count[some]
        if window.shape[1] == 1:
            p90[:, column] = window[:, 0]
            continue
        # NaN sorts last.
        p90[some, column] = _sorted_quantile(np.sort(window, axis=1)[some], count[some])
    return WindowStats(mean, p90, share)


def _sorted_quantile(ascending: FloatArray, count: npt.NDArray[np.intp]) -> FloatArray:
    """P90 of the first ``count`` values of each sorted row, between neighbours linearly as NumPy does."""
    position = P90 * (count - 1)
    below = np.floor(position).astype(np.intp)
    above = np.minimum(below + 1, count - 1)
    rows = np.arange(len(ascending))
    low, high = ascending[rows, below], ascending[rows, above]
    result: FloatArray = (low + (high - low) * (position - below)).astype(np.float32)
    return result


def all_window_stats(values: FloatArray, lengths: tuple[int, ...]) -> WindowStats:
    """The same at every frame of ``values`` (T, C): arrays (T, C, H)."""
    longest = max(lengths)
    each = [window_stats(values[max(0, t + 1 - longest) : t + 1], lengths) for t in range(len(values))]
    return WindowStats(
        np.stack([stats.mean for stats in each]),
        np.stack([stats.p90 for stats in each]),
        np.stack([stats.share for stats in each]),
    )


def coming(values: FloatArray, lengths: Sequence[int]) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """What came after each frame of ``values`` (T, C): mean and P90 (T, C, H, 2), and (T, C, H) if it did.

    NaN where a window goes beyond the end; a window counts only when enough of it was observed.
    """
    windows = all_window_stats(values, tuple(lengths))
    stats = np.stack([windows.mean, windows.p90], axis=-1)
    truth = np.full_like(stats, np.nan)
    seen = np.zeros(stats.shape[:-1], np.bool_)
    for column, horizon in enumerate(lengths):
        come = max(0, len(values) - horizon)
        truth[:come, :, column] = stats[horizon:, :, column]
        seen[:come, :, column] = windows.share[horizon:, :, column] >= OBSERVED
    return truth, seen


def stats_on_scale(windows: WindowStats, scale: Scale) -> tuple[FloatArray, FloatArray]:
    """What the decoder is given: (..., C, H, 2) on the unit scale, and (..., C, H) 1 where a window counts.

    An empty window takes the value of the next longer one; a channel no window observed is 0.
    """
    both = np.stack([filled(windows.mean), filled(windows.p90)], axis=-1)
    scaled = np.moveaxis(scale.to_unit(np.moveaxis(both, -3, -1)), -1, -3)
    return np.nan_to_num(scaled, nan=0.0), (windows.share >= OBSERVED).astype(np.float32)


def filled(stats: FloatArray) -> FloatArray:
    """Stats (..., H) with each empty window replaced by the next longer one that is not."""
    result = stats.copy()
    for column in range(result.shape[-1] - 2, -1, -1):
        empty = np.isnan(result[..., column])
        result[..., column] = np.where(empty, result[..., column + 1], result[..., column])
    return result


class Trailing:
    """The trailing windows of frames as they come."""

    def __init__(self, channels: int, lengths: tuple[int, ...]) -> None:
        self._lengths = lengths
        self._recent: FloatArray = np.empty((0, channels), np.float32)

    def push(self, values: FloatArray) -> WindowStats:
        """Take the next frame (C,), in units, NaN where absent; answer its trailing windows."""
        self._recent = np.concatenate([self._recent[-max(self._lengths) + 1 :], values[None]])
        return window_stats(self._recent, self._lengths)
