# SPDX-License-Identifier: Apache-2.0
"""Writes the encoder with its heads as one ONNX graph, node by node, from the carrier's weights and ours."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

from jepa.packs.vision import Stored
from jepa_lab.language.shape import ADAPTED, EPSILON, HEADS, LAYERS, LINEARS, WIDTH, key
from jepa_lab.vjepa2.graph import GraphWriter, layer_norm, linear
from jepa_lab.vjepa2.stored import stored_linear

FloatArray = npt.NDArray[np.float32]
_BYTE: Final = 127
_LENGTH: Final = "pieces"
"""What the graph calls the length of a sentence: a short one costs less than a long one."""


def write_encoder(
    folder: Path,
    weights: Mapping[str, FloatArray],
    trained: Mapping[str, FloatArray],
    pieces: int,
    facts: Mapping[str, str],
    stored: Stored = "int8",
) -> GraphWriter:
    """``encoder``: numbers of pieces ``ids`` (1, T) to logits; T is the sentence's own, at most ``pieces``.

    ``weights`` are the carrier's by its names, ``trained`` the changes and heads. Outputs are ``intents``
    (1, I), ``resources`` (1, R), ``asks`` (1, 1) and, for each piece, ``tags`` (1, T, 4).
    """
    graph = GraphWriter(folder, "encoder", stored)
    x = _embedded(graph, weights, pieces)
    for layer in range(LAYERS):
        x = _layer(graph, x, layer, changed(weights, trained, layer), weights)
    pooled = graph.op("ReduceMean", x, graph.shape(1), keepdims=0)
    sizes: dict[str, tuple[int | str, ...]] = {}
    for name, of in (("intents", pooled), ("resources", pooled), ("tags", x), ("asks", pooled)):
        weight = trained[f"{name}.weight"]
        linear(graph, of, name, weight, trained[f"{name}.bias"], out=name)
        sizes[name] = (1, _LENGTH, len(weight)) if name == "tags" else (1, len(weight))
    graph.finish({"ids": (TensorProto.INT64, (1, _LENGTH))}, sizes, facts)
    return graph


def changed(
    weights: Mapping[str, FloatArray], trained: Mapping[str, FloatArray], layer: int
) -> dict[str, FloatArray]:
    """The weights of one layer's linear maps, with what was trained added to them."""
    found = {}
    for name in LINEARS:
        weight = weights[f"encoder.layer.{layer}.{name}.weight"]
        if layer in ADAPTED:
            own = key(layer, name)
            up, down = trained[f"adapters.{own}.up"], trained[f"adapters.{own}.down"]
            # Term by term and in this order: a library's product may round otherwise on another machine.
            weight = weight + sum(np.outer(up[:, at], down[at]) for at in range(len(down)))
        found[name] = np.asarray(weight, np.float32)
    return found


def _embedded(graph: GraphWriter, weights: Mapping[str, FloatArray], pieces: int) -> str:
    words = weights["embeddings.word_embeddings.weight"]
    scales = np.abs(words).max(1, keepdims=True) / _BYTE
    scales = np.asarray(np.where(scales > 0, scales, 1), np.float32)
    if graph.stored == "int8":
        rows = graph.op("Gather", graph.constant("words", np.rint(words / scales).astype(np.int8)), "ids")
        scale = graph.op("Gather", graph.constant("words.scales", scales), "ids")
        x = graph.op("Mul", graph.op("Cast", rows, to=TensorProto.FLOAT), scale)
    else:
        x = graph.op("Gather", graph.constant("words", words), "ids")
    places = weights["embeddings.position_embeddings.weight"][:pieces]
    kind = weights["embeddings.token_type_embeddings.weight"][:1]
    length = graph.op("Slice", graph.op("Shape", "ids"), graph.shape(1), graph.shape(2))
    here = graph.op(
        "Slice", graph.constant("places", (places + kind)[None]), graph.shape(0), length, graph.shape(1)
    )
    x = graph.op("Add", x, here)
    return _norm(graph, x, weights, "embeddings.LayerNorm")


def _layer(
    graph: GraphWriter,
    x: str,
    layer: int,
    linears: Mapping[str, FloatArray],
    weights: Mapping[str, FloatArray],
) -> str:
    prefix = f"encoder.layer.{layer}"

    def mapped(of: str, name: str) -> str:
        own = f"{prefix}.{name}"
        return stored_linear(graph, of, own, linears[name], weights[f"{own}.bias"])

    def heads(of: str) -> str:
        apart = graph.op("Reshape", of, graph.shape(1, -1, HEADS, WIDTH // HEADS))
        return graph.op("Transpose", apart, perm=[0, 2, 1, 3])

    query, keys, value = (heads(mapped(x, f"attention.self.{name}")) for name in ("query", "key", "value"))
    scores = graph.op("MatMul", query, graph.op("Transpose", keys, perm=[0, 1, 3, 2]))
    scaled = graph.op("Mul", scores, graph.constant("scale", np.array((WIDTH // HEADS) ** -0.5, np.float32)))
    looked = graph.op("Softmax", scaled, axis=-1)
    seen = graph.op("Transpose", graph.op("MatMul", looked, value), perm=[0, 2, 1, 3])
    seen = graph.op("Reshape", seen, graph.shape(1, -1, WIDTH))
    attended = graph.op("Add", x, mapped(seen, "attention.output.dense"))
    x = _norm(graph, attended, weights, f"{prefix}.attention.output.LayerNorm")
    inside = graph.op("Gelu", mapped(x, "intermediate.dense"))
    return _norm(
        graph, graph.op("Add", x, mapped(inside, "output.dense")), weights, f"{prefix}.output.LayerNorm"
    )


def _norm(graph: GraphWriter, x: str, weights: Mapping[str, FloatArray], name: str) -> str:
    return layer_norm(graph, x, name, weights[f"{name}.weight"], weights[f"{name}.bias"], EPSILON)
