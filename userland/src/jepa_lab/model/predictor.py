# SPDX-License-Identifier: Apache-2.0
"""The causal predictor: attention over a sliding window, whole for training, one frame at a time when
streaming.

The only position it knows is the age of a frame relative to the one that looks back, so a key or value
computed once stays true while the window slides.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from jepa_lab.model.config import ModelConfig

_NEVER = -1e4


class Layer(nn.Module):
    """Pre-norm attention and MLP."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.norm_attention = nn.LayerNorm(config.width)
        self.query_key_value = nn.Linear(config.width, 3 * config.width)
        self.mix = nn.Linear(config.width, config.width)
        self.norm_mlp = nn.LayerNorm(config.width)
        self.mlp = nn.Sequential(
            nn.Linear(config.width, 2 * config.width), nn.GELU(), nn.Linear(2 * config.width, config.width)
        )
        self.drop = nn.Dropout(config.dropout)
        # Starts as a mild preference for what is recent, different in each head.
        slope = torch.tensor([0.0, 0.01, 0.05, 0.2])[torch.arange(config.heads) % 4]
        self.age_bias = nn.Parameter(-slope[:, None] * torch.arange(config.window))  # (heads, W), by age

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(..., D) -> query, key, value, each (..., heads, D / heads)."""
        parts = self.query_key_value(self.norm_attention(x)).unflatten(-1, (3, self.heads, -1))
        return parts[..., 0, :, :], parts[..., 1, :, :], parts[..., 2, :, :]

    def finish(self, x: Tensor, attended: Tensor) -> Tensor:
        """Add what attention found (..., D), then the MLP."""
        x = x + self.drop(self.mix(attended))
        result: Tensor = x + self.drop(self.mlp(self.norm_mlp(x)))
        return result

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D), each frame looking back on at most W frames, itself included."""
        frames, window = x.shape[1], self.age_bias.shape[1]
        age = torch.arange(frames)[:, None] - torch.arange(frames)[None, :]
        bias = self.age_bias[:, age.clamp(0, window - 1)].masked_fill((age < 0) | (age >= window), _NEVER)
        query, key, value = (part.transpose(1, 2) for part in self.project(x))
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        return self.finish(x, attended.transpose(1, 2).flatten(-2))

    def step(
        self, x: Tensor, keys: Tensor, values: Tensor, age_mask: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The newest frame alone: x (1, D), caches (heads, W, D / heads), age_mask (W,) -> x and caches."""
        query, key, value = self.project(x)  # (1, heads, d)
        keys = torch.cat([keys[:, 1:], key.transpose(0, 1)], 1)
        values = torch.cat([values[:, 1:], value.transpose(0, 1)], 1)
        scale = keys.shape[-1] ** -0.5
        logits = (query.transpose(0, 1) * scale) @ keys.transpose(1, 2)  # (heads, 1, W)
        bias = (self.age_bias.flip(1) + age_mask)[:, None]
        attended = torch.softmax(logits + bias, -1) @ values  # (heads, 1, d)
        return self.finish(x, attended.transpose(0, 1).flatten(-2)), keys, values

    def imagine(
        self, x: Tensor, keys: Tensor, values: Tensor, past: Tensor, fresh: list[tuple[Tensor, Tensor]]
    ) -> Tensor:
        """One imagined frame of each course: x (K, D), caches (heads, W, d) of all, past (W,) 0 or never.

        ``fresh`` holds each course's own keys and values, (K, heads, d) a frame, and gains this frame's.
        """
        query, key, value = self.project(x)  # (K, heads, d)
        fresh.append((key, value))
        query = query * keys.shape[-1] ** -0.5
        steps, window = len(fresh), keys.shape[1]
        # The newest cached frame was one before the first imagined one.
        ages = torch.arange(window, 0, -1) + steps - 1
        bias = self.age_bias[:, ages.clamp(max=window - 1)] + past  # (heads, W)
        before = (query.transpose(0, 1) @ keys.transpose(1, 2)).transpose(0, 1) + bias  # (K, heads, W)
        own = torch.stack([(query * each).sum(-1) for each, _ in fresh], -1)  # (K, heads, steps)
        own = own + self.age_bias[:, :steps].flip(1)
        weight = torch.softmax(torch.cat([before, own], -1), -1)
        attended = (weight[..., :window].transpose(0, 1) @ values).transpose(0, 1)
        for number, (_, each) in enumerate(fresh):
            attended = attended + weight[..., window + number, None] * each
        return self.finish(x, attended.flatten(-2))


class Predictor(nn.Module):
    """Latents to context states, and context states to the latents that follow."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.window = config.window
        self.control = nn.Linear(config.controls, config.width, bias=False)
        nn.init.zeros_(self.control.weight)  # what was never seen set does nothing
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.ahead = nn.ModuleList(
            nn.Sequential(
                nn.Linear(config.width, config.width), nn.GELU(), nn.Linear(config.width, config.width)
            )
            for _ in config.steps
        )

    def forward(self, z: Tensor, control: Tensor) -> Tensor:
        """(B, T, D) latents, (B, T, A) settings in force from then on -> (B, T, D) context states."""
        x = z + self.control(control)
        for layer in self.layers:
            x = layer(x)
        h: Tensor = self.norm(x)
        return h

    def next_latent(self, z: Tensor, h: Tensor, step: int = 0) -> Tensor:
        """The latent ``config.steps[step]`` frames on, as a change of the present one."""
        change: Tensor = self.ahead[step](h)
        return z + change

    def step(self, z: Tensor, control: Tensor, caches: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
        """Take one latent (1, D) and the settings (1, A), given what was before.

        That is caches (layers, 2, heads, W, D / heads) and count (1,) of frames so far, this one included.
        """
        age = torch.arange(self.window - 1, -1, -1, dtype=torch.float32)
        age_mask = torch.where(age < count, 0.0, _NEVER)
        x = z + self.control(control)
        kept = []
        for number, layer in enumerate(self.layers):
            assert isinstance(layer, Layer)
            x, keys, values = layer.step(x, caches[number, 0], caches[number, 1], age_mask)
            kept.append(torch.stack([keys, values]))
        return self.norm(x), torch.stack(kept)

    def imagine(self, z: Tensor, controls: Tensor, caches: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
        """What follows latent z (1, D) under each of K courses of settings (K, S, A), a second each.

        caches and count as ``step`` takes them, from before z was taken -> context states and the latents
        after each second, (K, S, D) both. Each latent is the prediction from the one imagined before it.
        """
        age = torch.arange(self.window, 0, -1, dtype=torch.float32)  # of what is cached, seen from z
        contexts, latents = [], []
        z = z.expand(len(controls), -1)
        fresh: list[list[tuple[Tensor, Tensor]]] = [[] for _ in self.layers]
        for now in range(controls.shape[1]):
            x = z + self.control(controls[:, now])
            past = torch.where((age < count) & (age + now < self.window), 0.0, _NEVER)
            for number, layer in enumerate(self.layers):
                assert isinstance(layer, Layer)
                x = layer.imagine(x, caches[number, 0], caches[number, 1], past, fresh[number])
            h = self.norm(x)
            z = self.next_latent(z, h)
            contexts.append(h)
            latents.append(z)
        return torch.stack(contexts, 1), torch.stack(latents, 1)
