# SPDX-License-Identifier: Apache-2.0
"""The graphs of a V-JEPA 2 pack: encoder, predictors of masked tokens or conditioned on actions, probe."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from onnx import TensorProto

from jepa.packs.vision import Stored
from jepa_lab.vjepa2.architecture import Architecture
from jepa_lab.vjepa2.checkpoint import TensorSource
from jepa_lab.vjepa2.graph import GraphWriter, linear
from jepa_lab.vjepa2.positions import FloatArray, acted_positions, spread_positions, tables, token_positions
from jepa_lab.vjepa2.stack import Rotation, Stack

MASK = 1
"""Which mask token stands for what is to be predicted; the public code takes this one by default."""


def write_encoder(
    folder: Path,
    weights: TensorSource,
    of: Architecture,
    frames: int,
    crop: int,
    facts: Mapping[str, str],
    stored: Stored = "fp32",
) -> GraphWriter:
    """``encoder``: a clip (1, F, 3, P, P), normalised, to its tokens (1, N, D).

    Their names are those that transformers has for them.
    """
    graph = GraphWriter(folder, "encoder", stored)
    time, rows, columns = of.grid(frames, crop)
    tokens, width = time * rows * columns, of.encoder.width
    inside = (of.tubelet, of.channels, of.patch, of.patch)
    # A convolution whose stride is its kernel is a product with each tubelet laid out flat.
    split = graph.op(
        "Reshape",
        "pixel_values",
        graph.shape(time, of.tubelet, of.channels, rows, of.patch, columns, of.patch),
    )
    laid = graph.op("Transpose", split, perm=[0, 3, 5, 1, 2, 4, 6])
    flat = graph.op("Reshape", laid, graph.shape(1, tokens, int(np.prod(inside))))
    kernel = weights.read("encoder.patch.weight").transpose(0, 2, 1, 3, 4).reshape(width, -1)
    bias = weights.read("encoder.patch.bias")
    if of.newer:
        bias = bias + weights.read("encoder.video")
    x = linear(graph, flat, "encoder.patch", kernel, bias)
    grid = (time, rows, columns)
    places = spread_positions(grid) if of.newer else token_positions(grid)
    cosine, sine = tables(places, of.encoder.head_width, tiled=not of.newer)
    rotation = Rotation(graph.constant("cosine", cosine[:, None]), graph.constant("sine", sine[:, None]))
    stack = Stack(graph, weights, "encoder", of.encoder, tokens)
    graph.op("Identity", stack.normed(stack.blocks(x, rotation)), out="last_hidden_state")
    clip = (TensorProto.FLOAT, (1, frames, of.channels, crop, crop))
    graph.finish({"pixel_values": clip}, {"last_hidden_state": (1, tokens, width)}, facts)
    return graph


def write_predictor(
    folder: Path,
    weights: TensorSource,
    of: Architecture,
    sizes: tuple[int, int],
    grid: tuple[int, int, int],
    facts: Mapping[str, str],
    stored: Stored = "fp32",
) -> GraphWriter:
    """``predictor``: encoded tokens (1, n, D) and where they are, to the tokens at m other places (1, m, D).

    ``sizes`` is n and m. ``context_at`` (n,) and ``target_at`` (m,) count tokens of a clip of ``grid``, time
    first; which they are is free, only how many is fixed.
    """
    assert of.predictor is not None, "asked for only where there is one"
    graph = GraphWriter(folder, "predictor", stored)
    known, wanted = sizes
    narrow = of.predictor
    context = linear(graph, "context", "predictor.embed", *_pair(weights, "predictor.embed"))
    mask = graph.constant("predictor.mask", weights.read(f"predictor.mask.{MASK}")[None, None])
    targets = graph.op("Expand", mask, graph.shape(1, wanted, narrow.width))
    x = graph.op("Concat", context, targets, axis=1)
    at = graph.op("Concat", "context_at", "target_at", axis=0)
    cosine, sine = tables(token_positions(grid), narrow.head_width)
    rotation = Rotation(
        graph.op("Gather", graph.constant("cosine", cosine[:, None]), at),
        graph.op("Gather", graph.constant("sine", sine[:, None]), at),
    )
    stack = Stack(graph, weights, "predictor", narrow, known + wanted)
    x = stack.normed(stack.blocks(x, rotation))
    predicted = graph.op("Slice", x, graph.shape(known), graph.shape(known + wanted), graph.shape(1))
    linear(graph, predicted, "predictor.proj", *_pair(weights, "predictor.proj"), out="tokens")
    graph.finish(
        {
            "context": (TensorProto.FLOAT, (1, known, of.encoder.width)),
            "context_at": (TensorProto.INT64, (known,)),
            "target_at": (TensorProto.INT64, (wanted,)),
        },
        {"tokens": (1, wanted, of.encoder.width)},
        facts,
    )
    return graph


def write_acting_predictor(
    folder: Path,
    weights: TensorSource,
    of: Architecture,
    frames: int,
    crop: int,
    batch: int,
    facts: Mapping[str, str],
    stored: Stored = "fp32",
) -> GraphWriter:
    """``predictor_ac``: what follows T encoded frames under the action taken at each, for B sequences.

    Tokens (B, T * N, D), each frame encoded by itself, states and actions (B, T, A) -> tokens (B, T * N, D)
    of the frames one later. V-JEPA 2-AC (Assran et al., 2025, section 3): within a frame every token sees
    every other, the action's and the state's among them, and those of earlier frames.
    """
    assert of.predictor is not None and of.actions, "asked for only where there is one"
    graph = GraphWriter(folder, "predictor_ac", stored)
    _, rows, columns = of.grid(of.tubelet, crop)
    place, wide, narrow = rows * columns, of.encoder.width, of.predictor
    tokens = linear(graph, "tokens", "predictor.embed", *_pair(weights, "predictor.embed"))
    seen = graph.op("Reshape", tokens, graph.shape(batch, frames, place, narrow.width))
    conditions = [
        graph.op(
            "Reshape",
            linear(graph, f"{name}s", f"predictor.{name}", *_pair(weights, f"predictor.{name}")),
            graph.shape(batch, frames, 1, narrow.width),
        )
        for name in ("action", "state")
    ]
    each = len(conditions) + place
    x = graph.op("Concat", *conditions, seen, axis=2)
    x = graph.op("Reshape", x, graph.shape(batch, frames * each, narrow.width))
    cosine, sine = tables(acted_positions(frames, rows, columns, len(conditions)), narrow.head_width)
    rotation = Rotation(graph.constant("cosine", cosine[:, None]), graph.constant("sine", sine[:, None]))
    stack = Stack(graph, weights, "predictor", narrow, frames * each, batch, frames)
    x = stack.normed(stack.blocks(x, rotation))
    x = graph.op("Reshape", x, graph.shape(batch, frames, each, narrow.width))
    x = graph.op("Slice", x, graph.shape(len(conditions)), graph.shape(each), graph.shape(2))
    x = graph.op("Reshape", x, graph.shape(batch, frames * place, narrow.width))
    linear(graph, x, "predictor.proj", *_pair(weights, "predictor.proj"), out="next")
    acted = (TensorProto.FLOAT, (batch, frames, of.actions))
    graph.finish(
        {"tokens": (TensorProto.FLOAT, (batch, frames * place, wide)), "actions": acted, "states": acted},
        {"next": (batch, frames * place, wide)},
        facts,
    )
    return graph


def write_probe(
    folder: Path,
    weights: TensorSource,
    of: Architecture,
    grid: tuple[int, int, int],
    facts: Mapping[str, str],
    stored: Stored = "fp32",
) -> GraphWriter:
    """``probe``: a clip's tokens (1, N, D) to how much each of its labels fits (1, L), by attentive pooling.

    One learned query gathers what the tokens hold (Assran et al., 2025, section 4).
    """
    probe = of.probe
    assert probe is not None, "asked for only where there is one"
    graph = GraphWriter(folder, "probe", stored)
    tokens, width = int(np.prod(grid)), of.encoder.width
    stack = Stack(graph, weights, "probe", probe.stack, tokens, epsilon=probe.epsilon)
    x = stack.blocks("last_hidden_state", None)
    query = graph.constant("query", weights.read("probe.query").reshape(1, 1, width))
    pooled = graph.op("Reshape", stack.asked(query, x, "probe.cross"), graph.shape(1, width))
    linear(graph, pooled, "probe.head", *_pair(weights, "probe.head"), out="logits")
    graph.finish(
        {"last_hidden_state": (TensorProto.FLOAT, (1, tokens, width))}, {"logits": (1, probe.labels)}, facts
    )
    return graph


def _pair(weights: TensorSource, name: str) -> tuple[FloatArray, FloatArray]:
    return weights.read(f"{name}.weight"), weights.read(f"{name}.bias")
