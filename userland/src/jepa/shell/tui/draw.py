# SPDX-License-Identifier: Apache-2.0
"""Draws one strip as rows of character cells, from plain numbers: no widget, no terminal, no clock.

A strip runs from the past on the left over ``now`` to what is forecast on the right. Each column knows the
value (or two, where the glyphs allow), the band it was forecast to lie in, whether it did, and the median.
Cells carry a role instead of a colour, so the same picture serves true colour, sixteen colours and none.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal, NamedTuple

from jepa.shell.formatting import Interval
from jepa.shell.tui.series import Track

Role = Literal["empty", "band", "inside", "outside", "unjudged", "median", "now"]


class Glyphs(Enum):
    """What the terminal's font can show."""

    BRAILLE = "braille"
    """Any modern terminal emulator."""
    BLOCK = "block"
    """The console's own font, which has the half blocks of code page 437 but no braille."""
    ASCII = "ascii"
    """Nothing beyond ASCII."""


class Cell(NamedTuple):
    """One character, what it means, and whether it stands on the band."""

    char: str
    role: Role
    on_band: bool


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a strip, in the channel's unit."""

    values: tuple[float, ...] = ()
    """What was observed, oldest first: none, one or two values; NaN where absent."""
    band: Interval | None = None
    inside: bool | None = None
    """Whether what was observed held to the band; None where there is nothing to judge."""
    ahead: bool = False
    """Whether the column lies in the future."""


_BEYOND = 3.0
"""How far above everything that was seen a band is shown."""
EMPTY = Cell(" ", "empty", False)

_LOWER_BLOCKS = " ▁▂▃▄▅▆▇█"
_BRAILLE_LEFT = (0x40, 0x04, 0x02, 0x01)
_BRAILLE_RIGHT = (0x80, 0x20, 0x10, 0x08)


def level(value: float, low: float, high: float, steps: int) -> int | None:
    """The step of 0..steps-1 that ``value`` falls on; None for NaN, the edge steps for what lies beyond."""
    if math.isnan(value):
        return None
    share = (value - low) / (high - low) if high > low else 0.0
    return min(max(math.floor(min(max(share, 0.0), 1.0) * steps), 0), steps - 1)


def nice_top(peak: float, previous: float, least: float, most: float, unit: float = 1.0) -> float:
    """The top of a scale that shows ``peak``: a round number of ``unit``s, from ``least`` to ``most``.

    Keeps ``previous`` until the peak outgrows it or falls below a third of it, so that scales do not
    flicker.
    """
    if not math.isfinite(peak):
        return previous if previous > 0 else max(least, 1e-9)
    if previous > 0 and previous / 3 <= peak <= previous:
        return previous
    wanted = max(peak * 1.1, least, 1e-9) / unit
    power = 10.0 ** math.floor(math.log10(wanted))
    top = next(
        step * power for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if step * power >= wanted * (1 - 1e-9)
    )
    top *= unit
    return min(top, most) if most > 0 and peak <= most else top


@dataclass(frozen=True, slots=True)
class _Steps:
    """How finely glyphs divide a cell upwards."""

    mark: int
    band: int


_STEPS = {Glyphs.BRAILLE: _Steps(4, 8), Glyphs.BLOCK: _Steps(2, 2), Glyphs.ASCII: _Steps(1, 1)}


def draw(columns: Sequence[Column], rows: int, low: float, high: float, glyphs: Glyphs) -> list[list[Cell]]:
    """Rows of cells, top first, as long as ``columns``, on a scale from ``low`` to ``high``."""
    paint = {Glyphs.BRAILLE: _braille, Glyphs.BLOCK: _block, Glyphs.ASCII: _ascii}[glyphs]
    steps = _STEPS[glyphs]
    grid = [[EMPTY] * len(columns) for _ in range(rows)]
    for x, column in enumerate(columns):
        role, values = _marks(column)
        marks = [level(value, low, high, rows * steps.mark) for value in values]
        first, last = 0, -1
        if column.band is not None:
            bottom = level(column.band.low, low, high, rows * steps.band)
            top = level(column.band.high, low, high, rows * steps.band)
            if bottom is not None and top is not None:
                first, last = bottom, top
        for row in range(rows):
            here = [
                m - row * steps.mark if m is not None and m // steps.mark == row else None for m in marks
            ]
            base = row * steps.band
            covered = (max(first - base, 0), min(last + 1 - base, steps.band))
            on_band = covered[0] < covered[1]
            if on_band or any(mark is not None for mark in here):
                grid[rows - 1 - row][x] = paint(here, role, covered if on_band else None)
    return grid


def _marks(column: Column) -> tuple[Role, tuple[float, ...]]:
    if column.ahead and not column.values:
        return "median", (column.band.median,) if column.band is not None else ()
    if column.inside is None:
        return "unjudged", column.values
    return "inside" if column.inside else "outside", column.values


def _braille(here: Sequence[int | None], role: Role, covered: tuple[int, int] | None) -> Cell:
    steps = [step for step in here if step is not None]
    if steps:
        left, right = here[0], here[-1]
        dots = (0 if left is None else _BRAILLE_LEFT[left]) | (0 if right is None else _BRAILLE_RIGHT[right])
        middle = 2 * sum(steps) / len(steps) + 1
        return Cell(chr(0x2800 + dots), role, covered is not None and covered[0] <= middle <= covered[1])
    if covered is None:
        return EMPTY
    first, last = covered
    if first == 0:
        return Cell(_LOWER_BLOCKS[last], "band", False) if last < 8 else Cell(" ", "band", True)
    if last == 8:
        return Cell(" ", "band", True) if first <= 2 else Cell("▀" if first <= 5 else "▔", "band", False)
    return Cell("▁" if last <= 2 else "▔" if first >= 6 else "━", "band", False)


def _block(here: Sequence[int | None], role: Role, covered: tuple[int, int] | None) -> Cell:
    if here and here[-1] is not None:
        return Cell("▄" if here[-1] == 0 else "▀", role, covered is not None)
    if covered is None:
        return EMPTY
    return Cell({(0, 2): "░", (0, 1): "▄", (1, 2): "▀"}[covered], "band", False)


def _ascii(here: Sequence[int | None], role: Role, covered: tuple[int, int] | None) -> Cell:
    if here and here[-1] is not None:
        return Cell({"median": "-", "outside": "!"}.get(role, "*"), role, covered is not None)
    return Cell(":", "band", True) if covered is not None else EMPTY


@dataclass(frozen=True, slots=True)
class CellSpan:
    """How a strip's columns map to time."""

    cell_s: int
    """Seconds per column."""
    past: int
    """Columns left of now."""
    ahead: int
    """Columns right of now."""


AHEAD_S = 60


def span(width: int) -> CellSpan:
    """The finest grid that shows the coming minute in about two fifths of ``width`` columns."""
    for cell_s in (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60):
        ahead = AHEAD_S // cell_s
        if ahead <= width * 0.42:
            break
    return CellSpan(cell_s, max(width - ahead - 1, 0), ahead)


def columns(track: Track, second: int, window: int, grid: CellSpan, came: bool = False) -> list[Column]:
    """The columns of one strip at ``second``: past, now, ahead; with ``came`` also what came ahead of it.

    Past columns stand on whole multiples of the column's seconds, so that a strip moves by whole columns and
    the rest of the picture stays as it is.
    """
    cell = second // grid.cell_s
    result = [
        _past(track, (cell - back) * grid.cell_s, second, window, grid.cell_s)
        for back in range(grid.past - 1, -1, -1)
    ]
    result.append(Column())
    fan = track.ahead(second, AHEAD_S)
    for ahead in range(grid.ahead):
        offset = (cell + 1 + ahead) * grid.cell_s + (grid.cell_s + 1) // 2 - second
        band = fan[min(offset, len(fan)) - 1] if fan else None
        mean = track.mean(second + offset, offset) if came else math.nan
        if not math.isfinite(mean):
            result.append(Column(band=band, ahead=True))
        else:
            inside = None if band is None else track.holds(mean, band)
            result.append(Column(values=(mean,), band=band, inside=inside, ahead=True))
    return result


def _past(track: Track, start: int, second: int, window: int, cell_s: int) -> Column:
    half = start + max(cell_s // 2 - 1, 0)
    last = min(start + cell_s - 1, second)
    point = track.at(last, window)
    values = (point.value,) if cell_s == 1 else (track.at(min(half, second), window).value, point.value)
    judged = point.band is not None and math.isfinite(point.value)
    inside = track.holds(point.value, point.band) if judged and point.band is not None else None
    return Column(values=values, band=point.band, inside=inside)


def peak(drawn: Sequence[Column], least: float = math.inf) -> float:
    """The highest number that the scale is to show; NaN when there is none.

    What was observed and the medians always; a band only up to three times these or ``least``, whichever is
    more: the wide band of an idle disk would make a flat line of everything that ever happens on it.
    """
    found = [v for c in drawn for v in c.values if math.isfinite(v)]
    found += [c.band.median for c in drawn if c.band is not None]
    bands = [c.band.high for c in drawn if c.band is not None]
    if not found or not bands:
        return max(found, default=math.nan)
    return max(*found, min(max(bands), max(_BEYOND * max(found), least)))
