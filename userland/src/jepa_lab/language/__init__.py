# SPDX-License-Identifier: Apache-2.0
"""Trains what the language pack is made of, and writes its encoder as an ONNX graph."""
