# SPDX-License-Identifier: Apache-2.0
"""Context state and recent windows to quantiles of every channel's coming windows.

One MLP serves all channels; what differs between them is a small learned vector. The median is a mixture
of simple forecasts (the last value, windows just past, what recall found) plus a learned offset, so that
the model starts from persistence instead of having to learn it; quantiles cannot cross because they are
sums of positive steps from it. Asked what a change of settings would do, all of it jumps as
`jepa_lab.model.effect` computes. What the MLP makes of the channels that events are defined on also gives
the probability that one begins.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from jepa_lab.model.config import ModelConfig
from jepa_lab.model.effect import Effect, freshness
from jepa_lab.model.parts import linear_of_parts

_CONTEXT = 24
_MIDDLE = 2
_FLOOR_SHARE = 0.05
_UNSURE = 0.1
"""How much of its usual spread a channel's interval gains while a change is fresh."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A median for each window, and what its quantiles are made from."""

    median: Tensor  # (N, C, H, 2), not yet bounded
    unit: Tensor  # (N or 1, C, 1, 1) how much the channel moves of late
    hidden: Tensor  # (N, C, hidden)
    event_logits: Tensor  # (N, E, H)


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
        self.effect = Effect(config, inputs - 2 * _CONTEXT, 2 * _CONTEXT)
        self.event_weight = nn.Parameter(
            torch.zeros(len(config.event_channels), 2 * config.decoder_hidden, horizons)
        )
        self.event_bias = nn.Parameter(torch.full((len(config.event_channels), horizons), -4.0))

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
        situation: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """h (N, D), control (N, A), recent (N or 1, R, A), stats (N, C, L, 2), the rest (N, C, H, 2, heads).

        -> quantiles (N, C, H, 2, Q) on the unit scale, and logits (N, E, H) of events.

        ``channels`` (C,) says which channels these are, all when None; those that events are defined on must
        be among them. Where ``forget`` (N, C, 1) is 1 the channel's own vector is left out, as for a channel
        never seen in training. ``situation`` (N or 1, S) of `Effect.situation` asks, of all channels, what
        ``control`` would do in the place of what was set.
        """
        decoded = self.decode(h, control, recent, stats, recalled, changed, channels, forget, situation)
        median = decoded.median
        wide = self.spread[slice(None) if channels is None else channels][:, None, None]
        unit = decoded.unit + freshness(control[:, None] - recent) * _UNSURE * wide
        raw = self._outputs(decoded.hidden, slice(self.candidates + 1, None))
        steps = F.softplus(raw) * (unit * self.widen)[..., None]
        down = -steps[..., :_MIDDLE].flip(-1).cumsum(-1).flip(-1)
        up = steps[..., _MIDDLE:].cumsum(-1)
        offsets = torch.cat([down, torch.zeros_like(median[..., None]), up], -1)
        return (median[..., None] + offsets).clamp(0, 1), decoded.event_logits

    def decode(
        self,
        h: Tensor,
        control: Tensor,
        recent: Tensor,
        stats: Tensor,
        recalled: Tensor,
        changed: Tensor,
        channels: Tensor | None = None,
        forget: Tensor | None = None,
        situation: Tensor | None = None,
    ) -> Decoded:
        """What `forward` says without its quantiles but the median.

        ``stats`` may be one moment's, (1, C, L, 2), of which ``h`` are N continuations.
        """
        of = slice(None) if channels is None else channels
        center, spread, floor = self.center[of, None], self.spread[of, None], self.floor[of]
        last = stats[..., :1, :1]  # (N, C, 1, 1)
        relative = torch.asinh((stats[..., 1:, 0] - last[..., 0]) / spread)
        peaks = torch.asinh((stats[..., 1:, 1] - stats[..., 1:, 0]) / spread)
        alike = torch.asinh((recalled - last[..., None]).flatten(2) / spread)
        level = ((last[..., 0] - center) / spread).clamp(-4, 4)
        own = self.embedding[of] if forget is None else self.embedding[of] * (1 - forget)
        context = torch.cat([self.context(h), self.control(control)], -1)
        features = (torch.cat([level, relative, peaks], -1), alike, own)  # (N or 1, C, F) each
        hidden = self.body[1:](linear_of_parts(self.body[0], *features, context[:, None]))
        observed_in = (self.config.event_channels, self.config.hint_channels)
        evidence = torch.cat(
            [hidden[:, _rows(channels, some)] for some in observed_in], -1
        )  # (N, E, 2 * hidden)
        event_logits = torch.einsum("neh,ehk->nek", evidence, self.event_weight) + self.event_bias
        # Candidates for each horizon: windows of every length just past (the shortest is the last value).
        horizons = len(self.config.horizons_s)
        windows = stats.transpose(-1, -2)[:, :, None].expand(len(h), -1, horizons, -1, -1)
        simple = torch.cat([windows, recalled, changed], -1)
        mixture = torch.softmax(self._outputs(hidden, slice(self.candidates)), -1)
        unit = _unit(stats[:, :, :horizons], floor + _FLOOR_SHARE * spread[:, 0])
        offset = self._outputs(hidden, slice(self.candidates, self.candidates + 1))[..., 0]
        median = (mixture * simple).sum(-1) + offset * unit
        if situation is not None:
            jump = self.effect(features, recent[:, 0], control, context, situation)
            median = median + jump * spread[..., None]
        return Decoded(median, unit, hidden, event_logits)

    def _outputs(self, hidden: Tensor, wanted: slice) -> Tensor:
        """(N, C, hidden) -> (N, C, H, 2, K): those of the outputs of each window that are ``wanted``."""
        windows = (len(self.config.horizons_s), 2, self.outputs)
        weight = self.out.weight.reshape(*windows, -1)[:, :, wanted]  # (H, 2, K, hidden)
        bias = self.out.bias.reshape(windows)[:, :, wanted]
        outputs = F.linear(hidden, weight.flatten(0, 2), bias.flatten())
        return outputs.reshape(*hidden.shape[:-1], *weight.shape[:3])


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
