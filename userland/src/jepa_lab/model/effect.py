# SPDX-License-Identifier: Apache-2.0
"""What a change of settings would do to the coming windows of every channel, when that is asked.

Its inputs are what would change, which CPU time the roles would get by the kernel's rules
(`jepa_lab.model.shares`), what roles and machine were doing of late (`Effect.situation`), the decoder's
context, and what that knows of each channel. It is trained after everything else and on trials alone
(`jepa_lab.effect_training`): settings change at one frame in a hundred, and the gradient of these frames
would be lost among the others. Untrained, its output is 0. Forecasts do without it: it estimates the mean
effect, while a forecast is to be right most often.
"""

import torch
from torch import Tensor, nn

from jepa.telemetry.roles import PLAYED
from jepa_lab.model.config import ModelConfig
from jepa_lab.model.parts import linear_of_parts
from jepa_lab.model.shares import CHANGE_FEATURES, GAINED, gains

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
        inputs = config.controls + CHANGE_FEATURES + context + len(config.situation_channels)
        self.code = nn.Sequential(
            nn.Linear(inputs, config.effect_hidden),
            nn.GELU(),
            nn.Dropout(config.effect_dropout),
            nn.Linear(config.effect_hidden, config.effect_code),
            nn.GELU(),
        )
        self.concern = nn.Parameter(
            torch.randn(config.controls + GAINED, config.channels, config.concern) * 0.1
        )
        """How each channel takes each setting, and each share gained."""
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

    def _shares(self, situation: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, S) -> what roles used (N, 2), which part of the time they waited (N, 2), all used (N, 1)."""
        at = [self.config.situation_channels.index(channel) for channel in self.config.share_channels]
        roles, shares = len(PLAYED), situation[:, at]
        # Waiting is scaled as its square root.
        return shares[:, :roles], shares[:, roles : 2 * roles].square(), shares[:, 2 * roles :]

    def forward(
        self,
        features: tuple[Tensor, ...],
        before: Tensor,
        after: Tensor,
        context: Tensor,
        situation: Tensor,
    ) -> Tensor:
        """By how much windows jump, in spreads (N, C, H, 2).

        Of channels' ``features`` (each (N or 1, C, F) or (C, F)), settings ``before`` (N or 1, A) and
        ``after`` (N, A), the decoder's ``context`` (N, K) and `situation` (N or 1, S).
        """
        before, situation = before.expand_as(after), situation.expand(len(after), -1)
        changed_by = after - before
        gained = gains(before, after, *self._shares(situation))
        code = self.code(torch.cat([changed_by, gained, context, situation], -1))  # (N, effect_code)
        change = torch.cat([changed_by, gained[:, :GAINED]], -1)
        concern = torch.einsum("na,ack->nck", change, self.concern)
        hidden = self.body[1:](linear_of_parts(self.body[0], *features, concern, code[:, None]))
        jump = self.out(hidden) + torch.einsum("nk,chk->nch", code, self.read)
        jumps: Tensor = jump.unflatten(-1, (-1, 2)) * freshness(changed_by)
        return jumps
