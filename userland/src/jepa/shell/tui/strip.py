# SPDX-License-Identifier: Apache-2.0
"""One live strip on screen: a title line over rows of cells, redrawn only where it changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from jepa.service.api import ChannelInfo
from jepa.shell import formatting
from jepa.shell.channel_names import label
from jepa.shell.tui import draw
from jepa.shell.tui.draw import EMPTY, Cell, Column, Glyphs
from jepa.shell.tui.series import Track

Look = tuple[str, str, bool]
"""One character, the style class it takes, and whether it stands on the band."""


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything a strip shows, row by row."""

    rows: tuple[tuple[Look, ...], ...]


def title(name: str, value: str, note: str, style: str, width: int) -> tuple[Look, ...]:
    """The line over the strip: name and value on the left, the note on the right where there is room."""
    if len(name) + len(value) + len(note) + 2 > width:
        note = ""
    room = max(width - len(note) - 1, 0) if len(note) < width else width
    left = [(char, "label", False) for char in name] + [(char, "value", False) for char in f" {value}"]
    left = left[:room] + [(" ", "label", False)] * (room - len(left))
    right = [(char, style, False) for char in f" {note}"] if room < width else []
    return tuple(left + right)[:width]


def held_note(inside: int, judged: int) -> tuple[str, str]:
    """How often the band held, and the style that says whether that is good: it promises nine in ten."""
    if judged < 10:
        return ("not yet judged", "quiet")
    share = inside / judged
    return (f"in band {share:4.0%}", "good" if share >= 0.8 else "warn" if share >= 0.6 else "bad")


def picture(
    channel: ChannelInfo,
    track: Track,
    second: int,
    window: int,
    width: int,
    rows: int,
    top: float,
    glyphs: Glyphs,
) -> tuple[Picture, float]:
    """Draw a channel's strip and title in ``width`` by ``rows`` cells; also the scale's top, for next time.

    A channel never observed has a strip that says so.
    """
    value = formatting.quantity(track.latest, channel.unit)
    name = label(channel.name)
    if not track.observed:
        blank = tuple((" ", "quiet", False) for _ in range(width))
        absent = title(name, "not observed here", "", "quiet", width)
        return Picture((absent, *[blank] * (rows - 1))), top
    note, style = held_note(*track.held(window)) if track.foreseen else ("no forecast", "quiet")
    drawn = draw.columns(track, second, window, draw.span(width))
    peak = draw.peak(drawn)
    unit = formatting.shown_unit(peak * 1.1, channel.unit)
    top = draw.nice_top(peak, top, max(channel.noise_floor * 4, 1e-6), channel.high, unit)
    cells = draw.draw(drawn, rows - 1, channel.low, top, glyphs)
    _mark_now(cells, drawn, glyphs)
    body: list[list[Look]] = [[(cell.char, cell.role, cell.on_band) for cell in row] for row in cells]
    if body:
        _write_scale(body[0], cells[0], formatting.quantity(top, channel.unit))
    return Picture((title(name, value, note, style, width), *map(tuple, body))), top


def _mark_now(cells: list[list[Cell]], drawn: Sequence[Column], glyphs: Glyphs) -> None:
    now = next((x for x, column in enumerate(drawn) if column.ahead), len(drawn)) - 1
    for row in cells:
        if now >= 0:
            row[now] = Cell("|" if glyphs is Glyphs.ASCII else "│", "now", False)


def _write_scale(look: list[Look], cells: Sequence[Cell], scale: str) -> None:
    """Write what the top of the scale means at an end of the first row where nothing is drawn."""
    room = len(scale) + 1
    if len(cells) <= 2 * room:
        return
    if all(cell == EMPTY for cell in cells[:room]):
        look[: len(scale)] = [(char, "quiet", False) for char in scale]
    elif all(cell == EMPTY for cell in cells[-room:]):
        look[-len(scale) :] = [(char, "quiet", False) for char in scale]


class StripView(Widget):
    """Shows pictures, sending the terminal only the cells that differ from the last one."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"strip--{name}"
        for name in (
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
    }

    class Resized(Message):
        """The strip has a size to draw in, for the first time or a new one."""

    def __init__(self, channel: ChannelInfo) -> None:
        super().__init__()
        self.channel = channel
        self.top = 0.0
        self._picture = Picture(())
        self._styles: dict[tuple[str, bool], Style] = {}

    def on_resize(self) -> None:
        """Ask for a picture that fits."""
        self.post_message(self.Resized())

    def show(self, new: Picture) -> None:
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

    def draw(self, track: Track, second: int, window: int, glyphs: Glyphs) -> None:
        """Show the channel as it stands at ``second``."""
        width, height = self.size
        if width and height:
            shown, self.top = picture(self.channel, track, second, window, width, height, self.top, glyphs)
            self.show(shown)

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
            front = self.get_component_rich_style(f"strip--{name}")
            band = self.get_component_rich_style("strip--band").color
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
