# SPDX-License-Identifier: Apache-2.0
"""Converts V-JEPA 2 checkpoints into packs of static ONNX graphs."""
