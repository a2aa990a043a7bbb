# SPDX-License-Identifier: Apache-2.0
"""How far what a camera shows lies from what was expected, and whether that is unusual for this camera."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from jepa.packs.vision import Clip
from jepa.vision.clip import FloatArray
from jepa.vision.model import VisionModel
from jepa.vision.pipeline import coarse
from jepa.world.ranks import SlidingRanks

COARSE = Clip(frames=4, channels=3, resize=64, crop=64, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
"""Clips of which only coarse pictures are wanted."""
GATE = 0.02
"""Difference, in deviations of colours, that noise alone may make."""
_REMEMBERED = 600
_ENOUGH = 20
"""Clips after which it can be said what is usual."""
_MOSTLY = 0.95
"""Share of the clips that count as usual."""


class Sight(Protocol):
    """Expects something of the next clip, and says how far what came lies from it."""

    @property
    def clip(self) -> Clip:
        """The clips it takes."""

    @property
    def gate(self) -> float:
        """What a clip that is looked at has to differ from the one before by (see pipeline.Gate)."""

    @property
    def floor(self) -> float:
        """A distance that means nothing, whatever is usual."""

    @property
    def words(self) -> str:
        """What it compares, for people."""

    def look(self, frames: Sequence[FloatArray], *, follows: bool) -> float | None:
        """The distance of a clip's frames (3, P, P) from what was expected; None of the first.

        ``follows``: the clip begins where the one before ended.
        """

    def clear(self) -> None:
        """Forget what was seen, as when a camera comes back from elsewhere."""


class CoarseSight:
    """Expects that nothing changes: plain change detection on 16 x 16 means of a picture's parts.

    Distances are mean differences of these, in deviations of colours, of the frame that differs most.
    """

    clip = COARSE
    gate = floor = GATE
    words = "plain change of coarse pictures, without a model"

    def __init__(self) -> None:
        self._last: FloatArray | None = None

    def look(self, frames: Sequence[FloatArray], *, follows: bool) -> float | None:
        """See Sight; it makes no difference whether the clip ``follows``."""
        seen = np.stack([coarse(frame) for frame in frames])
        last, self._last = self._last, seen[-1]
        return None if last is None else float(np.abs(seen - last).mean((1, 2, 3)).max())

    def clear(self) -> None:
        """Forget what was seen."""
        self._last = None


class LatentSight:
    """Expects what the pack's predictor makes of the clip before; else that its last moment stays.

    Distances are 1 - cosine, 0..2, the mean of all places. The moments that come are encoded with their own
    clip, not with the one before, so some distance is usual.
    """

    gate, floor = GATE, 0.01

    def __init__(self, model: VisionModel, one_at_a_time: AbstractContextManager[object]) -> None:
        """``one_at_a_time``: held while the model works, which others may use as well."""
        self._model, self._alone = model, one_at_a_time
        self._last: FloatArray | None = None
        self.clip = model.manifest.clip
        expected = "predicted" if model.manifest.ahead else "the moment before"
        self.words = f"latents of {model.manifest.name} against {expected}"

    def look(self, frames: Sequence[FloatArray], *, follows: bool) -> float | None:
        """See Sight."""
        with self._alone:
            last, latents = self._last, self._model.encode(frames)
            self._last = latents
            if last is None:
                return None
            ahead = min(self._model.manifest.ahead, len(latents)) if follows else 0
            expected = self._model.predict(last)[:ahead] if ahead else last[-1:]
        return 1 - mean_cosine(expected, latents[: len(expected)])

    def clear(self) -> None:
        """Forget what was seen."""
        self._last = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """How unusual one clip is."""

    share: float
    """Of the remembered clips, those that were less surprising; 0..1."""
    times: float
    """Its distance over the largest of those that are usual."""
    of: int
    """Remembered clips."""


class DeviationScale:
    """The distances of one camera's newest clips, against which the next is judged.

    The share is a rank among them, so it holds for any camera (conformal, with a window); that it is large
    happens by chance as often as it says, so ``times`` has to be large as well for an alert.
    """

    def __init__(self, floor: float) -> None:
        self._floor = floor
        self._newest = SlidingRanks(_REMEMBERED)

    def judge(self, distance: float) -> Judgement | None:
        """How unusual ``distance`` is; None while too little is known. It is remembered."""
        found = None
        if (count := len(self._newest)) >= _ENOUGH:
            usual = max(self._floor, self._newest.quantile(_MOSTLY))
            found = Judgement(self._newest.below(distance) / count, distance / usual, count)
        self._newest.push(distance)
        return found


def mean_cosine(one: FloatArray, other: FloatArray) -> float:
    """Mean cosine of the tokens (…, D) of some moments and those of others."""
    lengths = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
    return float(((one * other).sum(-1) / np.maximum(lengths, 1e-9)).mean())
