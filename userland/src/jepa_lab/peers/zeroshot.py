# SPDX-License-Identifier: Apache-2.0
"""A small pretrained forecaster that knows nothing of machines: Fracast-0, whose weights its package brings.

It forecasts each channel by itself: nine quantiles of every coming second, in blocks of 48 seconds. What is
asked of it are quantiles of the mean and the P90 of whole windows, which depend on how alike seconds are.
So courses are drawn whose seconds have its quantiles and are as alike as those of an autoregressive process
of the first order (a Gaussian copula); how alike, `hold`, is chosen on validation sessions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt
from fracast import FracastModel
from scipy.special import ndtri

from jepa.telemetry.frame import BoolArray
from jepa.telemetry.recording import Recording
from jepa.world.forecast import FloatArray
from jepa.world.scale import Scale
from jepa.world.windows import P90
from jepa_lab.peers.features import carried

_LEAST_PAST: Final = 16
_DRAWS: Final = 200


@dataclass(frozen=True)
class ZeroShot:
    """Fracast-0 on the unit scale, on which errors are measured."""

    hold: float = 0.9
    """Correlation of a second with the next one in the courses that are drawn, 0..1."""

    @cached_property
    def _model(self) -> FracastModel:
        return FracastModel.from_pretrained(weights="fp32")

    def paths(
        self, frame: FloatArray, now: int, seconds: int, channels: BoolArray | None = None
    ) -> FloatArray:
        """(C, S, 9): quantiles of each second after frame ``now`` of ``frame`` (T, C), which has no gaps.

        A channel that never moved stays, without asking, and so do others than ``channels`` (C,).
        """
        past = frame[: now + 1].T
        found = np.repeat(np.repeat(past[:, -1:, None], seconds, axis=1), len(self.levels), axis=2)
        moving = np.ptp(past, axis=1) > 0
        if channels is not None:
            moving &= channels
        if now + 1 >= _LEAST_PAST and moving.any():
            found[moving] = self._model.forecast_batch(past[moving], horizon=seconds)
        return np.clip(np.sort(found, axis=-1), 0, 1)

    @property
    def levels(self) -> Sequence[float]:
        """Of the quantiles of `paths`."""
        levels: list[float] = self._model.quantiles
        return levels

    def windows(self, paths: FloatArray, horizons: Sequence[int], levels: Sequence[float]) -> FloatArray:
        """(C, H, 2, Q): quantiles of the mean and the P90 of each window, of ``paths`` (C, S, 9)."""
        weights = _drawn(self.hold, paths.shape[1], tuple(self.levels))
        courses = np.clip(np.einsum("dsq,csq->dcs", weights, paths), 0, 1)
        parts = []
        for horizon in horizons:
            part = courses[..., :horizon]
            both = np.stack([part.mean(axis=-1), np.quantile(part, P90, axis=-1)])  # (2, D, C)
            parts.append(np.quantile(both, levels, axis=1))  # (Q, 2, C)
        return np.stack(parts).transpose(3, 0, 2, 1).astype(np.float32)

    def quantiles(
        self, recording: Recording, at: Sequence[int], horizons: Sequence[int], levels: Sequence[float]
    ) -> FloatArray:
        """(N, C, H, 2, Q) in units, at the frames ``at``, each from the frames up to it alone."""
        scale = Scale(recording.schema)
        frame = carried(scale.to_unit(recording.values))
        said = np.stack(
            [self.windows(self.paths(frame, now, max(horizons)), horizons, levels) for now in at]
        )
        return np.moveaxis(scale.from_unit(np.moveaxis(said, 1, -1)), -1, 1)


def _drawn(hold: float, seconds: int, levels: tuple[float, ...]) -> npt.NDArray[np.float64]:
    """(D, S, Q): how much of each quantile a drawn course takes in each second; rows add up to 1.

    Between quantiles, and beyond the outermost, linearly in normal scores.
    """
    noise = np.random.default_rng(0).standard_normal((_DRAWS, seconds))
    score = np.empty_like(noise)
    score[:, 0] = noise[:, 0]
    for second in range(1, seconds):
        score[:, second] = hold * score[:, second - 1] + np.sqrt(1 - hold**2) * noise[:, second]
    knots = ndtri(np.array(levels))
    below = np.clip(np.searchsorted(knots, score) - 1, 0, len(knots) - 2)
    share = (score - knots[below]) / (knots[below + 1] - knots[below])
    weights = np.zeros((*score.shape, len(knots)))
    np.put_along_axis(weights, below[..., None], (1 - share)[..., None], axis=-1)
    np.put_along_axis(weights, (below + 1)[..., None], share[..., None], axis=-1)
    return weights
