# SPDX-License-Identifier: Apache-2.0
"""Shows lines whose parts have roles, in the colours of the theme; their text can be selected and copied."""

from collections.abc import Iterable, Sequence
from typing import Final

from textual.content import Content
from textual.style import Style
from textual.widgets import Static

from jepa.shell.tui.model.line import Line, Role, text_of

_STYLES: Final[dict[Role, str]] = {
    "text": "",
    "strong": "bold",
    "muted": "$foreground 60%",
    "accent": "$text-accent",
    "good": "$text-success",
    "warn": "$text-warning",
    "bad": "$text-error",
    "key": "$text-primary bold",
    "word": "$text-accent bold underline",
}
_SIXTEEN: Final[dict[Role, str]] = {
    "text": "",
    "strong": "bold",
    "muted": "$secondary",
    "accent": "$accent",
    "good": "$success",
    "warn": "$warning",
    "bad": "$error bold",
    "key": "bold underline",
    "word": "$accent underline",
}


def content(lines: Iterable[Line], sixteen: bool) -> Content:
    """``lines`` as Textual shows them; with ``sixteen`` in the terminal's own colours alone."""
    styles = _SIXTEEN if sixteen else _STYLES
    made = []
    for parts in lines:
        pieces: list[Content] = []
        for part in parts:
            piece = Content.styled(part.text, styles[part.role])
            pieces.append(piece.stylize(Style.from_meta({"@click": part.action})) if part.action else piece)
        made.append(Content("").join(pieces))
    return Content("\n").join(made)


class LineView(Static):
    """Lines that are drawn anew only when they differ."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__("", markup=False, id=id, classes=classes)
        self.lines: tuple[Line, ...] = ()

    def show(self, lines: Sequence[Line]) -> None:
        """Replace what is shown."""
        if tuple(lines) != self.lines:
            self.lines = tuple(lines)
            self._draw()

    @property
    def text(self) -> str:
        """The characters that are shown."""
        return text_of(self.lines)

    def on_mount(self) -> None:
        """Draw, now that the theme is known, and whenever it is another."""
        self._draw()
        self.app.theme_changed_signal.subscribe(self, lambda theme: self._draw())

    def _draw(self) -> None:
        if self.is_attached:
            # Laying out the whole screen costs more than all else of a tick: not where the size is given.
            self.update(content(self.lines, self.app.current_theme.ansi), layout=self.styles.auto_dimensions)
