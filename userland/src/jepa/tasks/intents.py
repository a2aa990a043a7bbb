# SPDX-License-Identifier: Apache-2.0
"""Kinds of task specs, for those that need no spec itself: its model takes long to import."""

from typing import Final

ASKED: Final = ("watch", "power")
"""Intents that say themselves what is to be done: no effect is imagined, and no model needed."""
PLANNED: Final = ("prioritize", "limit", "reclaim", "goal_reach", *ASKED)
"""Intents for which plans are made."""
