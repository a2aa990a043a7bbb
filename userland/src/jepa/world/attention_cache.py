# SPDX-License-Identifier: Apache-2.0
"""The keys and values that the predictor attends to: of the window's frames, and of a few beyond it."""

import numpy as np

from jepa.packs.machine import ModelShape
from jepa.world.forecast import FloatArray


class AttentionCache:
    """Rings, newest last, of L layers and N heads; entries of frames not taken yet are 0.

    ``window`` (L, 2, N, W, D/N) holds the last W frames, ``before`` the same before the newest of them, and
    ``coarse`` (L, 2, N, V, D/N) one frame in ``coarse_s`` of those that have left the window.
    """

    def __init__(self, shape: ModelShape) -> None:
        self._shape = shape
        self._empty_window, self._empty_coarse = (
            np.zeros((shape.layers, 2, shape.heads, frames, shape.width // shape.heads), np.float32)
            for frames in (shape.window, shape.coarse)
        )
        self.clear()

    def clear(self) -> None:
        """Forget all frames."""
        self._taken = 0
        self.window: FloatArray = self._empty_window
        self.before: FloatArray = self._empty_window
        self.coarse: FloatArray = self._empty_coarse

    @property
    def frames(self) -> int:
        """Frames in the window."""
        return min(self._taken, self._shape.window)

    @property
    def counts(self) -> FloatArray:
        """(2,) frames in the window, and in the coarse context."""
        coarse = max(0, self._taken - self._shape.window) // self._shape.coarse_s
        return np.array([self.frames, min(coarse, self._shape.coarse)], np.float32)

    def make_room(self) -> bool:
        """Count one more frame; True if the one that leaves the window was kept in the coarse context."""
        leaves = self._taken - self._shape.window
        self._taken += 1
        kept = leaves >= 0 and leaves % self._shape.coarse_s == self._shape.coarse_s - 1
        if kept:
            self.coarse = np.concatenate([self.coarse[..., 1:, :], self.window[..., :1, :]], axis=3)
        return kept

    def push(self, window: FloatArray) -> None:
        """Take the window with the newest frame, as the advance graph returns it."""
        self.before, self.window = self.window, window
