# SPDX-License-Identifier: Apache-2.0
"""The live panel: as many strips as fit, over one time axis."""

from collections.abc import Sequence
from typing import cast

from textual.app import ComposeResult
from textual.containers import Grid, Vertical
from textual.widgets import Static

from jepa.service.api import ChannelInfo
from jepa.shell.tui import draw
from jepa.shell.tui.draw import Glyphs
from jepa.shell.tui.series import Board
from jepa.shell.tui.widgets.strip import StripView, gutter

LEAST_ROWS = 3
"""A strip's title and two rows of picture."""
AXIS_ROWS = 2
"""Rows of the axis where strips fill the height."""
GAP = 2
"""Empty columns between two strips side by side."""


def axis(width: int) -> str:
    """What the columns of a strip of ``width`` mean in time."""
    left = gutter(width)
    width -= left
    grid = draw.span(width)
    past = f"-{grid.past * grid.cell_s} s"
    line = past + "now".rjust(grid.past + 2 - len(past))
    return " " * left + (line + f"+{draw.AHEAD_S} s".rjust(width - len(line)))[:width]


def legend(window: int, glyphs: Glyphs, hidden: int) -> str:
    """How to read the strips, in one line."""
    band = {Glyphs.BRAILLE: "shade", Glyphs.BLOCK: "shade", Glyphs.ASCII: "colons"}[glyphs]
    more = f"; {hidden} hidden" if hidden else ""
    return f"{band}: 5-95 % forecast, {window} s means{more}"


class LivePanel(Vertical):
    """Lays out strips in one column, or in two where the screen is narrow."""

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(classes="live")
        self.glyphs = glyphs
        self.window = 5
        """The forecast window judged, in seconds."""
        self._hidden = 0

    def compose(self) -> ComposeResult:
        """A grid of strips, an axis below each column."""
        yield Grid(classes="strips")
        yield Static(classes="axis", markup=False)

    @property
    def views(self) -> list[StripView]:
        """The strips shown, in reading order."""
        return list(self.query(StripView))

    @staticmethod
    def fits(rows: int, across: int) -> int:
        """How many strips fit in ``rows`` rows, ``across`` of them side by side."""
        return max((rows - 1) // LEAST_ROWS, 1) * across

    async def lay_out(self, channels: Sequence[ChannelInfo], rows: int, across: int, fill: bool) -> None:
        """Show what fits of ``channels`` in ``rows`` rows, ``across`` strips side by side.

        With ``fill`` they grow to fill the rows; else each takes the least and leaves the rest.
        """
        shown = list(channels[: self.fits(rows, across)])
        self._hidden = len(channels) - len(shown)
        deep = -(-max(len(shown), 1) // across)
        grid = self.query_one(".strips", Grid)
        grid.styles.grid_size_columns = across
        grid.styles.grid_size_rows = deep
        grid.styles.grid_gutter_vertical = GAP
        height = rows - AXIS_ROWS if fill else LEAST_ROWS * deep
        grid.styles.height = max(height, LEAST_ROWS * deep)
        order = [channel.name for channel in shown]
        if [view.channel.name for view in self.views] != order:
            there = {view.channel.name: view for view in self.views}
            await grid.remove_children([view for name, view in there.items() if name not in order])
            await grid.mount(*(StripView(channel) for channel in shown if channel.name not in there))
            grid.sort_children(key=lambda view: order.index(cast(StripView, view).channel.name))
        self.styles.height = "1fr" if fill else LEAST_ROWS * deep + 1
        self.call_after_refresh(self.caption)

    def caption(self) -> None:
        """Write the axis and the legend."""
        views = self.views
        width = views[0].size.width if views else 0
        if not width:
            return
        says = legend(self.window, self.glyphs, self._hidden)
        room = self.query_one(".axis").size.width
        line = axis(width)
        if room >= width + GAP + len(says):
            line += " " * GAP + says
        elif self.query_one(".axis").size.height > 1:
            line += "\n" + says
        self.query_one(".axis", Static).update(line)

    def show(self, board: Board, at: int | None = None) -> None:
        """Draw every strip at the newest frame, or as it stood at the second ``at`` with what came."""
        second = board.second if at is None else at
        if second is None:
            return
        for view in self.views:
            view.draw(board.tracks[view.channel.name], second, self.window, self.glyphs, came=at is not None)
