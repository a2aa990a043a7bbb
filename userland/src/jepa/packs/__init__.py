# SPDX-License-Identifier: Apache-2.0
"""Packs: a model with its manifest, weights, card and results, verified before use."""
