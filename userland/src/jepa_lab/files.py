# SPDX-License-Identifier: Apache-2.0
"""Writes the files of a pack: ONNX graphs that reveal nothing of this machine, and a manifest as TOML."""

import json
import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import onnx
import torch
from pydantic import BaseModel
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_linear_bn_eval

OPSET = 18


class Normed(Protocol):
    """An encoder that ends in a linear layer and a batch norm without weights of its own."""

    out: nn.Linear
    norm: nn.Module


def fold_norm(encoder: Normed) -> None:
    """Make the batch norm part of the layer before it, in place; for a trained encoder."""
    norm = nn.BatchNorm1d(encoder.out.out_features).eval()  # with the identity as its affine part
    norm.load_state_dict(encoder.norm.state_dict(), strict=False)
    encoder.out = fuse_linear_bn_eval(encoder.out, norm)
    encoder.norm = nn.Identity()


def write_graph(
    path: Path,
    module: nn.Module,
    inputs: Mapping[str, Tensor],
    outputs: tuple[str, ...],
    facts: Mapping[str, str],
) -> Path:
    """Write ``module``, static shapes those of ``inputs``, ``facts`` in its metadata; answers ``path``."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module.eval(),
            tuple(inputs.values()),
            dynamo=True,
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=list(outputs),
            optimize=True,
            verbose=False,
        )
    assert program is not None
    proto = program.model_proto
    graph = proto.graph
    for node in graph.node:  # where each node came from is of no use at run time, and names this machine
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*graph.value_info, *graph.input, *graph.output, *graph.initializer):
        del value.metadata_props[:]
    del graph.metadata_props[:]
    onnx.helper.set_model_props(proto, dict(facts))
    onnx.checker.check_model(proto, full_check=True)
    path.write_bytes(proto.SerializeToString(deterministic=True))
    return path


def write_manifest(folder: Path, manifest: BaseModel, written_by: str) -> None:
    """pack.toml of ``folder``; JSON's scalars and arrays are TOML's too."""
    content: dict[str, Any] = manifest.model_dump(mode="json", exclude_none=True)
    graphs = content.pop("graphs")
    tables = {key: value for key, value in content.items() if isinstance(value, dict)}
    tables |= {f"graphs.{name}": graph for name, graph in graphs.items()}
    inner = {
        f"{name}.{key}": value
        for name, table in tables.items()
        for key, value in table.items()
        if isinstance(value, dict)
    }
    lines = ["# SPDX-License-Identifier: Apache-2.0", f"# Written by `{written_by}`.", ""]
    lines += [f"{key} = {json.dumps(value)}" for key, value in content.items() if key not in tables]
    for name, table in (tables | inner).items():
        own = {key: value for key, value in table.items() if f"{name}.{key}" not in inner}
        lines += ["", f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in own.items())]
    (folder / "pack.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
