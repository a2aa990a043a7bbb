# SPDX-License-Identifier: Apache-2.0
"""What a change of settings does to the coming windows of every channel.

It is told what has changed, what the roles and the machine were doing of late (`Effect.situation`), the
decoder's context, and what that knows of each channel. It learns after everything else and from trials alone
(`jepa_lab.effects`): of all frames those at which something is set are one in a hundred, and what they teach
is drowned by the rest. While it has not learned it says nothing.
"""

import torch
from torch import Tensor, nn

from jepa.world.controls import RECENT_S
from jepa_lab.model.config import ModelConfig

_CHANGED = 4.0
"""A quarter of a setting's range is change enough."""


def freshness(changed_by: Tensor) -> Tensor:
    """(N, R, A) by how much settings have changed -> (N, 1, 1, 1) whether that is new, 0..1."""
    return (_CHANGED * changed_by.abs().amax((1, 2))).clamp(max=1)[:, None, None, None]


class Effect(nn.Module):
    """See the module."""

    def __init__(self, config: ModelConfig, features: int, context: int) -> None:
        super().__init__()
        self.config = config
        told = len(RECENT_S) * config.controls + context + len(config.situation_channels)
        self.code = nn.Sequential(
            nn.Linear(told, config.effect_hidden),
            nn.GELU(),
            nn.Linear(config.effect_hidden, config.effect_code),
            nn.GELU(),
        )
        self.concern = nn.Parameter(torch.randn(config.controls, config.channels, config.concern) * 0.1)
        """How each channel takes each setting."""
        inputs = features + len(RECENT_S) * config.concern + config.effect_code
        self.body = nn.Sequential(
            nn.Linear(inputs, config.effect_hidden),
            nn.GELU(),
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

    def forward(
        self,
        features: Tensor,
        changed_by: Tensor,
        context: Tensor,
        situation: Tensor,
        channels: Tensor | None = None,
    ) -> Tensor:
        """(N, C, F), (N, R, A), (N, K), (N or 1, S) -> (N, C, H, 2): by how much windows jump, in spreads.

        ``channels`` (C,) says which channels these are, all when None.
        """
        of = slice(None) if channels is None else channels
        told = [changed_by.flatten(1), context, situation.expand(len(context), -1)]
        code = self.code(torch.cat(told, -1))  # (N, effect_code)
        concern = torch.einsum("nra,ack->ncrk", changed_by, self.concern[:, of]).flatten(2)
        everywhere = code[:, None].expand(-1, features.shape[1], -1)
        hidden = self.body(torch.cat([features, concern, everywhere], -1))
        jump = self.out(hidden) + torch.einsum("nk,chk->nch", code, self.read[of])
        jumps: Tensor = jump.unflatten(-1, (-1, 2)) * freshness(changed_by)
        return jumps
