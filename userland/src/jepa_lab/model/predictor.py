# SPDX-License-Identifier: Apache-2.0
"""The causal predictor: attention over a sliding window and, beyond it, over one frame in so many; whole for
training, one frame at a time when streaming.

The only position it knows is the age of a frame relative to the one that looks back, so a key or value
computed once stays true while the window slides.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from jepa_lab.model.config import ModelConfig
from jepa_lab.model.reach import reach

_NEVER = -1e4
_FAR = 4.0
"""How much less the coarse context counts to begin with, at most."""


class Layer(nn.Module):
    """Pre-norm attention and MLP."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
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
        far = -(slope * config.window).clamp(max=_FAR)
        self.coarse_bias = nn.Parameter(far[:, None].repeat(1, config.coarse))  # (heads, V), newest first

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
        """(B, T, D) -> (B, T, D), each frame looking back as ``reach`` says, itself included."""
        frames = x.shape[1]
        seen = reach(torch.arange(frames), frames, self.config)
        bias = _by_age(self._biases(frames)).masked_fill(~(seen.near | seen.coarse), _NEVER)
        query, key, value = (part.transpose(1, 2) for part in self.project(x))
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        return self.finish(x, attended.transpose(1, 2).flatten(-2))

    def _biases(self, frames: int) -> Tensor:
        """(heads, T) of the frames 0 to T - 1 ago, those of the coarse context beyond the window."""
        near, beyond = self.age_bias[:, :frames], torch.arange(max(0, frames - self.config.window))
        if not len(beyond):
            return near
        block = torch.div(beyond, self.config.coarse_s, rounding_mode="floor")
        return torch.cat([near, self.coarse_bias[:, block.clamp(max=self.config.coarse - 1)]], 1)

    def step(self, x: Tensor, cache: Tensor, coarse: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The newest frame alone: x (1, D), cache (2, heads, W, d), coarse (2, heads, V, d) -> x and cache.

        mask (W + V,) is 0 for what is a frame.
        """
        keys, values = cache[0], cache[1]
        query, key, value = self.project(x)  # (1, heads, d)
        keys = torch.cat([keys[:, 1:], key.transpose(0, 1)], 1)
        values = torch.cat([values[:, 1:], value.transpose(0, 1)], 1)
        scale = keys.shape[-1] ** -0.5
        every = torch.cat([keys, coarse[0]], 1)
        logits = (query.transpose(0, 1) * scale) @ every.transpose(1, 2)  # (heads, 1, W + V)
        bias = torch.cat([self.age_bias.flip(1), self.coarse_bias.flip(1)], 1) + mask
        attended = torch.softmax(logits + bias[:, None], -1) @ torch.cat([values, coarse[1]], 1)
        return self.finish(x, attended.transpose(0, 1).flatten(-2)), torch.stack([keys, values])

    def imagine(
        self, x: Tensor, cache: Tensor, coarse: Tensor, past: Tensor, fresh: list[tuple[Tensor, Tensor]]
    ) -> Tensor:
        """One imagined frame of each course: x (K, D), cache and coarse as ``step`` has them, past (W + V,).

        ``fresh`` holds each course's own keys and values, (K, heads, d) a frame, and gains this frame's.
        """
        query, key, value = self.project(x)  # (K, heads, d)
        fresh.append((key, value))
        query = query * query.shape[-1] ** -0.5
        steps, window = len(fresh), cache.shape[2]
        keys, values = torch.cat([cache, coarse], 2)
        # The newest cached frame was one before the first imagined one.
        ages = torch.arange(window, 0, -1) + steps - 1
        bias = torch.cat([self.age_bias[:, ages.clamp(max=window - 1)], self.coarse_bias.flip(1)], 1) + past
        before = (query.transpose(0, 1) @ keys.transpose(1, 2)).transpose(0, 1) + bias  # (K, heads, W + V)
        own = torch.stack([(query * each).sum(-1) for each, _ in fresh], -1)  # (K, heads, steps)
        own = own + self.age_bias[:, :steps].flip(1)
        weight = torch.softmax(torch.cat([before, own], -1), -1)
        cached = keys.shape[1]
        attended = (weight[..., :cached].transpose(0, 1) @ values).transpose(0, 1)
        for number, (_, each) in enumerate(fresh):
            attended = attended + weight[..., cached + number, None] * each
        return self.finish(x, attended.flatten(-2))


def _by_age(biases: Tensor) -> Tensor:
    """(heads, T) by age -> (heads, T, T): of each frame that looks, the bias of each that it looks at.

    Zero for those still to come. They are windows that slide over one row: the gradient of an index of T x T
    ages would be added up number by number, which takes five times as long.
    """
    frames = biases.shape[1]
    row = F.pad(biases.flip(1), (0, frames - 1))
    return row.unfold(1, frames, 1).flip(1)


class Predictor(nn.Module):
    """Latents to context states, and context states to the latents that follow."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.window, self.coarse = config.window, config.coarse
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

    def step(
        self, z: Tensor, control: Tensor, caches: Tensor, coarse: Tensor, count: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Take one latent (1, D) and the settings (1, A), given what was before.

        That is caches (layers, 2, heads, W, D / heads), coarse (layers, 2, heads, V, D / heads) and count
        (2,): frames so far, this one included, and frames in the coarse context.
        """
        age = torch.arange(self.window - 1, -1, -1, dtype=torch.float32)
        mask = torch.cat([torch.where(age < count[0], 0.0, _NEVER), self._far(count)])
        x = z + self.control(control)
        kept = []
        for number, layer in enumerate(self.layers):
            assert isinstance(layer, Layer)
            x, cache = layer.step(x, caches[number], coarse[number], mask)
            kept.append(cache)
        return self.norm(x), torch.stack(kept)

    def _far(self, count: Tensor) -> Tensor:
        """(V,) 0 for what is in the coarse context."""
        age = torch.arange(self.coarse - 1, -1, -1, dtype=torch.float32)
        return torch.where(age < count[1], 0.0, _NEVER)

    def imagine(
        self, z: Tensor, controls: Tensor, caches: Tensor, coarse: Tensor, count: Tensor
    ) -> tuple[Tensor, Tensor]:
        """What follows latent z (1, D) under each of K action sequences (K, S, A), a second a step.

        The rest as ``step`` takes it, from before z was taken -> context states and the latents
        after each second, (K, S, D) both. Each latent is the prediction from the one imagined before it.
        """
        age = torch.arange(self.window, 0, -1, dtype=torch.float32)  # of what is cached, seen from z
        contexts, latents = [], []
        z = z.expand(len(controls), -1)
        fresh: list[list[tuple[Tensor, Tensor]]] = [[] for _ in self.layers]
        for now in range(controls.shape[1]):
            x = z + self.control(controls[:, now])
            near = torch.where((age < count[0]) & (age + now < self.window), 0.0, _NEVER)
            past = torch.cat([near, self._far(count)])
            for number, layer in enumerate(self.layers):
                assert isinstance(layer, Layer)
                x = layer.imagine(x, caches[number], coarse[number], past, fresh[number])
            h = self.norm(x)
            z = self.next_latent(z, h)
            contexts.append(h)
            latents.append(z)
        return torch.stack(contexts, 1), torch.stack(latents, 1)
