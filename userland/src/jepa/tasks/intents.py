# SPDX-License-Identifier: Apache-2.0
"""Kinds of task specs, for those that need no spec itself: its model takes long to import."""

from typing import Final

PLANNED: Final = ("prioritize", "limit", "reclaim", "goal_reach")
"""Intents for which plans are made."""
