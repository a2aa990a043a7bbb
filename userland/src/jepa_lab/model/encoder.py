# SPDX-License-Identifier: Apache-2.0
"""One frame to one latent."""

import torch
from torch import Tensor, nn

from jepa_lab.model.config import ModelConfig

_CLIP = 8.0


class Encoder(nn.Module):
    """A small MLP on standardised values and their validity; batch norm makes latents of unit variance."""

    center: Tensor
    spread: Tensor

    def __init__(self, config: ModelConfig, center: Tensor, spread: Tensor) -> None:
        super().__init__()
        self.register_buffer("center", center)
        self.register_buffer("spread", spread)
        self.body = nn.Sequential(
            nn.Linear(2 * config.channels, config.hidden),
            nn.GELU(),
            nn.Linear(config.hidden, config.hidden),
            nn.GELU(),
        )
        self.out = nn.Linear(config.hidden, config.width)
        self.norm: nn.Module = nn.BatchNorm1d(config.width, affine=False)

    def forward(self, frame: Tensor, valid: Tensor) -> Tensor:
        """(N, C) on the unit scale with 0 where absent, (N, C) 1 or 0 -> (N, D)."""
        x = ((frame - self.center) / self.spread).clamp(-_CLIP, _CLIP) * valid
        z: Tensor = self.norm(self.out(self.body(torch.cat([x, valid], -1))))
        return z
