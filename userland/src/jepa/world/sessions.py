# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime sessions that keep to their threads, and never spin."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from jepa.errors import JepaError

if TYPE_CHECKING:
    import onnxruntime


def open_session(graph: bytes | Path, title: str, threads: int = 1) -> "onnxruntime.InferenceSession":
    """A session on ``threads`` cores; JepaError when the graph cannot be run.

    A graph whose weights lie beside it is given as its path.
    """
    # Read when the library loads: else it makes a device identifier and reports use to its maker's servers.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no base class of their own
        reason = str(error).splitlines()[0]
        raise JepaError(f"The graph {title} cannot be run: {reason}.", "Install the pack again.") from error
