# SPDX-License-Identifier: Apache-2.0
"""Exports a machine model as three static ONNX graphs, one call of each a tick, with metadata inside."""

import copy
import json
import logging
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_linear_bn_eval

from jepa.telemetry.schema import Schema
from jepa_lab.model.encoder import Encoder
from jepa_lab.model.world import MachineModel

OPSET = 18


class _Encode(nn.Module):
    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = copy.deepcopy(encoder)
        norm = nn.BatchNorm1d(self.encoder.out.out_features).eval()  # with the identity as its affine part
        norm.load_state_dict(self.encoder.norm.state_dict(), strict=False)
        self.encoder.out = fuse_linear_bn_eval(self.encoder.out, norm)
        self.encoder.norm = nn.Identity()

    def forward(self, frame: Tensor, valid: Tensor) -> Tensor:
        latent: Tensor = self.encoder(frame, valid)
        return latent


class _Advance(nn.Module):
    def __init__(self, model: MachineModel) -> None:
        super().__init__()
        self.predictor, self.key = model.predictor, model.recall.key

    def forward(
        self, latent: Tensor, caches: Tensor, count: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        context, kept = self.predictor.step(latent, caches, count)
        return context, self.predictor.next_latent(latent, context), self.key(context), kept


class _Decode(nn.Module):
    def __init__(self, model: MachineModel) -> None:
        super().__init__()
        self.recall, self.decoder = model.recall, model.decoder

    def forward(
        self, context: Tensor, stats: Tensor, keys: Tensor, outcomes: Tensor, count: Tensor
    ) -> Tensor:
        recalled, changed = self.recall.step(context, keys, outcomes, stats, count)
        quantiles: Tensor = self.decoder(context, stats, recalled, changed)
        return quantiles[0]


@dataclass(frozen=True, slots=True)
class _Graph:
    module: nn.Module
    inputs: dict[str, Tensor]
    outputs: tuple[str, ...]


def _graphs(model: MachineModel) -> dict[str, _Graph]:
    size = model.config
    channels, width, window, horizons = size.channels, size.width, size.window, len(size.horizons_s)
    caches = torch.zeros(size.layers, 2, size.heads, window, width // size.heads)
    count = torch.ones(1)
    decode = {
        "context": torch.zeros(1, width),
        "stats": torch.zeros(1, channels, horizons, 2),
        "keys": torch.zeros(window, size.recall_heads * size.recall_width),
        "outcomes": torch.zeros(horizons, window, 4, channels),
        "count": count,
    }
    frame = {"frame": torch.zeros(1, channels), "valid": torch.zeros(1, channels)}
    advance = {"latent": torch.zeros(1, width), "caches": caches, "count": count}
    return {
        "encode": _Graph(_Encode(model.encoder), frame, ("latent",)),
        "advance": _Graph(_Advance(model), advance, ("context", "next_latent", "key", "caches_out")),
        "decode": _Graph(_Decode(model), decode, ("quantiles",)),
    }


def graph_modules(model: MachineModel) -> list[tuple[nn.Module, tuple[Tensor, ...]]]:
    """The three graphs as modules, each with inputs of the right shapes."""
    graphs = _graphs(copy.deepcopy(model).eval()).values()
    return [(graph.module.eval(), tuple(graph.inputs.values())) for graph in graphs]


def export(model: MachineModel, schema: Schema, out: Path, facts: Mapping[str, str]) -> dict[str, Path]:
    """Write encode.onnx, advance.onnx and decode.onnx into ``out``; ``facts`` go into their metadata."""
    model = copy.deepcopy(model).eval()
    out.mkdir(parents=True, exist_ok=True)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    paths = {}
    for name, graph in _graphs(model).items():
        path = out / f"{name}.onnx"
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                graph.module.eval(),
                tuple(graph.inputs.values()),
                dynamo=True,
                opset_version=OPSET,
                input_names=list(graph.inputs),
                output_names=list(graph.outputs),
                optimize=True,
                verbose=False,
            )
        assert program is not None
        proto = program.model_proto
        for (
            node
        ) in proto.graph.node:  # where each node came from is of no use at run time, and names this machine
            del node.metadata_props[:]
            node.doc_string = ""
        for value in (
            *proto.graph.value_info,
            *proto.graph.input,
            *proto.graph.output,
            *proto.graph.initializer,
        ):
            del value.metadata_props[:]
        del proto.graph.metadata_props[:]
        onnx.helper.set_model_props(proto, {**facts, **_metadata(model, schema, name)})
        onnx.checker.check_model(proto, full_check=True)
        path.write_bytes(proto.SerializeToString(deterministic=True))
        paths[name] = path
    return paths


def _metadata(model: MachineModel, schema: Schema, name: str) -> dict[str, str]:
    size = model.config
    return {
        "jepa.graph": name,
        "jepa.schema_version": str(schema.version),
        "jepa.schema_digest": schema.digest,
        "jepa.window": str(size.window),
        "jepa.width": str(size.width),
        "jepa.horizons_s": json.dumps(size.horizons_s),
        "jepa.quantiles": json.dumps(size.quantiles),
        "jepa.licence": "Apache-2.0",
    }
