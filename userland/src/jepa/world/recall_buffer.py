# SPDX-License-Identifier: Apache-2.0
"""What the context remembers of each moment: the key to find it by, and what followed it.

Beyond the window of the last W frames one frame in so many is kept: the coarse context, of V frames.
"""

import numpy as np

from jepa.world.forecast import FloatArray


class RecallBuffer:
    """Rings, newest last, laid out as the decode graph wants them.

    ``keys`` (W + V, K) finds a moment, of the window first, then of the coarse context. ``outcomes``
    (H, W, 4, C) holds, for the window of each horizon that ends at each frame: its mean, its P90, 1, and the
    channel's value when it began; all 0 where the window was not observed. ``followed`` (H, V, 4, C) holds
    the same of the windows that began at each frame of the coarse context.
    """

    def __init__(
        self, window: int, coarse: int, key_width: int, horizons: tuple[int, ...], channels: int
    ) -> None:
        self.keys: FloatArray = np.zeros((window + coarse, key_width), np.float32)
        self.outcomes: FloatArray = np.zeros((len(horizons), window, 4, channels), np.float32)
        self.followed: FloatArray = np.zeros((len(horizons), coarse, 4, channels), np.float32)
        self._bytes = self.outcomes.data.cast("B")
        self._frame_bytes = self.outcomes[0, 0].nbytes
        self._window = window
        self._horizons = horizons
        self._values: FloatArray = np.zeros((max(horizons) + 1, channels), np.float32)

    def thin(self) -> None:
        """Take the frame that is about to leave the window into the coarse context."""
        far = self.keys[self._window :]
        far[:-1] = far[1:]
        far[-1] = self.keys[0]
        self.followed[:, :-1] = self.followed[:, 1:]
        for number, horizon in enumerate(self._horizons):
            self.followed[number, -1] = self.outcomes[number, horizon]

    def push(self, key: FloatArray, stats: FloatArray, seen: FloatArray) -> None:
        """Take a frame: key (K,), stats (C, H, 2) and seen (C, H) of the windows that end with it."""
        for ring in (self.keys[: self._window], self._values):
            ring[:-1] = ring[1:]
        # All horizons at once, in place: what comes from the next horizon is overwritten below.
        self._bytes[: -self._frame_bytes] = self._bytes[self._frame_bytes :]
        self.keys[self._window - 1] = key
        self._values[-1] = stats[:, 0, 0]
        newest = self.outcomes[:, -1]
        newest[:, 0] = stats[..., 0].T
        newest[:, 1] = stats[..., 1].T
        newest[:, 2] = 1
        newest[:, 3] = self._values[[-1 - horizon for horizon in self._horizons]]
        newest *= seen.T[:, None]

    def clear(self) -> None:
        """Forget everything."""
        for ring in (self.keys, self._values, self.outcomes, self.followed):
            ring.fill(0)
