# SPDX-License-Identifier: Apache-2.0
"""Context state and recent windows to quantiles of every channel's coming windows.

One MLP serves all channels; what differs between them is a small learned vector. The median is a mixture
of simple forecasts (the last value, windows just past, what recall tells) plus a learned offset, so that
the model starts from persistence instead of having to learn it; quantiles cannot cross because they are
sums of positive steps from it. While a setting has just changed, the past is no guide: by how much, each
channel may also fall towards nothing, or jump, as a second MLP tells of the change; one a while ago, or
none, leaves everything as it is. What the MLP makes of the channels that tell of events also gives the odds
that one comes.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from jepa.world.controls import RECENT_S
from jepa_lab.model.config import ModelConfig

_CONTEXT = 24
_MIDDLE = 2
_FLOOR_SHARE = 0.05
_CHANGED = 4.0
"""A quarter of a setting's range is change enough."""
_RARELY = 3.0
"""By how much a logit is lowered, so that a channel falls to nothing only when there is reason to."""
_UNSURE = 0.1
"""How much of its usual spread a channel's interval gains while a change is fresh."""


class Decoder(nn.Module):
    """See the module."""

    center: Tensor
    spread: Tensor
    floor: Tensor
    widen: Tensor

    def __init__(self, config: ModelConfig, center: Tensor, spread: Tensor, floor: Tensor) -> None:
        super().__init__()
        self.register_buffer("center", center)
        self.register_buffer("spread", spread)
        self.register_buffer("floor", floor)
        self.register_buffer("widen", torch.ones(len(config.horizons_s), 2))  # set after training
        self.config = config
        horizons, heads = len(config.horizons_s), config.recall_heads
        windows = len(config.windows_s)
        self.candidates = windows + 2 * heads
        self.outputs = self.candidates + 1 + len(config.quantiles) - 1
        self.context = nn.Linear(config.width, _CONTEXT)
        self.control = nn.Linear(config.controls, _CONTEXT, bias=False)
        nn.init.zeros_(self.control.weight)
        self.embedding = nn.Parameter(torch.randn(config.channels, config.embedding) * 0.1)
        self.concern = nn.Parameter(torch.randn(config.controls, config.channels, config.concern) * 0.1)
        changes = len(RECENT_S) * config.concern
        inputs = 1 + 2 * (windows - 1) + 2 * horizons * heads + config.embedding + 2 * _CONTEXT
        self.body = nn.Sequential(
            nn.Linear(inputs, config.decoder_hidden),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.decoder_hidden, config.decoder_hidden),
            nn.GELU(),
        )
        self.out = nn.Linear(config.decoder_hidden, horizons * 2 * self.outputs)
        nn.init.normal_(self.out.weight, std=0.01)
        bias = torch.zeros(horizons, 2, self.outputs)
        for column in range(horizons):
            bias[column, :, column] = 1.5  # the past window of the same length
        bias[..., self.candidates + 1 :] = -1.0
        self.out.bias = nn.Parameter(bias.flatten())
        hidden = nn.Linear(inputs + changes, config.decoder_hidden)
        effects = nn.Linear(config.decoder_hidden, horizons * 2 * 2)
        nn.init.normal_(effects.weight, std=0.01)
        nn.init.zeros_(effects.bias)
        self.effect = nn.Sequential(hidden, nn.GELU(), effects)
        self.hazard = nn.Parameter(
            torch.zeros(len(config.hazard_channels), 2 * config.decoder_hidden, horizons)
        )
        self.usual = nn.Parameter(torch.full((len(config.hazard_channels), horizons), -4.0))

    def effect_parameters(self) -> list[nn.Parameter]:
        """What alone tells how a change of settings takes a channel; it has a say in nothing else."""
        return [self.concern, *self.effect.parameters()]

    def forward(
        self,
        h: Tensor,
        control: Tensor,
        recent: Tensor,
        stats: Tensor,
        recalled: Tensor,
        changed: Tensor,
        channels: Tensor | None = None,
        forget: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """h (N, D), control (N, A), recent (N or 1, R, A), stats (N, C, L, 2), the rest (N, C, H, 2, heads).

        -> quantiles (N, C, H, 2, Q) on the unit scale, and logits (N, E, H) of events.

        ``channels`` (C,) says which channels these are, all when None; those that tell of events must be
        among them. Where ``forget`` (N, C, 1) is 1 the
        channel's own vector is left out, as for a channel never seen in training.
        """
        of = slice(None) if channels is None else channels
        center, spread, floor = self.center[of, None], self.spread[of, None], self.floor[of]
        last = stats[..., :1, :1]  # (N, C, 1, 1)
        relative = torch.asinh((stats[..., 1:, 0] - last[..., 0]) / spread)
        peaks = torch.asinh((stats[..., 1:, 1] - stats[..., 1:, 0]) / spread)
        alike = torch.asinh((recalled - last[..., None]).flatten(2) / spread)
        level = ((last[..., 0] - center) / spread).clamp(-4, 4)
        changed_by = control[:, None] - recent  # (N, R, A)
        fresh = (_CHANGED * changed_by.abs().amax((1, 2))).clamp(max=1)[:, None, None, None]
        concern = torch.einsum("nra,ack->ncrk", changed_by, self.concern[:, of]).flatten(2)
        own = self.embedding[of] if forget is None else self.embedding[of] * (1 - forget)
        concern = concern if forget is None else concern * (1 - forget)
        context = torch.cat([self.context(h), self.control(control)], -1)
        context = context[:, None, :].expand(-1, stats.shape[1], -1)
        features = torch.cat([level, relative, peaks, alike, own.expand(len(h), -1, -1), context], -1)
        hidden = self.body(features)
        told_by = (self.config.hazard_channels, self.config.hint_channels)
        telling = torch.cat([hidden[:, _rows(channels, some)] for some in told_by], -1)  # (N, E, 2 * hidden)
        hazards = torch.einsum("neh,ehk->nek", telling, self.hazard) + self.usual
        raw = self.out(hidden).unflatten(-1, (len(self.config.horizons_s), 2, self.outputs))
        # Candidates for each horizon: windows of every length just past (the shortest is the last value).
        horizons = len(self.config.horizons_s)
        windows = stats.transpose(-1, -2)[:, :, None].expand(-1, -1, horizons, -1, -1)
        simple = torch.cat([windows, recalled, changed], -1)
        mixture = torch.softmax(raw[..., : self.candidates], -1)
        unit = _unit(stats[:, :, :horizons], floor + _FLOOR_SHARE * spread[:, 0])
        median = (mixture * simple).sum(-1) + raw[..., self.candidates] * unit
        wide = spread[..., None]  # (C, 1, 1)
        effect = self.effect(torch.cat([features, concern], -1)).unflatten(-1, (horizons, 2, 2))
        median = (
            median * (1 - fresh * torch.sigmoid(effect[..., 0] - _RARELY)) + fresh * effect[..., 1] * wide
        )
        unit = unit + fresh * _UNSURE * wide
        steps = F.softplus(raw[..., self.candidates + 1 :]) * (unit * self.widen)[..., None]
        down = -steps[..., :_MIDDLE].flip(-1).cumsum(-1).flip(-1)
        up = steps[..., _MIDDLE:].cumsum(-1)
        offsets = torch.cat([down, torch.zeros_like(median[..., None]), up], -1)
        return (median[..., None] + offsets).clamp(0, 1), hazards


def _rows(channels: Tensor | None, wanted: tuple[int, ...]) -> list[int]:
    """Where among ``channels``, all when None, the ``wanted`` ones lie."""
    if channels is None:
        return list(wanted)
    among = channels.tolist()
    return [among.index(channel) for channel in wanted]


def _unit(stats: Tensor, least: Tensor) -> Tensor:
    """(N, C, 1, 1): how much the channel moves of late, never less than ``least`` (C,)."""
    # A P90 lies below the mean after one high spike; a negative unit would turn the quantiles round.
    swing = (stats[..., 1:, 1] - stats[..., 1:, 0]).abs().mean(-1)
    drift = (stats[..., 0, 0] - stats[..., -1, 0]).abs()
    return (least + swing + 0.5 * drift)[..., None, None]
