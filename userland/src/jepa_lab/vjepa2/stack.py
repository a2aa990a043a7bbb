# SPDX-License-Identifier: Apache-2.0
"""The blocks that encoder and predictors are made of, as nodes of a graph."""

from dataclasses import dataclass

import numpy as np

from jepa_lab.vjepa2.architecture import EPSILON, Transformer
from jepa_lab.vjepa2.checkpoint import Weights
from jepa_lab.vjepa2.graph import CONTRIB, Graph, layer_norm
from jepa_lab.vjepa2.positions import FloatArray, order
from jepa_lab.vjepa2.stored import stored_linear

AT_ONCE = 512
"""Tokens that go through a block's products together; more only take memory: only attention needs all."""


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
        graph = self._graph
        asked: tuple[list[str], ...] = ([], [], [])
        for span, rotation in zip(self._spans(), rotations, strict=True):
            normed = self._norm(self._part_of(x, span, 1), f"{name}.norm1")
            for parts, each in zip(asked, ("query", "key"), strict=False):
                linear = f"{name}.{each}"
                parts.append(
                    self._linear(normed, linear)
                    if rotation is None
                    else self._rotated(normed, linear, rotation, span[1] - span[0])
                )
            asked[2].append(self._linear(normed, f"{name}.value"))
        attended = self._attended(*(self._joined(parts) for parts in asked))
        after = []
        for span in self._spans():
            told = self._linear(self._part_of(attended, span, 1), f"{name}.out")
            after.append(self._mlp(graph.op("Add", self._part_of(x, span, 1), told), name))
        return self._joined(after)

    def _spans(self) -> list[tuple[int, int]]:
        """The tokens in parts."""
        starts = range(0, self._tokens, AT_ONCE)
        return [(start, min(start + AT_ONCE, self._tokens)) for start in starts]

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

    def _attended(self, query: str, key: str, value: str) -> str:
        """A mask would cost the scores of every pair, so each frame attends by itself to those up to it."""
        if self._frames == 1:
            return self._attention(query, key, value)
        graph = self._graph
        frame = self._tokens // self._frames
        axis, zero = graph.shape(1), graph.shape(0)
        parts = []
        for number in range(self._frames):
            start, end = graph.shape(number * frame), graph.shape((number + 1) * frame)
            asking = graph.op("Slice", query, start, end, axis)
            last = number + 1 == self._frames
            seen = [each if last else graph.op("Slice", each, zero, end, axis) for each in (key, value)]
            parts.append(self._attention(asking, *seen))
        return graph.op("Concat", *parts, axis=1)

    def _attention(self, query: str, key: str, value: str) -> str:
        return self._graph.op(
            "MultiHeadAttention", query, key, value, domain=CONTRIB, num_heads=self._of.heads
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
