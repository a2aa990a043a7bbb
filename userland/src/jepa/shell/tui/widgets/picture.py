# SPDX-License-Identifier: Apache-2.0
"""A picture of character cells, of which the terminal is sent only what differs from the last one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from jepa.shell.tui.draw import Cell

Look = tuple[str, str, bool]
"""One character, the style class it takes, and whether it stands on the band."""
LOOKS = (
    "label",
    "value",
    "quiet",
    "good",
    "warn",
    "bad",
    "empty",
    "band",
    "inside",
    "outside",
    "unjudged",
    "median",
    "now",
)


@dataclass(frozen=True, slots=True)
class ScreenRows:
    """Everything that is shown, row by row."""

    rows: tuple[tuple[Look, ...], ...]


def looks(cells: Iterable[Cell]) -> tuple[Look, ...]:
    """A row of cells."""
    return tuple((cell.char, cell.role, cell.on_band) for cell in cells)


def written(text: str, style: str = "quiet") -> tuple[Look, ...]:
    """A row, or a part of one, that is text."""
    return tuple((char, style, False) for char in text)


class PictureView(Widget):
    """Shows pictures; what reads the screen aloud has the text around them."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"picture--{name}" for name in LOOKS}

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._picture = ScreenRows(())
        self._styles: dict[tuple[str, bool], Style] = {}

    def show(self, new: ScreenRows) -> None:
        """Replace the picture."""
        old, self._picture = self._picture, new
        if list(map(len, old.rows)) != list(map(len, new.rows)):
            self.refresh()
            return
        regions = [
            Region(run[0], y, run[1] - run[0], 1)
            for y, (before, after) in enumerate(zip(old.rows, new.rows, strict=True))
            if (run := changed(before, after)) is not None
        ]
        if regions:
            self.refresh(*regions)

    @property
    def text(self) -> str:
        """The characters that are shown."""
        return "\n".join("".join(char for char, _, _ in row) for row in self._picture.rows)

    def render_line(self, y: int) -> Strip:
        """One row of the picture."""
        if y >= len(self._picture.rows):
            return Strip.blank(self.size.width, self.rich_style)
        return Strip(
            Segment("".join(char for char, _, _ in run), self._style(*look))
            for look, run in groupby(self._picture.rows[y], key=lambda cell: cell[1:])
        )

    def notify_style_update(self) -> None:
        """Forget the styles worked out; the theme may be another."""
        self._styles.clear()
        super().notify_style_update()

    def _style(self, name: str, on_band: bool) -> Style:
        found = self._styles.get((name, on_band))
        if found is None:
            front = self.get_component_rich_style(f"picture--{name}")
            band = self.get_component_rich_style("picture--band").color
            found = Style(
                color=front.color, bgcolor=band if on_band else self.rich_style.bgcolor, bold=front.bold
            )
            self._styles[name, on_band] = found
        return found


def changed(before: Sequence[Look], after: Sequence[Look]) -> tuple[int, int] | None:
    """The run [first, last) that holds every cell that differs; None when all are equal.

    One run and not several, since Textual sends a row from its widget's left edge for each.
    """
    differ = [x for x, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
    return (differ[0], differ[-1] + 1) if differ else None
