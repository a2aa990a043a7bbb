# SPDX-License-Identifier: Apache-2.0
"""How the weights of a transformer's blocks lie on disk and in memory: whole, in halves, or in bytes.

What is not in a block (patches, norms, biases, the output of a predictor) stays float32: it is small, and it
is where rounding shows.
"""

import numpy as np
import numpy.typing as npt

from jepa.packs.vision import Stored
from jepa_lab.vjepa2.graph import CONTRIB, GraphWriter, linear
from jepa_lab.vjepa2.positions import FloatArray

BLOCK = 64
"""Weights of a row that share a scale; the public sizes are all multiples of it."""
_FLOAT = 1
_BYTE_INTEGERS = 4
"""ONNX Runtime's name for products of bytes: activations too are rounded, ``BLOCK`` by ``BLOCK``."""
_MIDDLE = 128

BYTES: dict[Stored, float] = {"fp32": 4.0, "fp16": 2.0, "int8": 1.0 + 4.0 / BLOCK}
"""Of one weight, its share of a scale counted."""


def stored_linear(graph: GraphWriter, x: str, name: str, weight: FloatArray, bias: FloatArray) -> str:
    """x (..., I) times ``weight`` (O, I) plus ``bias`` (O,), the weight kept as ``graph.stored`` says."""
    if graph.stored == "fp16":
        # Made float32 only while it is used: folded once, it would take its whole size again.
        halves = graph.constant(f"{name}.weight", weight.T.astype(np.float16), folded=False)
        product = graph.op("MatMul", x, graph.op("Cast", halves, to=_FLOAT))
    elif graph.stored == "int8" and weight.shape[1] % BLOCK == 0:
        product = _product_of_bytes(graph, x, name, weight)
    else:
        return linear(graph, x, name, weight, bias)
    return graph.op("Add", product, graph.constant(f"{name}.bias", bias))


def _product_of_bytes(graph: GraphWriter, x: str, name: str, weight: FloatArray) -> str:
    rows, columns = weight.shape
    whole, scales = in_bytes(weight)
    return graph.op(
        "MatMulNBits",
        x,
        graph.constant(f"{name}.bytes", whole),
        graph.constant(f"{name}.scales", scales),
        domain=CONTRIB,
        K=columns,
        N=rows,
        bits=8,
        block_size=BLOCK,
        accuracy_level=_BYTE_INTEGERS,
    )


def in_bytes(weight: FloatArray) -> tuple[npt.NDArray[np.uint8], FloatArray]:
    """(O, I) to bytes (O, I / BLOCK, BLOCK) around 128, and the scale of each block (O, I / BLOCK)."""
    blocks = weight.reshape(len(weight), -1, BLOCK)
    scales = np.abs(blocks).max(-1) / 127
    safe = np.where(scales > 0, scales, 1)
    whole = np.rint(blocks / safe[..., None]) + _MIDDLE
    return whole.astype(np.uint8), np.asarray(scales, np.float32)
