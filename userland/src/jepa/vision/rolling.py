# SPDX-License-Identifier: Apache-2.0
"""A window of latents that slides over a stream: 128 frames and more, at the cost of a short clip a moment.

Attention in V-JEPA 2 goes both ways in time, so a moment's exact latents change with every frame that comes
after it, and the exact window would be encoded anew, whole, each time. Here a moment is encoded when it is
the newest, with as many frames before it as a clip of the pack has, and kept: it never sees what came later,
nor what lies further back. How far that is from the whole window is measured in tests/bench/vision.py.
"""

from collections import deque

import numpy as np

from jepa.vision.clip import FloatArray
from jepa.vision.model import VisionModel


class RollingWindow:
    """The latents of the last ``frames`` frames. Not for use by two threads at once."""

    def __init__(self, model: VisionModel, frames: int = 128) -> None:
        of = model.manifest
        self._tubelet = of.clip.frames // of.tokens.time
        if frames % self._tubelet or frames < of.clip.frames:
            raise ValueError(
                f"a window of {frames} frames is no multiple of {self._tubelet}, or shorter than a clip"
            )
        self._model = model
        self._frames: deque[FloatArray] = deque(maxlen=of.clip.frames)
        self._steps: deque[FloatArray] = deque(maxlen=frames // self._tubelet)
        self._waiting = 0

    def push(self, frame: FloatArray) -> FloatArray | None:
        """Take a frame (3, P, P); the newest moment's tokens (H * W, D) when it completes one.

        Nothing comes before there is a whole clip; then its moments come at once, and the last is answered.
        """
        self._frames.append(frame)
        self._waiting += 1
        if len(self._frames) < (self._frames.maxlen or 0) or self._waiting < self._tubelet:
            return None
        self._waiting = 0
        moments = self._model.encode(list(self._frames))
        self._steps.extend(moments if not self._steps else moments[-1:])
        return self._steps[-1]

    @property
    def latents(self) -> FloatArray:
        """(T, H * W, D), oldest first; T is 0 before the first clip."""
        if not self._steps:
            tokens = self._model.manifest.tokens
            return np.zeros((0, self._model.place, tokens.width), np.float32)
        return np.stack(self._steps)

    def clear(self) -> None:
        """Forget what was seen, as after a cut or a gap."""
        self._frames.clear()
        self._steps.clear()
        self._waiting = 0
