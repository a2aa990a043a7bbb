# SPDX-License-Identifier: Apache-2.0
"""A small visual JEPA: a picture to one latent, a latent and an action to the next; and two heads for goals.

The heads see latents, and nothing of them reaches the encoder: how many steps lie between two pictures
(a distance that knows of walls, where that between latents does not), and what to do first on the way from
one to the other (inverse dynamics over many steps, as in GC-IDM, arXiv 2605.08732).
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class VisualConfig:
    """Numbers that fix every shape."""

    crop: int = 56
    """Pixels of a picture, each way."""
    channels: int = 3
    empty: float = 0.5
    """The brightness that becomes 0."""
    contrast: float = 0.5
    """How far from it becomes 1."""
    wide: tuple[int, ...] = (16, 32, 32)
    """Channels of each convolution; each halves the picture."""
    normed: bool = False
    """Batches are normalised after each convolution."""
    sketch: int = 0
    """It learns to draw its picture, so many times smaller, from the latent; in training only, 0 for not."""
    width: int = 48
    """D, of a latent."""
    hidden: int = 256
    actions: int = 2
    """Numbers of an action: those of every step of the environment that it fills."""
    block: int = 1
    """Steps of the environment that one action fills."""
    steps: int = 8
    """Actions of an imagined sequence."""
    candidates: int = 64
    farthest: int = 50
    """Steps of the environment beyond which a goal is just far."""


class PictureEncoder(nn.Module):
    """(N, 3, P, P) normalised -> (N, D) of unit variance."""

    def __init__(self, config: VisualConfig) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise((config.channels, *config.wide)):
            norm = [nn.BatchNorm2d(after)] if config.normed else []
            layers += [nn.Conv2d(before, after, 3, 2, 1), *norm, nn.GELU()]
        flat = config.wide[-1] * (config.crop // 2 ** len(config.wide)) ** 2
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(flat, config.hidden), nn.GELU())
        self.out = nn.Linear(config.hidden, config.width)
        self.norm: nn.Module = nn.BatchNorm1d(config.width, affine=False)

    def forward(self, picture: Tensor) -> Tensor:
        """See the class."""
        latent: Tensor = self.norm(self.out(self.body(picture)))
        return latent


def _mlp(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, hidden),
        nn.GELU(),
        nn.Linear(hidden, hidden),
        nn.GELU(),
        nn.Linear(hidden, outputs),
    )


class VisualModel(nn.Module):
    """See the module."""

    def __init__(self, config: VisualConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = PictureEncoder(config)
        self.change = _mlp(config.width + config.actions, config.hidden, config.width)
        self.inverse = _mlp(2 * config.width, config.hidden, config.actions)
        """What was done between two latents that follow each other; in training only."""
        self.first = _mlp(2 * config.width, config.hidden, config.actions)
        self.apart = _mlp(2 * config.width, config.hidden, 1)
        if config.sketch:
            side = config.crop // config.sketch
            self.sketch = _mlp(config.width, config.hidden, config.channels * side * side)

    def following(self, latent: Tensor, action: Tensor) -> Tensor:
        """(..., D), (..., A) -> the latent one step on (..., D)."""
        result: Tensor = latent + self.change(torch.cat([latent, action], -1))
        return result

    def propose(self, latent: Tensor, goal: Tensor) -> Tensor:
        """(..., D) twice -> what to do first (..., A), -1..1."""
        return torch.tanh(self.first(torch.cat([latent, goal], -1)))

    def distance(self, latent: Tensor, goal: Tensor) -> Tensor:
        """(..., D) twice -> steps between them over ``farthest`` (...), 0..1 as far as it is sure."""
        return torch.sigmoid(self.apart(torch.cat([latent, goal], -1))[..., 0])
