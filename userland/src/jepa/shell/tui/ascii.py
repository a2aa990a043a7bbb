# SPDX-License-Identifier: Apache-2.0
"""For a terminal that shows ASCII alone: the last step of drawing, whatever was drawn."""

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

_ALIKE = str.maketrans("…·•│┃▌▎▍▏▐─━▁▔█▀▄←→↑↓", "~.*|||||||--_-###<>^v")


class Ascii(LineFilter):
    """Puts something alike, or a question mark, for each character that such a terminal does not have."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The same segments, as wide as they were."""
        return [
            segment
            if segment.text.isascii()
            else Segment(_ascii(segment.text), segment.style, segment.control)
            for segment in segments
        ]


def _ascii(text: str) -> str:
    alike = text.translate(_ALIKE)
    return "".join(each if each.isascii() else "?" * cell_len(each) for each in alike)
