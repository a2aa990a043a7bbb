# SPDX-License-Identifier: Apache-2.0
"""What a frame looks back on: each of the last W frames, and beyond them one in so many, for longer."""

from dataclasses import dataclass

import torch
from torch import Tensor

from jepa_lab.model.config import ModelConfig


@dataclass(frozen=True, slots=True)
class Reach:
    """Of N frames that look back and T frames of a stretch, each (N, T)."""

    age: Tensor
    """Frames from the one seen to the one that looks; below 0 for what is still to come."""
    near: Tensor
    """Whether it is within the window."""
    coarse: Tensor
    """Whether it is seen beyond it."""
    block: Tensor
    """How many steps of the coarse context beyond the window it lies; of use where ``coarse``."""


def reach(at: Tensor, frames: int, config: ModelConfig) -> Reach:
    """What the frames ``at`` (N,) of a stretch of ``frames`` see.

    Which frames the coarse context keeps depends on their number since the stretch began alone, so that it
    can be kept while frames come.
    """
    number = torch.arange(frames)
    age = at[:, None] - number[None, :]
    block = torch.div(age - config.window, config.coarse_s, rounding_mode="floor")
    kept = number % config.coarse_s == config.coarse_s - 1
    coarse = kept & (block >= 0) & (block < config.coarse)
    return Reach(age, (age >= 0) & (age < config.window), coarse, block)
