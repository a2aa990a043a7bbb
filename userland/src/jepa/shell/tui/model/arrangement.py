# SPDX-License-Identifier: Apache-2.0
"""What of the screen goes where, and what is left out on a small one: answers come first."""

from dataclasses import dataclass
from typing import Final

WIDE: Final = 116
"""From so many columns on the strips stand beside the transcript, which needs 70 of its own for tables."""
TWO_ACROSS: Final = 64
"""From so many columns on a narrow screen has two strips side by side."""
AROUND: Final = 3
"""Rows of header, prompt and keys."""
STRIP_ROWS: Final = 5
"""Of a strip on a wide screen, at least: its title and four of picture."""
LOW_STRIP_ROWS: Final = 3
AXIS_ROWS: Final = 2
STRIPS_FROM: Final = 9
"""Rows of a screen that has strips."""
RUNS_FROM: Final = 11
"""Rows that the transcript and the table of what runs share at least; with fewer there is no table."""
HEAT_FROM: Final = 28
"""Rows of a screen that has histograms."""
MOST: Final = 7
"""Strips."""


@dataclass(frozen=True, slots=True)
class Arrangement:
    """How the screen is divided."""

    wide: bool
    strips: int
    """How many; 0 where there is no room."""
    strip_rows: int
    """What all of them take, with their axis."""
    across: int
    tasks: int
    """Rows of what stands changed."""
    runs: bool
    heat: bool


def arrange(width: int, height: int, standing: int) -> Arrangement:
    """Divide ``width`` by ``height`` characters; ``standing`` rows tell what stands changed."""
    body = max(height - AROUND, 0)
    if width >= WIDE:
        tasks = min(standing, max(body // 3, 1)) if height >= STRIPS_FROM else 0
        rows = body - tasks - 1
        strips = min((rows - AXIS_ROWS) // STRIP_ROWS, MOST) if height >= STRIPS_FROM else 0
        return Arrangement(True, max(strips, 0), rows, 1, tasks, body >= RUNS_FROM, height >= HEAT_FROM)
    across = 2 if width >= TWO_ACROSS else 1
    deep = max((body // 3 - 1) // LOW_STRIP_ROWS, 1) if height >= STRIPS_FROM else 0
    rows = deep * LOW_STRIP_ROWS + 1 if deep else 0
    tasks = min(standing, max(body // 5, 1)) if body - rows >= 8 else 0
    left = body - rows - tasks
    return Arrangement(
        False,
        min(deep * across, MOST),
        rows,
        across,
        tasks,
        left >= RUNS_FROM,
        height >= HEAT_FROM and width >= TWO_ACROSS,
    )
