# SPDX-License-Identifier: Apache-2.0
"""The text of an answer with the colours of `jepa.shell.output` as lines whose parts have roles."""

import re
from typing import Final

from jepa.shell.tui.model.line import Line, Role, Span, line

_CODE: Final = re.compile(r"\x1b\[(0|2|31|32|33)m")
_ROLES: Final[dict[str, Role]] = {"0": "text", "2": "muted", "31": "bad", "32": "good", "33": "warn"}


def answer_lines(text: str) -> list[Line]:
    """The lines of ``text``; whatever else is a control character in it is shown escaped."""
    made = []
    role: Role = "text"
    for row in text.rstrip().split("\n"):
        parts: list[Span] = []
        pieces = _CODE.split(row)
        # split() gives text and codes in turn.
        for place, piece in enumerate(pieces):
            if place % 2:
                role = _ROLES[piece]
            else:
                parts.append(Span(piece, role))
        made.append(line(*parts))
    return made
