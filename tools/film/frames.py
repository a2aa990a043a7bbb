# SPDX-License-Identifier: Apache-2.0
"""From what a terminal was sent, and when, to the frames of a film: pure, the same each time.

A terminal emulator turns the bytes into screens. Nothing in them is changed; only parts that take longer
than a person wants to look are shown faster, and each frame says how much faster, and when it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import pyte
from pyte.screens import Char

from tools.film.cast import Cast
from tools.film.terminal import Terminal

EVERY_S: Final = 0.25
"""Shortest time that a frame of the film is shown."""
SETTLED_S: Final = 0.1
"""A screen is looked at once nothing has come for so long: in between it is half drawn."""

Row = tuple[Char, ...]
Screen = tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a recording, from ``begin`` to before ``end`` in its seconds; ``speed`` times as fast."""

    name: str
    begin: float
    end: float
    speed: float


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of the film, shown for ``lasts`` seconds."""

    screen: Screen
    at: float
    """Seconds of the recording since the first part."""
    lasts: float
    speed: float


def parts(cast: Cast, longest: Mapping[str, float]) -> tuple[Part, ...]:
    """The parts that ``cast`` marks, each as slow as it was unless it is longer than ``longest`` says."""
    last = max([time for time, _ in (*cast.written, *cast.marks)], default=0.0)
    ends = [*(time for time, _ in cast.marks[1:]), last]
    return tuple(
        Part(name, begin, end, max((end - begin) / longest.get(name, end - begin or 1.0), 1.0))
        for (begin, name), end in zip(cast.marks, ends, strict=True)
    )


def frames(cast: Cast, shown: tuple[Part, ...], every_s: float = EVERY_S) -> list[Frame]:
    """The film of the parts ``shown``, one after the other."""
    found: list[Frame] = []
    screens = _screens(cast)
    now, coming = _blank(cast), next(screens, None)
    for part in shown:
        step = every_s * part.speed
        for count in range(max(round((part.end - part.begin) / step), 1)):
            time = part.begin + count * step
            while coming is not None and coming[0] <= time:
                now, coming = coming[1], next(screens, None)
            at = time - shown[0].begin
            same = found and found[-1].screen == now and int(found[-1].at) == int(at)
            if same and found[-1].speed == part.speed:
                before = found[-1]
                found[-1] = Frame(now, before.at, before.lasts + every_s, before.speed)
            else:
                found.append(Frame(now, at, every_s, part.speed))
    return found


def _blank(cast: Cast) -> Screen:
    return _rows(Terminal(cast.columns, cast.rows))


def _screens(cast: Cast) -> Iterator[tuple[float, Screen]]:
    """Each screen that stood still for a moment, and from when."""
    screen = Terminal(cast.columns, cast.rows)
    stream = pyte.Stream(screen)
    nexts = [*(time for time, _ in cast.written[1:]), float("inf")]
    for (time, text), following in zip(cast.written, nexts, strict=True):
        stream.feed(text)
        if following - time >= SETTLED_S:
            yield time, _rows(screen)


def _rows(screen: pyte.Screen) -> Screen:
    return tuple(
        tuple(screen.buffer[row][column] for column in range(screen.columns)) for row in range(screen.lines)
    )
