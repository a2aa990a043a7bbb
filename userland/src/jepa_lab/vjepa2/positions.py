# SPDX-License-Identifier: Apache-2.0
"""Rotary positions in time, height and width, as tables that are made once.

As in the public models (facebookresearch/vjepa2, src/models/utils/modules.py): each axis rotates a third of
a head, and the frequencies are tiled over a pair's halves where they should be repeated for each pair. The
weights were trained so, so it is kept. V-JEPA 2.1 (app/vjepa_2_1/models/utils/modules.py) repeats them as it
should, and spreads rows and columns over those of the 256 pixels it began with. Here the even numbers of a
head come before the odd ones: attention does not mind, when queries and keys are turned alike, and a pair's
halves then lie in two blocks.
"""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
_BASE = 10_000.0
_SPREAD = 15
"""The last row and column of 2.1: those of 256 pixels in patches of 16."""


def order(head_width: int) -> IntArray:
    """(d,) where each number of a head comes from: the even ones first."""
    return np.concatenate([np.arange(0, head_width, 2), np.arange(1, head_width, 2)])


def token_positions(grid: tuple[int, int, int]) -> IntArray:
    """(N, 3) time, row and column of each token of a clip."""
    return np.stack(np.unravel_index(np.arange(np.prod(grid)), grid), -1)


def spread_positions(grid: tuple[int, int, int]) -> FloatArray:
    """(N, 3) the same in V-JEPA 2.1: rows and columns go from 0 to 15, however many they are."""
    last = np.array([_SPREAD, *(max(size - 1, 1) for size in grid[1:])])
    return np.asarray(token_positions(grid) * _SPREAD / last, np.float32)


def acted_positions(frames: int, rows: int, columns: int, extra: int) -> IntArray:
    """(T * (E + H * W), 3): in each frame ``extra`` tokens with a time but no place, then the others."""
    tokens = token_positions((frames, rows, columns)).reshape(frames, rows * columns, 3)
    first = np.zeros((frames, extra, 3), np.int64)
    first[..., 0] = np.arange(frames)[:, None]
    return np.concatenate([first, tokens], axis=1).reshape(-1, 3)


def tables(
    positions: npt.NDArray[np.floating | np.int64], head_width: int, *, tiled: bool = True
) -> tuple[FloatArray, FloatArray]:
    """Cosines and signed sines (N, d), in ``order``, at ``positions`` (N, 3).

    A head x in that order, halves exchanged to y, is rotated as x * cosines + y * sines.
    """
    each = 2 * (head_width // 3 // 2)
    omega = 1.0 / _BASE ** (np.arange(each // 2) / (each / 2.0))
    angles = positions[:, :, None].astype(np.float64) * omega  # (N, 3, each / 2)
    both = np.tile(angles, (1, 1, 2)) if tiled else np.repeat(angles, 2, -1)
    whole = both.reshape(len(positions), -1)  # (N, 3 * each)
    rest = ((0, 0), (0, head_width - whole.shape[1]))
    cosine, sine = np.pad(np.cos(whole), rest, constant_values=1.0), np.pad(np.sin(whole), rest)
    sine[:, 0::2] *= -1
    places = order(head_width)
    return cosine[:, places].astype(np.float32), sine[:, places].astype(np.float32)
