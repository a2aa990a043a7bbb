# SPDX-License-Identifier: Apache-2.0
"""Tasks: the typed meaning of one sentence."""
