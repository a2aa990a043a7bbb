# SPDX-License-Identifier: Apache-2.0
"""Makes a machine pack worse on purpose, in a way that it can still be used."""

import hashlib
import re
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper


def disturb(pack: Path, noise: float) -> None:
    """Add noise to the weights that forecast in the directory ``pack``, in units of their own deviations."""
    graph = pack / "decode.onnx"
    model, chance = onnx.load(graph), np.random.default_rng(1)
    for weights in model.graph.initializer:
        values = numpy_helper.to_array(weights)
        if values.dtype == np.float32 and values.ndim > 1:
            off = values + chance.normal(0, noise * values.std(), values.shape)
            weights.CopyFrom(numpy_helper.from_array(off.astype(np.float32), weights.name))
    _put(pack, model)


def break_off(pack: Path) -> None:
    """Let the pack in the directory ``pack`` fail from its second coarse frame on, as by a table too short.

    When it is put in use it is shown fewer frames and passes its check; a quarter of a minute later
    it forecasts no more.
    """
    model = onnx.load(pack / "decode.onnx")
    (first, *_) = model.graph.output
    for node in model.graph.node:
        for place, name in enumerate(node.output):
            if name == first.name:
                node.output[place] = "unshifted"
    for name, content in (("coarse_place", np.array(1)), ("short_table", np.zeros(1, np.float32))):
        model.graph.initializer.append(numpy_helper.from_array(content, name))
    model.graph.node.extend(
        [
            helper.make_node("Gather", ["count", "coarse_place"], ["coarse_count"]),
            helper.make_node("Cast", ["coarse_count"], ["place"], to=onnx.TensorProto.INT64),
            helper.make_node("Gather", ["short_table", "place"], ["shift"]),
            helper.make_node("Add", ["unshifted", "shift"], [first.name]),
        ]
    )
    _put(pack, model)


def _put(pack: Path, model: onnx.ModelProto) -> None:
    """Have ``model`` as the graph that forecasts, as the manifest says it."""
    graph = pack / "decode.onnx"
    onnx.save(model, graph)
    digest = hashlib.sha256(graph.read_bytes()).hexdigest()
    manifest = pack / "pack.toml"
    text, count = re.subn(
        r'(\[graphs\.decode\]\nfile = "decode\.onnx"\nsha256 = )".*"',
        rf'\1"{digest}"',
        manifest.read_text(),
        count=1,
    )
    assert count == 1
    manifest.write_text(text)
