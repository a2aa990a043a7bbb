# SPDX-License-Identifier: Apache-2.0
"""Recall: what followed on the earlier moments of the context that were most like the present one.

It is attention whose values are not learned but observed: the statistics of the windows that followed
each earlier moment. So a period, or a phase seen once, can be predicted without any training on it.
"""

import torch
from torch import Tensor, nn

from jepa_lab.model.config import ModelConfig
from jepa_lab.model.reach import reach

_NEVER = -1e4


class Recall(nn.Module):
    """Similarity of moments, in ``recall_heads`` learned ways; a null moment stands for "nothing alike"."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.heads, self.width, self.window = config.recall_heads, config.recall_width, config.window
        self.horizons = config.horizons_s
        self.query = nn.Linear(config.width, self.heads * self.width)
        self.key = nn.Linear(config.width, self.heads * self.width)
        self.null = nn.Parameter(torch.ones(self.heads))

    def forward(self, h: Tensor, stats: Tensor, seen: Tensor, at: Tensor) -> tuple[Tensor, Tensor]:
        """Of the frames ``at`` (N,): h (B, T, D), stats (B, T, C, L, 2), seen (B, T, C, L).

        -> recalled window statistics and recalled changes, each (B, N, C, H, 2, heads).
        """
        frames = h.shape[1]
        query = self._split(self.query(h[:, at])).transpose(1, 2)
        key = self._split(self.key(h)).transpose(1, 2)
        logits = query @ key.transpose(2, 3) * self.width**-0.5  # (B, heads, N, T) by anchor
        looked = reach(at, frames, self.config)
        age, seen_at_all = looked.age, looked.near | looked.coarse
        values, changes = [], []
        for column, horizon in enumerate(self.horizons):
            anchors = max(0, frames - horizon)
            allowed = (age[:, :anchors] >= horizon) & seen_at_all[:, :anchors]
            value, change = self._weigh(
                logits[..., :anchors].masked_fill(~allowed, _NEVER),
                stats[:, horizon:, :, column].unsqueeze(1),
                seen[:, horizon:, :, column].unsqueeze(1),
                stats[:, :anchors, :, 0, 0].unsqueeze(1),
                stats[:, at, :, column].unsqueeze(1),
                stats[:, at, :, 0, 0].unsqueeze(1),
            )
            values.append(value.permute(0, 2, 3, 4, 1))
            changes.append(change.permute(0, 2, 3, 4, 1))
        return torch.stack(values, 3), torch.stack(changes, 3)

    def step(
        self, h: Tensor, keys: Tensor, outcomes: Tensor, followed: Tensor, stats: Tensor, count: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Of the newest frame, h (K, D) in K ways: stats (1, C, L, 2), keys (W + V, heads * width).

        outcomes (H, W, 4, C) and followed (H, V, 4, C), laid out as in jepa.world.recall_buffer; count (2,)
        of the W and of the V that are frames.
        -> (K, C, H, 2, heads) each.
        """
        query = self._split(self.query(h)).transpose(0, 1)  # (heads, K, d)
        key = self._split(keys).permute(1, 2, 0)  # (heads, d, W + V)
        near = torch.arange(self.window - 1, -1, -1, dtype=torch.float32) < count[0]
        far = torch.arange(self.config.coarse - 1, -1, -1, dtype=torch.float32) < count[1]
        logits = query @ key * self.width**-0.5 + torch.where(torch.cat([near, far]), 0.0, _NEVER)
        null = self.null[:, None, None]
        top = torch.maximum(logits.amax(-1, keepdim=True), null)
        nothing = torch.exp(null - top)[None, ..., None]  # (1, heads, K, 1, 1)
        # The weight of a moment belongs to the windows that ended h frames after it.
        weights = torch.exp(logits - top)  # (heads, K, W + V)
        weight = torch.cat([weights[..., : self.window], torch.zeros(self.heads, len(h), 1)], -1)
        ended = torch.arange(self.window)[None, :] - torch.tensor(self.horizons)[:, None]
        ended = torch.where(ended < 0, self.window, ended)
        spread = weight[..., ended].permute(2, 0, 1, 3).flatten(1, 2)  # (H, heads * K, W)
        sums = spread @ outcomes.flatten(2)  # (H, heads * K, 4 * C)
        sums = sums + weights[..., self.window :].flatten(0, 1) @ followed.flatten(2)
        sums = sums.reshape(len(self.horizons), self.heads, len(h), 4, -1)
        fallback = stats[0, :, : len(self.horizons)].permute(1, 2, 0)[:, None, None]  # (H, 1, 1, 2, C)
        now = stats[0, :, 0, 0]  # (C,)
        total = sums[..., 2:3, :] + nothing
        value = (sums[..., :2, :] + nothing * fallback) / total  # (H, heads, K, 2, C)
        change = value - (sums[..., 3:, :] + nothing * now) / total + now
        return value.permute(2, 4, 0, 3, 1), change.permute(2, 4, 0, 3, 1)

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:-1], self.heads, self.width)

    def _weigh(
        self, logits: Tensor, outcome: Tensor, seen: Tensor, before: Tensor, fallback: Tensor, now: Tensor
    ) -> tuple[Tensor, Tensor]:
        """logits (..., heads, T, A) over anchors; outcome (..., 1, A, C, 2); seen, before (..., 1, A, C).

        fallback (..., 1, T, C, 2) and now (..., 1, T, C) speak for the null moment.
        """
        null = self.null[:, None, None].expand(*logits.shape[:-1], 1)
        top = torch.cat([logits, null], -1).amax(-1, keepdim=True)
        weight, nothing = torch.exp(logits - top), torch.exp(null - top)
        total = weight @ seen + nothing  # (..., heads, T, C)
        value = weight @ (outcome * seen[..., None]).flatten(-2)
        value = value.reshape(*value.shape[:-1], -1, 2)
        value = (value + nothing[..., None] * fallback) / total[..., None]
        earlier = (weight @ (before * seen) + nothing * now) / total
        return value, value - earlier[..., None] + now[..., None]
