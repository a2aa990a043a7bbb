# SPDX-License-Identifier: Apache-2.0
"""Trains and judges the small visual world model: pictures, actions, goals that are pictures."""

NAMES = ("two-room", "push-t")
"""The environments it is trained for."""
