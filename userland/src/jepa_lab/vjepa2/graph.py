# SPDX-License-Identifier: Apache-2.0
"""Writes ONNX graphs node by node, weights straight into a file beside them.

torch's exporter holds a model several times over; here no more than one tensor is in memory at once.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper

from jepa.packs.vision import Stored
from jepa_lab.vjepa2.positions import FloatArray

OPSET = 20
CONTRIB = "com.microsoft"
"""ONNX Runtime's own operators: its attention keeps no score of every pair of tokens."""
_ALIGN = 4096
_INLINE = 1024


class GraphWriter:
    """One graph being written: NAME.onnx and, beside it, NAME.onnx.data."""

    def __init__(self, folder: Path, name: str, stored: Stored = "fp32") -> None:
        self.name, self.stored = name, stored
        self.path = folder / f"{name}.onnx"
        self.data = folder / f"{name}.onnx.data"
        self._file: BinaryIO = self.data.open("wb")
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._unfolded: list[onnx.ValueInfoProto] = []

    def constant(self, name: str, array: npt.NDArray[Any], *, folded: bool = True) -> str:
        """A weight or a table, kept as it is; large ones go to the data file at once.

        What hangs on one that is not ``folded`` is computed anew in each run, not once when it is loaded.
        """
        if name in self._constants:
            return name
        array = np.ascontiguousarray(array)
        if array.nbytes <= _INLINE:
            tensor = onnx.numpy_helper.from_array(array, name)
        else:
            self._file.write(bytes(-self._file.tell() % _ALIGN))
            tensor = TensorProto(
                name=name,
                dims=array.shape,
                data_type=helper.np_dtype_to_tensor_dtype(array.dtype),
                data_location=TensorProto.EXTERNAL,
            )
            place = {"location": self.data.name, "offset": self._file.tell(), "length": array.nbytes}
            for key, value in place.items():
                tensor.external_data.add(key=key, value=str(value))
            self._file.write(array.data)
        self._constants[name] = tensor
        if not folded:
            # An input with a value of its own is none that the runtime takes for constant.
            self._unfolded.append(helper.make_tensor_value_info(name, tensor.data_type, array.shape))
        return name

    def shape(self, *sizes: int) -> str:
        """A constant shape, to reshape to."""
        return self.constant("shape_" + "_".join(str(size) for size in sizes), np.array(sizes, np.int64))

    def op(
        self, kind: str, *inputs: str, out: str | None = None, domain: str = "", **attributes: Any
    ) -> str:
        """Add a node of one output, and answer that output's name."""
        name = out or f"{kind}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [name], name=name, domain=domain, **attributes))
        return name

    def finish(
        self,
        inputs: Mapping[str, tuple[int, Sequence[int | str]]],
        outputs: Mapping[str, Sequence[int | str]],
        facts: Mapping[str, str],
    ) -> None:
        """Close the files. ``inputs`` by name: element type and shape; outputs are floats.

        A size that is a word is any, and the same wherever that word stands.
        """
        self._file.close()
        graph = helper.make_graph(
            self._nodes,
            self.name,
            [
                *(
                    helper.make_tensor_value_info(name, kind, shape)
                    for name, (kind, shape) in inputs.items()
                ),
                *self._unfolded,
            ],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
                for name, shape in outputs.items()
            ],
            list(self._constants.values()),
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIB, 1)],
            ir_version=10,
            producer_name="jepa",
        )
        helper.set_model_props(model, dict(facts))
        self.path.write_bytes(model.SerializeToString(deterministic=True))


def linear(
    graph: GraphWriter, x: str, name: str, weight: FloatArray, bias: FloatArray, out: str | None = None
) -> str:
    """x (..., I) times ``weight`` (O, I) plus ``bias`` (O,)."""
    product = graph.op("MatMul", x, graph.constant(f"{name}.weight", weight.T))
    return graph.op("Add", product, graph.constant(f"{name}.bias", bias), out=out)


def layer_norm(
    graph: GraphWriter, x: str, name: str, weight: FloatArray, bias: FloatArray, epsilon: float
) -> str:
    """Layer norm over the last axis."""
    scale, shift = graph.constant(f"{name}.weight", weight), graph.constant(f"{name}.bias", bias)
    return graph.op("LayerNormalization", x, scale, shift, axis=-1, epsilon=epsilon)
