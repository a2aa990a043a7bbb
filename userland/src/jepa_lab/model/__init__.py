# SPDX-License-Identifier: Apache-2.0
"""The machine world model in PyTorch: encoder, causal predictor, recall and decoder."""
