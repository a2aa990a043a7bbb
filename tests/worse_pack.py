# SPDX-License-Identifier: Apache-2.0
"""Makes a machine pack worse on purpose, in a way that it can still be used."""

import hashlib
import re
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper


def disturb(pack: Path, noise: float) -> None:
    """Add noise to the weights that forecast in the directory ``pack``, in units of their own deviations."""
    graph = pack / "decode.onnx"
    model, chance = onnx.load(graph), np.random.default_rng(1)
    for weights in model.graph.initializer:
        values = numpy_helper.to_array(weights)
        if values.dtype == np.float32 and values.ndim > 1:
            off = values + chance.normal(0, noise * values.std(), values.shape)
            weights.CopyFrom(numpy_helper.from_array(off.astype(np.float32), weights.name))
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
