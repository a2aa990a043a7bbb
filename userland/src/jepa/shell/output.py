# SPDX-License-Identifier: Apache-2.0
"""Text for a person or JSON for a program: aligned columns, sparklines, colour only where it is wanted."""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, TextIO

from jepa.errors import JepaError
from jepa.shell.terminal import Terminal, columns
from jepa.text import shown

if TYPE_CHECKING:
    from jepa.service.api import PartState

Colour = Literal["red", "yellow", "green", "dim"]
_MARKS: dict[Colour, str] = {"red": "\ufdd0", "yellow": "\ufdd1", "green": "\ufdd2", "dim": "\ufdd3"}
"""Noncharacters that stand for a colour until a line is written: its own escapes are made visible before."""
_END = "\ufdd4"
_CODES = {
    ord(mark): f"\x1b[{code}m"
    for mark, code in zip((*_MARKS.values(), _END), ("31", "33", "32", "2", "0"), strict=True)
}
_STATE_COLOURS: "dict[PartState, Colour]" = {
    "ok": "green",
    "degraded": "yellow",
    "failed": "red",
    "off": "dim",
}
_BARS = "▁▂▃▄▅▆▇█"
_ASCII_BARS = "_.:-=+*#"
_BETWEEN = "  "
"""Columns of a table."""


class OutputError(JepaError):
    """The output takes nothing any more: a full disk, or a terminal that is gone."""


@contextmanager
def writing() -> Iterator[None]:
    """Turn what goes wrong while writing into OutputError; a pipe closed by its reader stays as it is."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"The output cannot be written: {error.strerror}.", "") from error


class Output:
    """Where a verb writes, and what that place can show."""

    def __init__(
        self,
        stream: TextIO,
        *,
        json: bool,
        unicode: bool,
        colour: bool,
        width: int = 80,
        screen: bool = True,
    ) -> None:
        self.stream = stream
        self.json = json
        """Whether a program reads: then verbs write JSON and nothing else."""
        self.unicode = unicode
        self.width = width
        self.screen = screen
        """Whether a terminal shows it: only there a cell is cut to fit."""
        self._colour = colour
        self._encoding: str = getattr(stream, "encoding", None) or "utf-8"

    @classmethod
    def to(cls, stream: TextIO, *, json: bool, environ: Mapping[str, str] = os.environ) -> "Output":
        """An output that suits ``stream``: plain ASCII unless a UTF-8 terminal, no colour with $NO_COLOR."""
        tty = stream.isatty()
        terminal = Terminal(tty, "", getattr(stream, "encoding", None) or "", environ)
        return cls(
            stream,
            json=json,
            unicode=tty and terminal.unicode,
            colour=tty and terminal.colours,
            width=columns(environ) if tty else 80,
            screen=tty,
        )

    def line(self, text: str = "") -> None:
        """One line for a person; control characters in ``text`` are shown escaped."""
        safe = shown(text if self.unicode else text.replace("°", "")).translate(_CODES)
        with writing():
            # A C locale must not turn a sentence with an accent into an error.
            self.stream.write(safe.encode(self._encoding, "replace").decode(self._encoding) + "\n")

    def text(self, text: str) -> None:
        """Several lines for a person."""
        for line in text.splitlines():
            self.line(line)

    def data(self, message: object) -> None:
        """One line of JSON for a program."""
        from jepa.service.wire import encode  # a verb that only acts, for a person, writes none

        text = encode(message)
        try:
            text.encode(self._encoding)
        except UnicodeEncodeError:  # a name that is not UTF-8, or a locale that is not
            import json

            text = json.dumps(json.loads(text), separators=(",", ":"))
        self.line_raw(text)

    def line_raw(self, text: str) -> None:
        """One line, untouched, and sent at once."""
        with writing():
            self.stream.write(text + "\n")
            self.stream.flush()

    def flush(self) -> None:
        """Send what is written so far."""
        with writing():
            self.stream.flush()

    def error(self, error: JepaError) -> None:
        """What is wrong and the remedy."""
        if self.json:
            self.data({"error": {"problem": error.problem, "remedy": error.remedy}})
        else:
            self.line(f"{self.coloured(error.problem, 'red')} {error.remedy}".strip())

    def coloured(self, text: str, colour: Colour) -> str:
        """``text`` in ``colour`` where colours are shown."""
        return f"{_MARKS[colour]}{text}{_END}" if self._colour else text

    def state(self, state: "PartState", width: int = 0) -> str:
        """The word for ``state``, padded to ``width``, in its colour."""
        return self.coloured(state.ljust(width), _STATE_COLOURS[state])

    def cut(self, text: str, width: int) -> str:
        """``text`` in ``width`` columns of the screen, with an ellipsis where it is longer."""
        if not self.screen or len(text) <= width:
            return text
        ellipsis = "…" if self.unicode else "..."
        return f"{text[: width - len(ellipsis)].rstrip()}{ellipsis}"

    def fits(self, rows: Sequence[Sequence[str]], indent: int = 2) -> bool:
        """Whether a table of ``rows`` is no wider than the screen."""
        widths = _widths(rows)
        return indent + sum(widths) + len(_BETWEEN) * (len(widths) - 1) <= self.width

    def table(self, rows: Sequence[Sequence[str]], right: Sequence[int] = (), indent: int = 2) -> None:
        """``rows`` in columns; those in ``right`` are aligned on the right. No colours inside cells."""
        rows = [[shown(cell) for cell in row] for row in rows]
        widths = _widths(rows)
        for row in rows:
            cells = [
                cell.rjust(width) if position in right else cell.ljust(width)
                for position, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            self.line(" " * indent + _BETWEEN.join(cells).rstrip())

    def spark(self, values: Sequence[float | None], low: float, high: float) -> str:
        """One character a value, from ``low`` to ``high``; a blank where there was none."""
        bars = _BARS if self.unicode else _ASCII_BARS
        span = (high - low) or 1.0
        return "".join(
            " "
            if value is None or not math.isfinite(value)
            else bars[max(0, min(len(bars) - 1, int((value - low) / span * len(bars))))]
            for value in values
        )


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    """Of the columns of a table."""
    return [max(map(len, column)) for column in zip(*rows, strict=True)]
