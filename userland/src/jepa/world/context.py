# SPDX-License-Identifier: Apache-2.0
"""What the model keeps of the frames so far: each is encoded once, and attended to from then on."""

from dataclasses import dataclass

import numpy as np

from jepa.packs.pack import Pack
from jepa.telemetry.frame import BoolArray, Frame
from jepa.world.attention_cache import AttentionCache
from jepa.world.controls import Controls, HostSize, Recent
from jepa.world.forecast import FloatArray
from jepa.world.recall_buffer import RecallBuffer
from jepa.world.scale import Scale
from jepa.world.sessions import open_session
from jepa.world.windows import Trailing, stats_on_scale


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """One frame, encoded, in its context."""

    latent: FloatArray  # (1, D)
    expected: FloatArray | None  # (1, D): what the frame before predicted; None for the first one
    novelty: float
    """Squared error of the frame as decoded from its latent, in deviations of such errors, a channel."""
    state: FloatArray  # (1, D): the context's state after this frame
    unseen: BoolArray  # (C,) channels not observed in any window of the past


class Context:
    """The encode and advance graphs of ``pack``, and everything the other graphs are given of the past."""

    def __init__(self, pack: Pack, host: HostSize) -> None:
        shape, channels = pack.manifest.shape, len(pack.schema.channels)
        self._encode, self._advance = (
            open_session(pack.graphs[name], f"{pack.title}/{name}") for name in ("encode", "advance")
        )
        self._scale = Scale(pack.schema)
        self._horizons = len(shape.horizons_s)
        self._windows = (*shape.horizons_s, *shape.longer_s)
        self.controls = Controls(host)
        """The settings in force."""
        self._recent = Recent()
        self._recall = RecallBuffer(shape.window, shape.coarse, shape.key_width, shape.horizons_s, channels)
        self.cache = AttentionCache(shape)
        self._trailing = Trailing(channels, self._windows)
        self._stats = np.zeros((channels, len(self._windows), 2), np.float32)
        self._seen = np.zeros((channels, len(self._windows)), np.float32)
        self.latent: FloatArray | None = None
        """(1, D) of the newest frame."""
        self.next_latent: FloatArray | None = None
        """(1, D) as predicted for the next frame."""

    def clear(self) -> None:
        """Forget all frames; what is set stays in force."""
        self.latent = self.next_latent = None
        self.cache.clear()
        self._trailing = Trailing(len(self._stats), self._windows)
        self._recall.clear()
        self._recent.fill(self.controls.vector)

    def take(self, frame: Frame) -> EncodedFrame:
        """Encode ``frame``, of the pack's channels, and advance by it."""
        if self.cache.make_room():
            self._recall.thin()
        self._recent.push(self.controls.vector)
        values = np.where(frame.valid, frame.values, np.float32(np.nan))
        unit = self._scale.to_unit(values)[None]
        valid = np.isfinite(unit)
        inputs = {"frame": np.where(valid, unit, np.float32(0)), "valid": valid.astype(np.float32)}
        latent, novelty = self._encode.run(None, inputs)
        expected, self.latent = self.next_latent, latent
        state, self.next_latent, key, window = self._advance.run(
            None,
            {
                "latent": latent,
                "control": self.controls.vector[None],
                "caches": self.cache.window,
                "coarse": self.cache.coarse,
                "count": self.cache.counts,
            },
        )
        self.cache.push(window)
        trailing = self._trailing.push(values)
        self._stats, self._seen = stats_on_scale(trailing, self._scale)
        self._recall.push(key[0], *self.past_windows)
        return EncodedFrame(latent, expected, float(novelty[0]), state, trailing.share[:, -1] == 0)

    @property
    def past_windows(self) -> tuple[FloatArray, FloatArray]:
        """On the unit scale, the windows as long as the horizons that end now.

        (C, H, 2) their mean and P90, and (C, H) 1 where enough of them was observed.
        """
        return self._stats[:, : self._horizons], self._seen[:, : self._horizons]

    @property
    def inputs(self) -> dict[str, FloatArray]:
        """What both the decode and the imagine graph are given of the past."""
        return {
            "recent": self._recent.means[None],
            "stats": self._stats[None],
            "keys": self._recall.keys,
            "outcomes": self._recall.outcomes,
            "followed": self._recall.followed,
            "count": self.cache.counts,
        }
