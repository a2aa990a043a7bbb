# SPDX-License-Identifier: Apache-2.0
"""The action-conditioned predictor of V-JEPA 2 in plain PyTorch, after its public description.

Nothing is folded or fused here: positions are rotated pair by pair, and attention is masked.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Block(nn.Module):
    """Pre-norm attention and MLP."""

    def __init__(self, width: int, heads: int, *, tiled: bool = True) -> None:
        super().__init__()
        self.heads, self.tiled = heads, tiled
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.attn = nn.ModuleDict({"qkv": nn.Linear(width, 3 * width), "proj": nn.Linear(width, width)})
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)})

    def forward(self, x: Tensor, at: Tensor, allowed: Tensor) -> Tensor:
        query, key, value = self.attn["qkv"](self.norm1(x)).unflatten(-1, (3, self.heads, -1)).unbind(2)
        query, key = rotate(query, at, self.tiled), rotate(key, at, self.tiled)
        score = torch.einsum("bihd,bjhd->bhij", query, key) * query.shape[-1] ** -0.5
        weight = score.masked_fill(~allowed, -torch.inf).softmax(-1)
        x = x + self.attn["proj"](torch.einsum("bhij,bjhd->bihd", weight, value).flatten(2))
        return x + self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.norm2(x))))


def rotate(x: Tensor, at: Tensor, tiled: bool) -> Tensor:
    """x (B, N, heads, d) at places (N, 3); NaN where a token has no place on that axis.

    ``tiled`` is how V-JEPA 2 was trained; each pair has its own frequency in 2.1.
    """
    each = 2 * (x.shape[-1] // 3 // 2)
    omega = 10000.0 ** (-torch.arange(each // 2) / (each // 2))
    parts = []
    for axis in range(3):
        part = x[..., axis * each : (axis + 1) * each]
        angle = at[:, None, axis, None].nan_to_num(0.0) * omega
        angle = torch.cat([angle, angle], -1) if tiled else angle.repeat_interleave(2, -1)
        pairs = part.unflatten(-1, (-1, 2))
        crossed = torch.stack([-pairs[..., 1], pairs[..., 0]], -1).flatten(-2)
        parts.append(part * angle.cos() + crossed * angle.sin())
    return torch.cat([*parts, x[..., 3 * each :]], -1)


class ActingPredictor(nn.Module):
    """Its names are those of the public checkpoint."""

    def __init__(self, wide: int, width: int, depth: int, heads: int, actions: int, grid: int) -> None:
        super().__init__()
        self.grid = grid
        self.predictor_embed = nn.Linear(wide, width)
        self.action_encoder, self.state_encoder = nn.Linear(actions, width), nn.Linear(actions, width)
        self.extrinsics_encoder = nn.Linear(actions - 1, width)
        self.predictor_blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.predictor_norm = nn.LayerNorm(width, eps=1e-6)
        self.predictor_proj = nn.Linear(width, wide)

    def forward(self, tokens: Tensor, actions: Tensor, states: Tensor) -> Tensor:
        """(B, T * N, D), (B, T, A), (B, T, A) -> (B, T * N, D)."""
        frames, place = actions.shape[1], self.grid**2
        seen = self.predictor_embed(tokens).unflatten(1, (frames, place))
        told = torch.stack([self.action_encoder(actions), self.state_encoder(states)], 2)
        x = torch.cat([told, seen], 2).flatten(1, 2)
        time = torch.arange(frames).repeat_interleave(place + 2)
        at = torch.full((frames, place + 2, 3), torch.nan)
        at[..., 0] = torch.arange(frames)[:, None]
        at[:, 2:, 1] = torch.arange(place) // self.grid
        at[:, 2:, 2] = torch.arange(place) % self.grid
        allowed = time[:, None] >= time[None, :]
        for block in self.predictor_blocks:
            x = block(x, at.flatten(0, 1), allowed)
        x = x.unflatten(1, (frames, place + 2))[:, :, 2:].flatten(1, 2)
        result: Tensor = self.predictor_proj(self.predictor_norm(x))
        return result
