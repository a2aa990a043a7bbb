# SPDX-License-Identifier: Apache-2.0
"""One live strip: a title line over rows of cells with their scale, redrawn only where it changed."""

from collections.abc import Sequence

from textual.message import Message

from jepa.service.api import ChannelInfo
from jepa.shell import formatting
from jepa.shell.channel_names import label
from jepa.shell.tui import draw
from jepa.shell.tui.draw import Cell, Column, Glyphs
from jepa.shell.tui.series import Track
from jepa.shell.tui.widgets.picture import Look, PictureView, ScreenRows, looks, written

GUTTER = 9
"""Columns left of a strip that hold its scale."""
GUTTER_FROM = 30
"""Strips with fewer columns have no scale beside them, but in their title."""
LEAST_FLOORS = 8
"""Noise floors that a scale shows at least, so that noise looks like noise."""


def gutter(width: int) -> int:
    """The columns that the scale takes of ``width``."""
    return GUTTER if width >= GUTTER_FROM else 0


def title(name: str, value: str, note: str, style: str, width: int) -> tuple[Look, ...]:
    """The line over the strip: name and value on the left, the note on the right where there is room."""
    if len(name) + len(value) + len(note) + 2 > width:
        note = ""
    room = max(width - len(note) - 1, 0) if len(note) < width else width
    left = [*written(name, "label"), *written(f" {value}", "value")]
    left = left[:room] + [(" ", "label", False)] * (room - len(left))
    right = written(f" {note}", style) if room < width else ()
    return tuple(left + list(right))[:width]


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
    came: bool = False,
) -> tuple[ScreenRows, float]:
    """Draw a channel's strip and title in ``width`` by ``rows`` cells; also the scale's top, for next time.

    ``came``: whether to draw what came after ``second``, as a replay does. A channel never observed has a
    strip that says so.
    """
    now = track.range(second, 1)
    value = formatting.quantity(now[0] if now else float("nan"), channel.unit)
    name = label(channel.name)
    if not track.observed:
        absent = title(name, "not observed here", "", "quiet", width)
        return ScreenRows((absent, *[written(" " * width)] * (rows - 1))), top
    note, style = held_note(*track.held(window)) if track.foreseen else ("no forecast", "quiet")
    left = gutter(width)
    drawn = draw.columns(track, second, window, draw.span(width - left), came)
    least = max(channel.noise_floor * LEAST_FLOORS, 1e-6)
    peak = draw.peak(drawn, least)
    unit = formatting.shown_unit(peak * 1.1, channel.unit)
    top = draw.nice_top(peak, top, least, channel.high, unit)
    cells = draw.draw(drawn, rows - 1, channel.low, top, glyphs)
    _mark_now(cells, drawn, glyphs)
    body = [looks(row) for row in cells]
    if left:
        marks = scale(channel.low, top, channel.unit, len(body))
        body = [(*written(mark.rjust(left - 1) + " "), *row) for mark, row in zip(marks, body, strict=True)]
    return ScreenRows((title(name, value, note, style, width), *body)), top


def scale(low: float, top: float, unit: str, rows: int) -> list[str]:
    """What stands beside each of ``rows`` rows: the ends of the scale, with its unit."""
    marks = [""] * rows
    if rows:
        marks[0] = formatting.quantity(top, unit).removesuffix("/s")
    if rows > 1:
        marks[-1] = formatting.number(low)
    return [mark[: GUTTER - 1] for mark in marks]


def _mark_now(cells: list[list[Cell]], drawn: Sequence[Column], glyphs: Glyphs) -> None:
    now = next((x for x, column in enumerate(drawn) if column.ahead), len(drawn)) - 1
    for row in cells:
        if now >= 0:
            row[now] = Cell("|" if glyphs is Glyphs.ASCII else "│", "now", False)


class StripView(PictureView):
    """The strip of one channel."""

    class Resized(Message):
        """The strip has a size to draw in, for the first time or a new one."""

    def __init__(self, channel: ChannelInfo) -> None:
        super().__init__()
        self.channel = channel
        self.top = 0.0

    def on_resize(self) -> None:
        """Ask for a picture that fits."""
        self.post_message(self.Resized())

    def draw(self, track: Track, second: int, window: int, glyphs: Glyphs, came: bool = False) -> None:
        """Show the channel as it stands at ``second``."""
        width, height = self.size
        if width and height:
            shown, self.top = picture(
                self.channel, track, second, window, width, height, self.top, glyphs, came
            )
            self.show(shown)
