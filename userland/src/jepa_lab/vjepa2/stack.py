# SPDX-License-Identifier: Apache-2.0
"""The blocks that encoder and predictors are made of, as nodes of a graph."""

from dataclasses import dataclass

import numpy as np

from jepa_lab.vjepa2.architecture import EPSILON, Transformer
from jepa_lab.vjepa2.checkpoint import Weights
from jepa_lab.vjepa2.graph import CONTRIB, Graph, layer_norm
from jepa_lab.vjepa2.positions import FloatArray, order
from jepa_lab.vjepa2.stored import stored_linear

AT_ONCE = (256, 1024)
"""Tokens, at least and at most, that go through a block's products and ask together, in four parts if so.

More only take memory: nothing but what is asked, keys and values, needs all of them.
"""
_PARTS = 4


@dataclass(frozen=True, slots=True)
class Rotation:
    """Names of the cosines and sines (N, 1, d) that queries and keys of N tokens are rotated by."""

    cosine: str
    sine: str


class Stack:
    """Adds the blocks of one transformer to a graph, for B sequences of N tokens (B, N, D).

    Where the tokens are those of several ``frames``, each sees its own frame and earlier ones.
    """

    def __init__(
        self,
        graph: Graph,
        weights: Weights,
        part: str,
        of: Transformer,
        tokens: int,
        batch: int = 1,
        frames: int = 1,
        epsilon: float = EPSILON,
    ) -> None:
        self._graph, self._weights, self._part, self._of = graph, weights, part, of
        self._epsilon = epsilon
        self._tokens, self._batch, self._frames = tokens, batch, frames

    def blocks(self, x: str, rotation: Rotation | None) -> str:
        """All blocks, one after the other; without a rotation tokens have no place."""
        rotations = [self._rotation(rotation, span) for span in self._spans()]
        for number in range(self._of.depth):
            x = self._block(x, f"{self._part}.blocks.{number}", rotations)
        return x

    def normed(self, x: str) -> str:
        """The norm after the last block."""
        return self._norm(x, f"{self._part}.norm")

    def _block(self, x: str, name: str, rotations: list[Rotation | None]) -> str:
        """``rotations`` are those of the parts of the tokens."""
        keys, values, after = [], [], []
        for span, rotation in zip(self._spans(), rotations, strict=True):
            normed = self._norm(self._part_of(x, span, 1), f"{name}.norm1")
            keys.append(self._turned(normed, f"{name}.key", rotation, span))
            values.append(self._linear(normed, f"{name}.value"))
        key, value = self._joined(keys), self._joined(values)
        for span, rotation in zip(self._spans(), rotations, strict=True):
            part = self._part_of(x, span, 1)
            # Normed once more: what was normed for the keys would have to be kept until here.
            query = self._turned(self._norm(part, f"{name}.norm1"), f"{name}.query", rotation, span)
            # A mask would cost the scores of every pair, so each frame attends by itself to those up to it.
            seen = (0, self._tokens if self._frames == 1 else span[1])
            attended = self._attention(query, self._part_of(key, seen, 1), self._part_of(value, seen, 1))
            told = self._graph.op("Add", part, self._linear(attended, f"{name}.out"))
            after.append(self._mlp(told, name))
        return self._joined(after)

    def _spans(self) -> list[tuple[int, int]]:
        """The tokens in parts: those of each frame, or parts of about the same size."""
        least, most = AT_ONCE
        parts = self._frames
        if parts == 1:
            parts = max(1, min(_PARTS, self._tokens // least), -(-self._tokens // most))
        size = -(-self._tokens // parts)
        return [(start, min(start + size, self._tokens)) for start in range(0, self._tokens, size)]

    def _part_of(self, x: str, span: tuple[int, int], axis: int) -> str:
        """Those of ``span`` along the ``axis`` of tokens."""
        if span == (0, self._tokens):
            return x
        shape = self._graph.shape
        return self._graph.op("Slice", x, shape(span[0]), shape(span[1]), shape(axis))

    def _rotation(self, rotation: Rotation | None, span: tuple[int, int]) -> Rotation | None:
        """What those of ``span`` are rotated by."""
        if rotation is None:
            return None
        return Rotation(*(self._part_of(each, span, 0) for each in (rotation.cosine, rotation.sine)))

    def _joined(self, parts: list[str]) -> str:
        return parts[0] if len(parts) == 1 else self._graph.op("Concat", *parts, axis=1)

    def asked(self, query: str, x: str, name: str) -> str:
        """What a query (1, 1, D) gathers from all tokens (1, N, D), in a block that knows of no places."""
        graph = self._graph
        normed = self._norm(x, f"{name}.norm1")
        attended = self._attention(
            self._linear(query, f"{name}.query"),
            self._linear(normed, f"{name}.key"),
            self._linear(normed, f"{name}.value"),
        )
        return self._mlp(graph.op("Add", query, attended), name)

    def _mlp(self, x: str, name: str) -> str:
        graph = self._graph
        hidden = graph.op("Gelu", self._linear(self._norm(x, f"{name}.norm2"), f"{name}.fc1"))
        return graph.op("Add", x, self._linear(hidden, f"{name}.fc2"))

    def _attention(self, query: str, key: str, value: str) -> str:
        return self._graph.op(
            "MultiHeadAttention", query, key, value, domain=CONTRIB, num_heads=self._of.heads
        )

    def _turned(self, x: str, name: str, rotation: Rotation | None, span: tuple[int, int]) -> str:
        """Queries or keys of the tokens of ``span``."""
        return (
            self._linear(x, name)
            if rotation is None
            else self._rotated(x, name, rotation, span[1] - span[0])
        )

    def _rotated(self, x: str, name: str, rotation: Rotation, tokens: int) -> str:
        """(B, N, D) queries or keys of N ``tokens``, each head in ``order``, rotated."""
        graph, of = self._graph, self._of
        weight, bias = (self._weights.read(f"{name}.{each}") for each in ("weight", "bias"))
        flat = stored_linear(graph, x, name, _in_order(weight, of), _in_order(bias, of))
        half = of.head_width // 2
        heads = graph.op("Reshape", flat, graph.shape(self._batch, tokens, of.heads, of.head_width))
        axis, zero = graph.shape(-1), graph.shape(0)
        middle, end = graph.shape(half), graph.shape(of.head_width)
        first = graph.op("Slice", heads, zero, middle, axis)
        second = graph.op("Slice", heads, middle, end, axis)
        exchanged = graph.op("Concat", second, first, axis=-1)
        turned = graph.op(
            "Add", graph.op("Mul", heads, rotation.cosine), graph.op("Mul", exchanged, rotation.sine)
        )
        return graph.op("Reshape", turned, graph.shape(self._batch, tokens, of.width))

    def _linear(self, x: str, name: str) -> str:
        weight, bias = (self._weights.read(f"{name}.{each}") for each in ("weight", "bias"))
        return stored_linear(self._graph, x, name, weight, bias)

    def _norm(self, x: str, name: str) -> str:
        weight, bias = (self._weights.read(f"{name}.{each}") for each in ("weight", "bias"))
        return layer_norm(self._graph, x, name, weight, bias, self._epsilon)


def _in_order(weight: FloatArray, of: Transformer) -> FloatArray:
    """Rows (D, ...) with each head's in ``order``."""
    heads = weight.reshape(of.heads, of.head_width, -1)[:, order(of.head_width)]
    return np.ascontiguousarray(heads).reshape(weight.shape)
