# SPDX-License-Identifier: Apache-2.0
"""MiniLM-L6 in PyTorch, frozen, with low-rank changes that are trained, and heads for what a sentence means.

The changes (LoRA: each weight plus a product of two thin matrices) are small enough to be kept in the
repository; the weights themselves come from a package and are changed when the graph is written.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from jepa_lab.language.shape import ADAPTED, EPSILON, HEADS, LAYERS, LINEARS, WIDTH, key


@dataclass(frozen=True, slots=True)
class Outputs:
    """What the heads say of a batch, before any softmax."""

    intents: Tensor
    """(B, intents)"""
    resources: Tensor
    """(B, resources)"""
    tags: Tensor
    """(B, T, tags), for each piece"""
    asks: Tensor
    """(B, 1)"""


class Adapter(nn.Module):
    """The low-rank change of one linear map; nothing at first."""

    def __init__(self, inputs: int, outputs: int, rank: int) -> None:
        super().__init__()
        self.down = nn.Parameter(torch.randn(rank, inputs) / math.sqrt(inputs))
        self.up = nn.Parameter(torch.zeros(outputs, rank))

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) to (..., outputs)"""
        return (x @ self.down.T) @ self.up.T


class Encoder(nn.Module):
    """The encoder with its changes and heads."""

    def __init__(
        self, weights: Mapping[str, Tensor], intents: int, resources: int, tags: int, rank: int
    ) -> None:
        super().__init__()
        self._weights = {name: value.float() for name, value in weights.items()}
        self.adapters = nn.ModuleDict()
        for layer in ADAPTED:
            for linear in LINEARS:
                outputs, inputs = self._weights[f"encoder.layer.{layer}.{linear}.weight"].shape
                self.adapters[key(layer, linear)] = Adapter(inputs, outputs, rank)
        self.intents = nn.Linear(WIDTH, intents)
        self.resources = nn.Linear(WIDTH, resources)
        self.tags = nn.Linear(WIDTH, tags)
        self.asks = nn.Linear(WIDTH, 1)
        self.dropout = nn.Dropout(0.1)

    def forward(self, ids: Tensor, mask: Tensor) -> Outputs:
        """Of ``ids`` (B, T), ``mask`` 1 where there is a piece."""
        x = self._embedded(ids)
        for layer in range(LAYERS):
            x = self._layer(x, mask, layer)
        pooled = self.dropout((x * mask[..., None]).sum(1) / mask.sum(1, keepdim=True))
        return Outputs(
            self.intents(pooled), self.resources(pooled), self.tags(self.dropout(x)), self.asks(pooled)
        )

    def _embedded(self, ids: Tensor) -> Tensor:
        w = self._weights
        x = w["embeddings.word_embeddings.weight"][ids]
        x = x + w["embeddings.position_embeddings.weight"][: ids.shape[1]]
        x = x + w["embeddings.token_type_embeddings.weight"][0]
        return self._norm(x, "embeddings.LayerNorm")

    def _layer(self, x: Tensor, mask: Tensor, layer: int) -> Tensor:
        bias = (1 - mask[:, None, None, :]) * -1e4
        batch, length, _ = x.shape

        def split(y: Tensor) -> Tensor:
            return y.view(batch, length, HEADS, WIDTH // HEADS).transpose(1, 2)

        query, keys, value = (
            split(self._linear(x, layer, f"attention.self.{name}")) for name in ("query", "key", "value")
        )
        scores = query @ keys.transpose(-1, -2) / math.sqrt(WIDTH // HEADS) + bias
        seen = (scores.softmax(-1) @ value).transpose(1, 2).reshape(batch, length, WIDTH)
        prefix = f"encoder.layer.{layer}"
        x = self._norm(
            x + self._linear(seen, layer, "attention.output.dense"), f"{prefix}.attention.output.LayerNorm"
        )
        hidden = functional.gelu(self._linear(x, layer, "intermediate.dense"))
        return self._norm(x + self._linear(hidden, layer, "output.dense"), f"{prefix}.output.LayerNorm")

    def _linear(self, x: Tensor, layer: int, name: str) -> Tensor:
        prefix = f"encoder.layer.{layer}.{name}"
        y = functional.linear(x, self._weights[f"{prefix}.weight"], self._weights[f"{prefix}.bias"])
        if layer not in ADAPTED:
            return y
        change: Tensor = self.adapters[key(layer, name)](x)
        return y + change

    def _norm(self, x: Tensor, name: str) -> Tensor:
        weight, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        return functional.layer_norm(x, (WIDTH,), weight, bias, EPSILON)
