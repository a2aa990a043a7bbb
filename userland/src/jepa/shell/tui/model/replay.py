# SPDX-License-Identifier: Apache-2.0
"""A walk through what the shell has kept: where it stands, and how what was forecast there came out."""

import math
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

from jepa.service.api import ChannelInfo
from jepa.shell.channel_names import label
from jepa.shell.durations import duration
from jepa.shell.formatting import quantity
from jepa.shell.tui.model.line import Line, Span, columns, line
from jepa.shell.tui.series import Board

WINDOW_S: Final = 30
"""The window by which forecasts are compared with what came, or the nearest there is."""


@dataclass(frozen=True, slots=True)
class Position:
    """A second between the first and the last that are kept."""

    first: int
    last: int
    at: int

    def moved(self, seconds: int) -> "Position":
        """So much later, or earlier, as far as there is something."""
        return replace(self, at=min(max(self.at + seconds, self.first), self.last))

    def put(self, share: float) -> "Position":
        """At a ``share``, 0 to 1, of the way."""
        return replace(self, at=round(self.first + (self.last - self.first) * min(max(share, 0.0), 1.0)))


def whole(board: Board, names: Collection[str]) -> Position | None:
    """All that is kept of the channels ``names``, standing at its end; None where nothing is."""
    spans = [span for name in names if (span := board.tracks[name].span) is not None]
    if not spans:
        return None
    last = max(last for _, last in spans)
    return Position(min(first for first, _ in spans), last, last)


def scrubber(position: Position, marks: Collection[int], width: int, unicode: bool) -> Line:
    """The way as a bar of ``width`` characters: where it stands, and the seconds ``marks`` of events."""
    span = max(position.last - position.first, 1)

    def place(second: int) -> int:
        return round((second - position.first) / span * (width - 1))

    rail, mark, knob = ("─", "┴", "●") if unicode else ("-", "'", "O")
    cells = [Span(rail, "muted")] * width
    for second in marks:
        if position.first <= second <= position.last:
            cells[place(second)] = Span(mark, "warn")
    cells[place(position.at)] = Span(knob, "accent")
    return _joined(cells)


def _joined(cells: Sequence[Span]) -> Line:
    parts: list[Span] = []
    for cell in cells:
        if parts and parts[-1].role == cell.role:
            parts[-1] = parts[-1]._replace(text=parts[-1].text + cell.text)
        else:
            parts.append(cell)
    return line(*parts)


def heading(position: Position, at_ns: int | None, playing: bool) -> Line:
    """Which moment is shown, and how far back it lies."""
    clock = "-" if at_ns is None else time.strftime("%H:%M:%S", time.localtime(at_ns / 1e9))
    ago = position.last - position.at
    back = "the newest" if ago == 0 else f"{duration(ago)} before the newest"
    kept = f"{duration(position.last - position.first)} are kept"
    return line(
        Span("REPLAY  ", "strong"),
        Span(clock, "accent"),
        f"  {back}",
        Span(f"   {kept}{', playing' if playing else ''}", "muted"),
    )


def outcomes(board: Board, channels: Sequence[ChannelInfo], at: int, ellipsis: str) -> list[Line]:
    """A line a channel: what was forecast at second ``at``, what came, and whether the band held."""
    windows = board.horizons or (WINDOW_S,)
    window = min(windows, key=lambda each: abs(each - WINDOW_S))
    rows: list[list[Span]] = [
        [Span(each, "muted") for each in ("CHANNEL", f"FORECAST, {window} s", "5 % .. 95 %", "CAME", "")]
    ]
    for channel in channels:
        track = board.tracks[channel.name]
        came, band = track.at(at + window, window)
        unit = channel.unit
        if band is None:
            verdict = Span("not forecast", "muted")
        elif not math.isfinite(came):
            verdict = Span("not yet known", "muted")
        else:
            verdict = Span("held", "good") if track.holds(came, band) else Span("missed", "bad")
        between = "" if band is None else f"{quantity(band.low, unit)} .. {quantity(band.high, unit)}"
        rows.append(
            [
                Span(label(channel.name), "strong"),
                Span("-" if band is None else quantity(band.median, unit)),
                Span(between, "muted"),
                Span(quantity(came, unit)),
                verdict,
            ]
        )
    return columns(rows, (18, 14, 26, 12, 14), right=(1, 3), ellipsis=ellipsis)
