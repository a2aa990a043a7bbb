# SPDX-License-Identifier: Apache-2.0
"""A screen as text: its characters, then how they look, in runs; small, and a change in it can be read."""

import string
from functools import cache
from typing import Any

from rich.style import Style
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

LETTERS = string.ascii_letters + string.digits


class Screens(SingleFileSnapshotExtension):
    """Keeps them in text files."""

    _write_mode = WriteMode.TEXT
    _file_extension = "txt"


def picture(screen: Any) -> str:
    """The rows of ``screen``; then by row how many characters have which look; then the looks."""
    rows, runs, names = [], [], dict[str, str]()
    for strip in screen._compositor.render_strips():
        rows.append(strip.text.rstrip())
        found: list[tuple[str, int]] = []
        for segment in strip:
            look = _look(segment.style)
            name = names.setdefault(
                look, LETTERS[len(names)] if len(names) < len(LETTERS) else f"<{len(names)}>"
            )
            if found and found[-1][0] == name:
                found[-1] = name, found[-1][1] + segment.cell_length
            else:
                found.append((name, segment.cell_length))
        runs.append(" ".join(f"{many}{name}" for name, many in found))
    return "\n".join([*rows, "", *runs, "", *(f"{name} {look}" for look, name in names.items())]) + "\n"


@cache
def _look(style: Style | None) -> str:
    if style is None:
        return "plain"
    return str(style.without_color + Style(color=style.color, bgcolor=style.bgcolor)) or "plain"
