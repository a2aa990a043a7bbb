# SPDX-License-Identifier: Apache-2.0
"""One frame to one latent."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from jepa_lab.model.config import ModelConfig

_CLIP = 8.0
_RIDGE = 0.01
_LOADING = 0.03
"""Added to the variance of each channel's error, in squared deviations: some are next to nothing."""


class Encoder(nn.Module):
    """A small MLP on standardised values and their validity; batch norm makes latents of unit variance."""

    center: Tensor
    spread: Tensor
    readout: Tensor
    offset: Tensor
    whiten: Tensor

    def __init__(self, config: ModelConfig, center: Tensor, spread: Tensor) -> None:
        super().__init__()
        self.register_buffer("center", center)
        self.register_buffer("spread", spread)
        self.register_buffer("readout", torch.zeros(config.channels, config.width))  # set after training
        self.register_buffer("offset", torch.zeros(config.channels))
        self.register_buffer("whiten", torch.eye(config.channels))
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
        x = self.standard(frame, valid).clamp(-_CLIP, _CLIP)
        z: Tensor = self.norm(self.out(self.body(torch.cat([x, valid], -1))))
        return z

    def standard(self, frame: Tensor, valid: Tensor) -> Tensor:
        """(N, C) in deviations from what is usual, 0 where absent."""
        standard: Tensor = (frame - self.center) / self.spread * valid
        return standard

    def novelty(self, frame: Tensor, valid: Tensor, z: Tensor) -> Tensor:
        """(N,) squared error of the frame as read out of its latent, a channel: large where none was so.

        In deviations of such errors in training, those of channels that go together counting once
        (Mahalanobis, 1936).
        """
        error = self._error(frame, valid, z) @ self.whiten
        return error.square().sum(-1) / valid.sum(-1).clamp(min=1)

    def _error(self, frame: Tensor, valid: Tensor, z: Tensor) -> Tensor:
        error: Tensor = (self.standard(frame, valid) - F.linear(z, self.readout, self.offset)) * valid
        return error

    def fit_readout(self, frame: Tensor, valid: Tensor, z: Tensor) -> None:
        """Set the linear readout that best gives frames (N, C) from latents (N, D), by ridge regression."""
        x = self.standard(frame, valid)
        ones = torch.cat([z, z.new_ones(len(z), 1)], -1)
        gram = ones.T @ ones + _RIDGE * len(z) * torch.eye(ones.shape[1])
        weights = torch.linalg.solve(gram, ones.T @ x)  # (D + 1, C)
        self.readout.copy_(weights[:-1].T)
        self.offset.copy_(weights[-1])
        error = self._error(frame, valid, z)
        spread = error.T @ error / len(error) + _LOADING * torch.eye(error.shape[1])
        self.whiten.copy_(torch.linalg.cholesky(torch.linalg.inv(spread)))
