# SPDX-License-Identifier: Apache-2.0
"""The mean and the P90 of each channel over trailing windows, frame by frame or for a whole recording.

What the model forecasts at time t over (t, t+h] is exactly what the trailing window of length h holds at
t+h, so targets, baselines and the model's features all come from here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from jepa.world.forecast import FloatArray
from jepa.world.scale import Scale

P90 = 0.9
OBSERVED = 0.5
"""A window counts when at least this share of its frames observed the channel."""
_AT_ONCE = 32
"""Frames whose windows are sorted together: few enough to stay in a core's cache, which halves the time."""


@dataclass(frozen=True, slots=True)
class WindowStats:
    """Statistics of the windows that end at one instant, in the channels' units."""

    mean: FloatArray  # (C, H), NaN where no frame of the window observed the channel
    p90: FloatArray  # (C, H)
    share: FloatArray  # (C, H), 0..1: frames that observed the channel, of the frames a full window has


def all_window_stats(values: FloatArray, lengths: tuple[int, ...]) -> WindowStats:
    """Statistics of the windows that end at every frame of ``values`` (T, C): arrays (T, C, H).

    To the bit what Trailing answers frame by frame, in a fraction of the time.
    """
    frames, channels = values.shape
    longest = max(lengths)
    absent = np.isnan(values)
    keys = np.full((channels, longest + frames), np.inf, np.float32)
    known = np.zeros((longest + frames, channels), np.float64)
    seen = np.zeros((longest + frames + 1, channels), np.intp)
    keys[:, longest:] = np.where(absent, np.float32(np.inf), values).T
    known[longest:] = np.where(absent, 0, values)
    np.cumsum(~absent, axis=0, out=seen[longest + 1 :])
    result = WindowStats(*(np.empty((frames, channels, len(lengths)), np.float32) for _ in range(3)))
    for number, length in enumerate(lengths):
        first = longest + 1 - length  # the row at which the window of the first frame begins
        totals = np.zeros((frames, channels))
        for row in range(first, first + length):
            totals += known[row : row + frames]  # the oldest first, as Trailing adds them up
        counts = seen[longest + 1 :] - seen[first : first + frames]
        ascending = np.empty((channels, _AT_ONCE, length), np.float32)
        windows = sliding_window_view(keys[:, first:], length, axis=1)  # (C, T, N)
        for begin in range(0, frames, _AT_ONCE):
            rows = slice(begin, min(frames, begin + _AT_ONCE))
            some = ascending[:, : rows.stop - begin]
            np.copyto(some, windows[:, rows])
            some.sort(axis=-1)
            said = _figures(totals[rows], counts[rows], length, partial(_at_rank, some))
            for part, value in zip((result.mean, result.p90, result.share), said, strict=True):
                part[rows, :, number] = value
    return result


def _at_rank(ascending: FloatArray, rank: npt.NDArray[np.intp]) -> FloatArray:
    """(T, C) the value at ``rank`` (T, C) of each window in ``ascending`` (C, T, N)."""
    found: FloatArray = np.take_along_axis(ascending, rank.T[..., None], -1)[..., 0].T
    return found


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
    both = filled(np.stack([windows.mean, windows.p90]))  # (2, ..., C, H)
    scaled = np.moveaxis(scale.to_unit(both.swapaxes(-1, -2)).swapaxes(-1, -2), 0, -1)
    return np.nan_to_num(scaled, copy=False, nan=0.0), (windows.share >= OBSERVED).astype(np.float32)


def filled(stats: FloatArray) -> FloatArray:
    """Stats (..., H) with each empty window replaced by the next longer one that is not."""
    result = stats.copy()
    for column in range(result.shape[-1] - 2, -1, -1):
        shorter, longer = result[..., column], result[..., column + 1]
        np.copyto(shorter, longer, where=np.isnan(shorter))
    return result


class Trailing:
    """The trailing windows of frames as they come; one longer than what there is covers what there is.

    Every window is kept in order: a frame takes one value out and puts one in, for a small part of what
    sorting would take. What is absent comes last, as infinity. Of each table a row is a frame, so that the
    channels lie side by side.
    """

    def __init__(self, channels: int, lengths: tuple[int, ...]) -> None:
        self._longest = max(lengths)
        self._lengths = lengths
        self._at = self._longest
        """Frames before this row are the newest ones. The tables are twice as long as what is needed of
        them, so that they are moved back seldom."""
        self._keys: FloatArray = np.full((2 * self._longest + 1, channels), np.inf, np.float32)
        self._known = np.zeros(self._keys.shape, np.float64)
        self._seen = np.zeros(self._keys.shape, np.intp)
        self._counts = np.zeros((len(lengths), channels), np.intp)
        self._ascending: FloatArray = np.full((sum(lengths), channels), np.inf, np.float32)
        self._first = np.cumsum([0, *lengths[:-1]])
        """(H,) the row at which each window begins in it."""
        self._place = self._first[:, None] * channels + np.arange(channels)
        """(H, C) the place of the least of each window in it, laid out flat."""
        self._whole = np.array(lengths)

    def push(self, values: FloatArray) -> WindowStats:
        """Take the next frame (C,), in units, NaN where absent; answer its trailing windows."""
        at = self._room()
        absent = np.isnan(values)
        self._keys[at] = np.where(absent, np.float32(np.inf), values)
        self._known[at] = np.where(absent, 0, values)
        self._seen[at] = ~absent
        totals = np.empty(self._counts.shape, np.float64)
        for number, (length, first) in enumerate(zip(self._lengths, self._first, strict=True)):
            _exchange(self._ascending[first : first + length], self._keys[at - length], self._keys[at])
            np.add.reduce(self._known[at + 1 - length : at + 1], axis=0, out=totals[number])
        self._counts += self._seen[at] - self._seen[at - self._whole]
        return self._stats(totals)

    def _room(self) -> int:
        """The row of the next frame."""
        if self._at == len(self._keys):
            for table in (self._keys, self._known, self._seen):
                table[: self._longest] = table[-self._longest :]
            self._at = self._longest
        self._at += 1
        return self._at - 1

    def _stats(self, totals: npt.NDArray[np.float64]) -> WindowStats:
        """From the sums of each window (H, C)."""
        channels = self._counts.shape[1]
        mean, p90, share = _figures(
            totals,
            self._counts,
            self._whole[:, None],
            lambda rank: self._ascending.take(self._place + rank * channels),
        )
        return WindowStats(mean.T, p90.T, share.T)


def _figures(
    totals: npt.NDArray[np.float64],
    counts: npt.NDArray[np.intp],
    length: "int | npt.NDArray[np.intp]",
    ranked: Callable[[npt.NDArray[np.intp]], FloatArray],
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean, P90 and share of windows of ``length`` frames, of which ``counts`` add up to ``totals``.

    ``ranked`` answers the value of each window at a rank from the least on.
    """
    count = np.maximum(counts, 1)
    mean = (totals / count).astype(np.float32)
    position = P90 * (count - 1)
    below = position.astype(np.intp)
    low, high = ranked(below), ranked(np.minimum(below + 1, count - 1))
    with np.errstate(invalid="ignore"):  # of what was never observed
        # Between neighbours linearly, as NumPy does.
        p90 = (low + (high - low) * (position - below)).astype(np.float32)
    nothing = counts == 0
    np.copyto(mean, np.nan, where=nothing)
    np.copyto(p90, np.nan, where=nothing)
    return mean, p90, (counts / length).astype(np.float32)


def _exchange(ascending: FloatArray, old: FloatArray, new: FloatArray) -> None:
    """In each column of ``ascending`` (N, C), which is sorted, replace one that equals ``old`` (C,)."""
    rest = ascending[1:].copy()
    np.copyto(rest, ascending[:-1], where=ascending[:-1] < old)
    np.minimum(rest, new, out=ascending[:-1])
    ascending[-1] = new
    np.maximum(ascending[1:], rest, out=ascending[1:])
