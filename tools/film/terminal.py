# SPDX-License-Identifier: Apache-2.0
"""A terminal that shows what it is sent, as pyte emulates it, and is no stricter than those of people."""

from __future__ import annotations

import pyte


class Terminal(pyte.Screen):
    """One that ignores parameters more than a sequence takes, where pyte 0.8.2 raises TypeError.

    ECMA-48 leaves open what then happens; xterm ignores them.
    """

    def cursor_position(self, line: int | None = None, column: int | None = None, *_more: int) -> None:
        """Go to ``line`` and ``column``, from one on."""
        super().cursor_position(line, column)
