# SPDX-License-Identifier: Apache-2.0
"""Inverse dynamics: settings in force, predicted from two latents. It keeps what actions do in the latents.

Used in training only (Pathak et al., Curiosity-driven exploration, ICML 2017; in JEPAs: Sobal et al., 2025).
"""

import torch
from torch import Tensor, nn

from jepa_lab.model.config import ModelConfig

APART = 3
"""Frames between the two latents: settings take a second or two to show."""


class InverseDynamics(nn.Module):
    """A small MLP."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(2 * config.width, config.width), nn.GELU(), nn.Linear(config.width, config.controls)
        )

    def forward(self, z: Tensor) -> Tensor:
        """(B, T, D) -> (B, T - APART, A): the settings after each frame, from its latent and a later one."""
        settings: Tensor = self.body(torch.cat([z[:, :-APART], z[:, APART:]], -1))
        return settings
