# SPDX-License-Identifier: Apache-2.0
"""What a change of settings would do to the coming windows of every channel, when that is asked.

It is told what would change, what the roles and the machine were doing of late (`Effect.situation`), the
decoder's context, and what that knows of each channel. It learns after everything else and from trials alone
(`jepa_lab.effects`): of all frames those at which something is set are one in a hundred, and what they teach
is drowned by the rest. While it has not learned it says nothing. Forecasts do without it: it tells how large
an effect is on average, where a forecast is to be right most often.
"""

import torch
from torch import Tensor, nn

from jepa_lab.model.config import ModelConfig

_CHANGED = 4.0
"""A quarter of a setting's range is change enough."""


def freshness(changed_by: Tensor) -> Tensor:
    """(N, ...) by how much settings have changed -> (N, 1, 1, 1) whether they have, 0..1."""
    return (_CHANGED * changed_by.abs().flatten(1).amax(1)).clamp(max=1)[:, None, None, None]


class Effect(nn.Module):
    """See the module."""

    def __init__(self, config: ModelConfig, features: int, context: int) -> None:
        super().__init__()
        self.config = config
        told = config.controls + context + len(config.situation_channels)
        self.code = nn.Sequential(
            nn.Linear(told, config.effect_hidden),
            nn.GELU(),
            nn.Dropout(config.effect_dropout),
            nn.Linear(config.effect_hidden, config.effect_code),
            nn.GELU(),
        )
        self.concern = nn.Parameter(torch.randn(config.controls, config.channels, config.concern) * 0.1)
        """How each channel takes each setting."""
        self.body = nn.Sequential(
            nn.Linear(features + config.concern + config.effect_code, config.effect_hidden),
            nn.GELU(),
            nn.Dropout(config.effect_dropout),
            nn.Linear(config.effect_hidden, config.effect_hidden),
            nn.GELU(),
        )
        horizons = len(config.horizons_s)
        self.out = nn.Linear(config.effect_hidden, horizons * 2)
        self.read = nn.Parameter(torch.zeros(config.channels, horizons * 2, config.effect_code))
        """What the code alone says of each channel."""
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def situation(self, stats: Tensor) -> Tensor:
        """All channels' stats (N, C, L, 2) -> what roles and machine did in the last seconds (N, S)."""
        return stats[:, list(self.config.situation_channels), self.config.horizons_s.index(5), 0]

    def forward(self, features: Tensor, changed_by: Tensor, context: Tensor, situation: Tensor) -> Tensor:
        """(N, C, F), (N, A), (N, K), (N or 1, S) -> (N, C, H, 2): by how much windows jump, in spreads."""
        told = [changed_by, context, situation.expand(len(context), -1)]
        code = self.code(torch.cat(told, -1))  # (N, effect_code)
        concern = torch.einsum("na,ack->nck", changed_by, self.concern)
        everywhere = code[:, None].expand(-1, features.shape[1], -1)
        hidden = self.body(torch.cat([features, concern, everywhere], -1))
        jump = self.out(hidden) + torch.einsum("nk,chk->nch", code, self.read)
        jumps: Tensor = jump.unflatten(-1, (-1, 2)) * freshness(changed_by)
        return jumps
