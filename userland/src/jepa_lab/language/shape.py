# SPDX-License-Identifier: Apache-2.0
"""The sizes of MiniLM-L6, which of its linear maps are changed, and what the heads tell apart."""

from typing import Final

LAYERS: Final = 6
ADAPTED: Final = (0, 1, 2, 3, 4, 5)
"""The layers that are changed: all, for other kinds of English differ in their words as well."""
WIDTH: Final = 384
HEADS: Final = 12
EPSILON: Final = 1e-12
LINEARS: Final = (
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "intermediate.dense",
    "output.dense",
)
"""The linear maps of one layer, as the checkpoint calls them."""

RESOURCES: Final = ("none", "cpu", "memory", "disk", "io", "network", "power", "temperature", "gpu")
TAGS: Final = ("none", "target", "protect", "goal")
"""What one word of a gist is: part of no name, of what is meant, of what is to be left alone, of a goal."""
NEGATED: Final = "negated"
TWO: Final = "two"
REFUSED: Final = ("none", NEGATED, TWO)
"""What the intents hold beside those of a task spec; none of these is anything to do."""


def key(layer: int, linear: str) -> str:
    """What the change of one linear map is called."""
    return f"{layer}_{linear.replace('.', '_')}"
