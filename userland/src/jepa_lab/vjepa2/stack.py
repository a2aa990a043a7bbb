# SPDX-License-Identifier: Apache-2.0
"""The blocks that encoder and predictors are made of, as nodes of a graph."""

from dataclasses import dataclass

import numpy as np

from jepa_lab.vjepa2.architecture import EPSILON, Transformer
from jepa_lab.vjepa2.checkpoint import TensorSource
from jepa_lab.vjepa2.graph import CONTRIB, GraphWriter, layer_norm
from jepa_lab.vjepa2.positions import FloatArray, order
from jepa_lab.vjepa2.stored import stored_linear

AT_ONCE = (256, 1024)
"""Tokens, at least and at most, that go through what follows attention together: more only take memory."""
_PARTS = 4
"""How many parts the tokens are worth, and the heads, which need all tokens but not each other."""

Span = tuple[int, int]
"""From which on, and up to which."""


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
        graph: GraphWriter,
        weights: TensorSource,
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
        for number in range(self._of.depth):
            x = self._block(x, f"{self._part}.blocks.{number}", rotation)
        return x

    def normed(self, x: str) -> str:
        """The norm after the last block."""
        return self._norm(x, f"{self._part}.norm")

    def _block(self, x: str, name: str, rotation: Rotation | None) -> str:
        normed = self._norm(x, f"{name}.norm1")
        attended = self._joined([self._heads(normed, name, each, rotation) for each in self._groups()], 2)
        after = []
        for span in self._spans():
            projected = self._linear(self._part_of(attended, span), f"{name}.out")
            after.append(self._mlp(self._graph.op("Add", self._part_of(x, span), projected), name))
        return self._joined(after, 1)

    def _heads(self, normed: str, name: str, heads: Span, rotation: Rotation | None) -> str:
        """What the ``heads`` gather (B, N, d x heads), of tokens (B, N, D)."""
        query = self._turned(normed, f"{name}.query", heads, rotation)
        key = self._turned(normed, f"{name}.key", heads, rotation)
        value = self._of_heads(normed, f"{name}.value", heads)
        if self._frames == 1:
            return self._attention(query, key, value, heads)
        size = self._tokens // self._frames
        gathered = []
        for end in range(size, self._tokens + 1, size):
            # A mask would cost the scores of every pair, so each frame attends by itself to those up to it.
            own, seen = (end - size, end), (0, end)
            parts = self._part_of(query, own), self._part_of(key, seen), self._part_of(value, seen)
            gathered.append(self._attention(*parts, heads))
        return self._joined(gathered, 1)

    def _groups(self) -> list[Span]:
        """The heads in groups: nothing needs the queries, keys and values of all of them at once."""
        return _even(self._of.heads, min(_PARTS, self._tokens // AT_ONCE[0]))

    def _spans(self) -> list[Span]:
        """The tokens in parts: what follows attention asks nothing of other tokens."""
        least, most = AT_ONCE
        return _even(self._tokens, max(min(_PARTS, self._tokens // least), -(-self._tokens // most)))

    def _part_of(self, x: str, span: Span) -> str:
        """Those tokens (B, N, D) that are of ``span``."""
        if span == (0, self._tokens):
            return x
        shape = self._graph.shape
        return self._graph.op("Slice", x, shape(span[0]), shape(span[1]), shape(1))

    def _joined(self, parts: list[str], axis: int) -> str:
        return parts[0] if len(parts) == 1 else self._graph.op("Concat", *parts, axis=axis)

    def asked(self, query: str, x: str, name: str) -> str:
        """What a query (1, 1, D) gathers from all tokens (1, N, D), in a block that knows of no places."""
        graph, heads = self._graph, (0, self._of.heads)
        normed = self._norm(x, f"{name}.norm1")
        attended = self._attention(
            self._linear(query, f"{name}.query"),
            self._linear(normed, f"{name}.key"),
            self._linear(normed, f"{name}.value"),
            heads,
        )
        return self._mlp(graph.op("Add", query, attended), name)

    def _mlp(self, x: str, name: str) -> str:
        graph = self._graph
        hidden = graph.op("Gelu", self._linear(self._norm(x, f"{name}.norm2"), f"{name}.fc1"))
        return graph.op("Add", x, self._linear(hidden, f"{name}.fc2"))

    def _attention(self, query: str, key: str, value: str, heads: Span) -> str:
        return self._graph.op(
            "MultiHeadAttention", query, key, value, domain=CONTRIB, num_heads=heads[1] - heads[0]
        )

    def _turned(self, x: str, name: str, heads: Span, rotation: Rotation | None) -> str:
        """(B, N, d x heads) queries or keys of the ``heads``, each in ``order`` and rotated."""
        if rotation is None:
            return self._of_heads(x, name, heads)
        graph, of = self._graph, self._of
        weight, bias = self._read(name)
        flat = self._rows(x, name, heads, _in_order(weight, of), _in_order(bias, of))
        half, many = of.head_width // 2, heads[1] - heads[0]
        apart = graph.op("Reshape", flat, graph.shape(self._batch, self._tokens, many, of.head_width))
        axis, zero = graph.shape(-1), graph.shape(0)
        middle, end = graph.shape(half), graph.shape(of.head_width)
        first = graph.op("Slice", apart, zero, middle, axis)
        second = graph.op("Slice", apart, middle, end, axis)
        exchanged = graph.op("Concat", second, first, axis=-1)
        turned = graph.op(
            "Add", graph.op("Mul", apart, rotation.cosine), graph.op("Mul", exchanged, rotation.sine)
        )
        return graph.op("Reshape", turned, graph.shape(self._batch, self._tokens, many * of.head_width))

    def _of_heads(self, x: str, name: str, heads: Span) -> str:
        """(B, N, d x heads) of the ``heads`` alone."""
        return self._rows(x, name, heads, *self._read(name))

    def _rows(self, x: str, name: str, heads: Span, weight: FloatArray, bias: FloatArray) -> str:
        """x (B, N, D) times the rows of ``weight`` (D, D) that are of the ``heads``, plus ``bias`` (D,)."""
        if heads != (0, self._of.heads):
            name = f"{name}.{heads[0]}"
        rows = slice(*(each * self._of.head_width for each in heads))
        return stored_linear(self._graph, x, name, weight[rows], bias[rows])

    def _linear(self, x: str, name: str) -> str:
        return stored_linear(self._graph, x, name, *self._read(name))

    def _read(self, name: str) -> tuple[FloatArray, FloatArray]:
        """Weight and bias."""
        return self._weights.read(f"{name}.weight"), self._weights.read(f"{name}.bias")

    def _norm(self, x: str, name: str) -> str:
        return layer_norm(self._graph, x, name, *self._read(name), self._epsilon)


def _even(many: int, parts: int) -> list[Span]:
    """``many`` in so many ``parts`` or fewer, the last of which may be smaller."""
    size = -(-many // max(1, parts))
    return [(start, min(start + size, many)) for start in range(0, many, size)]


def _in_order(weight: FloatArray, of: Transformer) -> FloatArray:
    """Rows (D, ...) with each head's in ``order``."""
    heads = weight.reshape(of.heads, of.head_width, -1)[:, order(of.head_width)]
    return np.ascontiguousarray(heads).reshape(weight.shape)
