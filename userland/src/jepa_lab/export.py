# SPDX-License-Identifier: Apache-2.0
"""Exports a machine model as static ONNX graphs: three for each tick, and one that imagines."""

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from jepa.telemetry.schema import Schema
from jepa.world.controls import RECENT_S
from jepa_lab.files import fold_norm, write_graph
from jepa_lab.model.encoder import Encoder
from jepa_lab.model.world import MachineModel


class _Encode(nn.Module):
    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = copy.deepcopy(encoder)
        fold_norm(self.encoder)

    def forward(self, frame: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        latent: Tensor = self.encoder(frame, valid)
        return latent, self.encoder.novelty(frame, valid, latent)


class _Advance(nn.Module):
    def __init__(self, model: MachineModel) -> None:
        super().__init__()
        self.predictor, self.key = model.predictor, model.recall.key

    def forward(
        self, latent: Tensor, control: Tensor, caches: Tensor, coarse: Tensor, count: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        context, kept = self.predictor.step(latent, control, caches, coarse, count)
        return context, self.predictor.next_latent(latent, context), self.key(context), kept


class _Decode(nn.Module):
    def __init__(self, model: MachineModel) -> None:
        super().__init__()
        self.recall, self.decoder = model.recall, model.decoder

    def forward(
        self,
        context: Tensor,
        control: Tensor,
        recent: Tensor,
        stats: Tensor,
        keys: Tensor,
        outcomes: Tensor,
        followed: Tensor,
        count: Tensor,
    ) -> tuple[Tensor, Tensor]:
        recalled, changed = self.recall.step(context, keys, outcomes, followed, stats, count)
        quantiles, event_logits = self.decoder(context, control, recent, stats, recalled, changed)
        return quantiles[0], torch.sigmoid(event_logits[0])


class _Imagine(nn.Module):
    """What would follow under each of many action sequences, a second at a time, and in windows.

    The windows are those of settings that stay as they are in a sequence's first second.
    """

    def __init__(self, model: MachineModel) -> None:
        super().__init__()
        self.predictor, self.recall, self.decoder = model.predictor, model.recall, model.decoder

    def forward(
        self,
        latent: Tensor,
        controls: Tensor,
        caches: Tensor,
        coarse: Tensor,
        recent: Tensor,
        stats: Tensor,
        keys: Tensor,
        outcomes: Tensor,
        followed: Tensor,
        count: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        contexts, latents = self.predictor.imagine(latent, controls, caches, coarse, count)
        context = contexts[:, 0]
        recalled, changed = self.recall.step(context, keys, outcomes, followed, stats, count)
        situation = self.decoder.effect.situation(stats)
        decoded = self.decoder.decode(
            context, controls[:, 0], recent, stats, recalled, changed, situation=situation
        )
        return latents, decoded.median.clamp(0, 1), torch.sigmoid(decoded.event_logits)


@dataclass(frozen=True, slots=True)
class _Graph:
    module: nn.Module
    inputs: dict[str, Tensor]
    outputs: tuple[str, ...]


def _graphs(model: MachineModel) -> dict[str, _Graph]:
    size = model.config
    channels, width, window, horizons = size.channels, size.width, size.window, len(size.horizons_s)
    caches = torch.zeros(size.layers, 2, size.heads, window, width // size.heads)
    coarse = torch.zeros(size.layers, 2, size.heads, size.coarse, width // size.heads)
    count = torch.ones(2)
    remembered = {
        "recent": torch.zeros(1, len(RECENT_S), size.controls),
        "stats": torch.zeros(1, channels, len(size.windows_s), 2),
        "keys": torch.zeros(window + size.coarse, size.recall_heads * size.recall_width),
        "outcomes": torch.zeros(horizons, window, 4, channels),
        "followed": torch.zeros(horizons, size.coarse, 4, channels),
        "count": count,
    }
    control = torch.zeros(1, size.controls)
    decode = {"context": torch.zeros(1, width), "control": control, **remembered}
    sequences = torch.zeros(size.candidates, size.imagined, size.controls)
    before = {"caches": caches, "coarse": coarse}
    imagine = {"latent": torch.zeros(1, width), "controls": sequences, **before, **remembered}
    frame = {"frame": torch.zeros(1, channels), "valid": torch.zeros(1, channels)}
    advance = {"latent": torch.zeros(1, width), "control": control, **before, "count": count}
    return {
        "encode": _Graph(_Encode(model.encoder), frame, ("latent", "novelty")),
        "advance": _Graph(_Advance(model), advance, ("context", "next_latent", "key", "caches_out")),
        "decode": _Graph(_Decode(model), decode, ("quantiles", "event_probability")),
        "imagine": _Graph(_Imagine(model), imagine, ("latents", "medians", "event_probability")),
    }


def graph_modules(model: MachineModel) -> dict[str, tuple[nn.Module, tuple[Tensor, ...]]]:
    """The graphs as modules, each with inputs of the right shapes."""
    graphs = _graphs(copy.deepcopy(model).eval())
    return {name: (graph.module.eval(), tuple(graph.inputs.values())) for name, graph in graphs.items()}


def export(model: MachineModel, schema: Schema, out: Path, facts: Mapping[str, str]) -> dict[str, Path]:
    """Write the graphs into ``out``, ``facts`` in their metadata; answers their paths."""
    model = copy.deepcopy(model).eval()
    out.mkdir(parents=True, exist_ok=True)
    return {
        name: write_graph(
            out / f"{name}.onnx",
            graph.module,
            graph.inputs,
            graph.outputs,
            {**facts, **_metadata(model, schema, name)},
        )
        for name, graph in _graphs(model).items()
    }


def _metadata(model: MachineModel, schema: Schema, name: str) -> dict[str, str]:
    size = model.config
    return {
        "jepa.graph": name,
        "jepa.schema_version": str(schema.version),
        "jepa.schema_digest": schema.digest,
        "jepa.window": str(size.window),
        "jepa.coarse": f"{size.coarse} x {size.coarse_s} s",
        "jepa.width": str(size.width),
        "jepa.horizons_s": json.dumps(size.horizons_s),
        "jepa.quantiles": json.dumps(size.quantiles),
        "jepa.licence": "Apache-2.0",
    }
