# SPDX-License-Identifier: Apache-2.0
"""What one tick of the world model says."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

SCALE_FRAMES: Final = 300
"""Frames of a machine before the probability of a surprise says something about that machine."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Quantiles of each channel over the coming windows (t, t+h], in the channels' own units.

    Horizon 1 is the next frame, so there ``mean`` and ``p90`` are the same value.
    """

    ts_ns: int
    """Time of the last frame the forecast has seen."""
    channels: tuple[str, ...]  # C
    horizons_s: tuple[int, ...]  # H, seconds, ascending
    quantiles: tuple[float, ...]  # Q, ascending
    mean: FloatArray  # (C, H, Q): quantiles of the window's mean
    p90: FloatArray  # (C, H, Q): quantiles of the window's 90th percentile
    events: tuple[str, ...] = ()  # E
    event_probability: FloatArray = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    """(E, H): probability, 0..1, that each event holds within the window; NaN where none is known."""


@dataclass(frozen=True, slots=True)
class Surprise:
    """How far the latent lies from the predicted one, and the frame from its decoding."""

    distance: float
    """Squared distance between latents, divided by the latent width."""
    novelty: float
    """Squared error of the frame as decoded from its latent, in deviations of such errors, a channel."""
    size: float
    """Logarithm of both together, each in units of what is usual, over the last few frames."""
    probability: float
    """Share of frames, of the pack's calibration and of this machine, that were less surprising, 0..1."""
    channels: tuple[tuple[str, float], ...]
    """Channels furthest outside their forecast of this frame: (name, band widths), worst first."""
    frames: int
    """Frames of this machine up to this one, since the start or the last gap of more than a minute."""

    @property
    def scaled(self) -> bool:
        """Whether ``probability`` rests on enough frames of this machine to be shown or raised."""
        return self.frames >= SCALE_FRAMES


@dataclass(frozen=True, slots=True)
class Tick:
    """The result of one frame: a forecast, and how the frame compared with the last one."""

    forecast: Forecast
    surprise: Surprise | None
    """None until there is a prediction to compare with."""
    context_frames: int
    """How many frames the context holds, up to the pack's window."""
    elapsed_ms: float
    """Wall time the tick took."""
    event_holds: FloatArray = field(default_factory=lambda: np.zeros(0, np.float32))
    """(E,): 1 where an event of the forecast holds at the frame, 0 where not, NaN where that is not seen."""
    latent: FloatArray = field(default_factory=lambda: np.zeros(0, np.float32))
    """(D,): of the frame; empty for a model without any."""


@dataclass(frozen=True, slots=True)
class Imagined:
    """What would follow from now on under each of K action sequences."""

    latents: FloatArray  # (K, S, D): the latent after each second
    mean: FloatArray  # (K, C, H): median of each window's mean, were the sequence's first settings kept
    p90: FloatArray  # (K, C, H): median of each window's 90th percentile, likewise
    event_probability: FloatArray  # (K, E, H): probability of each event within the window, likewise
