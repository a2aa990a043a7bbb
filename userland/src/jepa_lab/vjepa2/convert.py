# SPDX-License-Identifier: Apache-2.0
"""Builds a vision pack from a checkpoint: graphs, manifest and card."""

import datetime
import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jepa.errors import JepaError
from jepa.packs.vision import Clip, Converted, LargeGraph, Stored, Tokens, VisionManifest
from jepa_lab.files import write_manifest
from jepa_lab.vjepa2.architecture import expected
from jepa_lab.vjepa2.checkpoint import Checkpoint
from jepa_lab.vjepa2.graph import OPSET, GraphWriter
from jepa_lab.vjepa2.graphs import write_acting_predictor, write_encoder, write_predictor, write_probe
from jepa_lab.vjepa2.place import must_be_free
from jepa_lab.vjepa2.stored import BYTES

_SIZES = {768: "vitb", 1024: "vitl", 1280: "vith", 1408: "vitg", 1664: "vitgg"}
_USUAL_CROP = 256
_USUAL_FRAMES = 16
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's colours, which the public models were trained with."""
_CROPPED = 256 / 224
"""A frame's shorter side over the crop, likewise."""
_SPARE = 64 << 20
_OLDER, _NEWER = "V-JEPA 2 (Assran et al., 2025)", "The encoder of V-JEPA 2.1 (Meta, 2026)"
_ALIKE: dict[Stored, float] = {"fp32": 0.9999, "fp16": 0.9999, "int8": 0.999}
"""What the tests ask of every token, by how weights are kept."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which fixed shapes the graphs are to have."""

    frames: int | None = None
    """Of a clip; None for 16, or for a tubelet where actions are given: each moment is encoded alone."""
    crop: int | None = None
    """Pixels each way; what the checkpoint says when None, else 256."""
    ahead: int = 2
    """Steps of time after the clip that the predictor of masked tokens predicts."""
    candidates: int = 8
    """Action sequences imagined at once."""
    horizon: int = 1
    """Actions in a row."""
    weights: Stored = "fp32"


def convert(
    checkpoint: Checkpoint, wanted: Wanted, out: Path, say: Callable[[str], object]
) -> VisionManifest:
    """Write the pack to ``out``, which appears only once it is whole; ``say`` is called with each step.

    JepaError when the disk is too small, the shapes do not divide, or ``out`` is there already.
    """
    must_be_free(out)
    of = checkpoint.architecture
    crop = wanted.crop or checkpoint.crop or _USUAL_CROP
    usual = of.tubelet if of.actions else _USUAL_FRAMES
    frames = usual if wanted.frames is None else wanted.frames
    grid = of.grid(frames, crop)
    parameters = sum(int(np.prod(shape)) for shape in expected(of, checkpoint.mask_tokens).values())
    out.parent.mkdir(parents=True, exist_ok=True)
    _refuse_if_full(out.parent, int(BYTES[wanted.weights] * parameters))
    size = _SIZES.get(of.encoder.width, f"vit{of.encoder.width}")
    name = f"vjepa2-{'1-' if of.newer else ''}{'ac-' if of.actions else ''}{size}-{frames}f-{crop}"
    name += "" if wanted.weights == "fp32" else f"-{wanted.weights}"
    part = out.with_name(f"{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    facts = {"jepa.pack": f"{name} 0.1.0", "jepa.source": checkpoint.path.name}
    say(f"encoder: {of.encoder.depth} blocks")
    if of.newer:
        say("V-JEPA 2.1: its predictor is another model, and is left out")
    graphs = [write_encoder(part, checkpoint, of, frames, crop, facts, wanted.weights)]
    ahead = candidates = 0
    if of.predictor is not None:
        say(f"predictor: {of.predictor.depth} blocks")
        if of.actions:
            candidates = wanted.candidates
            graphs.append(
                write_acting_predictor(
                    part, checkpoint, of, wanted.horizon, crop, candidates, facts, wanted.weights
                )
            )
        else:
            ahead, place = wanted.ahead, grid[1] * grid[2]
            further = (grid[0] + ahead, *grid[1:])
            graphs.append(
                write_predictor(
                    part, checkpoint, of, (grid[0] * place, ahead * place), further, facts, wanted.weights
                )
            )
    if of.probe is not None:
        say(f"probe: {of.probe.labels} labels")
        graphs.append(write_probe(part, checkpoint, of, grid, facts, wanted.weights))
    say("hashes")
    manifest = VisionManifest(
        name=name,
        version="0.1.0",
        kind="vision",
        licence="that of the checkpoint; see CARD.md",
        card="CARD.md",
        clip=Clip(
            frames=frames,
            channels=of.channels,
            resize=int(crop * _CROPPED),
            crop=crop,
            mean=_MEAN,
            std=_STD,
        ),
        tokens=Tokens(time=grid[0], rows=grid[1], columns=grid[2], width=of.encoder.width),
        weights=wanted.weights,
        ahead=ahead,
        candidates=candidates,
        horizon=wanted.horizon,
        actions=of.actions,
        labels=checkpoint.labels
        or tuple(f"label {number}" for number in range(of.probe.labels if of.probe else 0)),
        provenance=Converted(
            source=checkpoint.path.name,
            layout=checkpoint.layout,
            converted=datetime.datetime.now(datetime.UTC).date().isoformat(),
            parameters=parameters,
        ),
        graphs={graph.name: _described(graph) for graph in graphs},
    )
    write_manifest(part, manifest, "jepa packs build vjepa2")
    (part / "CARD.md").write_text(_card(manifest, of.newer), encoding="utf-8")
    part.rename(out)
    return manifest


def _refuse_if_full(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed + _SPARE:
        raise JepaError(
            f"The pack needs {needed >> 20} MiB, and {folder} has {free >> 20} MiB free.",
            "Choose another --out.",
        )


def _described(graph: GraphWriter) -> LargeGraph:
    with graph.data.open("rb") as data:
        digest = hashlib.file_digest(data, "sha256").hexdigest()
    return LargeGraph(
        file=graph.path.name,
        sha256=hashlib.sha256(graph.path.read_bytes()).hexdigest(),
        opset=OPSET,
        data=graph.data.name,
        data_sha256=digest,
    )


def _card(manifest: VisionManifest, newer: bool) -> str:
    clip, tokens, made = manifest.clip, manifest.tokens, manifest.provenance
    took = f"A clip of {clip.frames} frames, resized to {clip.resize} pixels and cropped to {clip.crop}"
    return f"""# {manifest.name}: card

{_NEWER if newer else _OLDER}, as static ONNX graphs, converted from
`{made.source}` ({made.layout} layout) on {made.converted}.
{made.parameters:,} parameters, those of the blocks in {manifest.weights}. Their licence is that of the file
they come from: look there.

{took}, becomes {tokens.time} x {tokens.rows} x {tokens.columns} tokens {tokens.width} wide.
Time beyond that which the weights were trained on is extrapolated by its rotation alone.

Nothing was measured on this pack: what its graphs are checked against are small models with random weights,
in the tests of the project that converts it: cosine of every token at least {_ALIKE[manifest.weights]} with
transformers, or with plain models of what that lacks. Those were held once against the authors' code: 3e-6
apart at most with actions, the probe not at all, and 1e-5 the encoder of V-JEPA 2.1. What the model is good
at, and how it fails, its authors say.
"""
