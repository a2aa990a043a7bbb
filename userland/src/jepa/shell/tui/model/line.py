# SPDX-License-Identifier: Apache-2.0
"""Lines of text whose parts have a role instead of a colour, so that one picture serves every theme."""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from jepa.text import shown

Role = Literal["text", "strong", "muted", "accent", "good", "warn", "bad", "key", "word"]
"""What a part means: ``key`` is one to press, ``word`` one of a sentence that was understood."""


class Span(NamedTuple):
    """Some characters of a line."""

    text: str
    role: Role = "text"
    action: str = ""
    """What a click on it does, as Textual names actions; nothing where empty."""


Line = tuple[Span, ...]


def line(*parts: str | Span) -> Line:
    """A line of ``parts``; control characters and bidirectional marks are shown escaped."""
    made = (part if isinstance(part, Span) else Span(part) for part in parts)
    return tuple(part._replace(text=shown(part.text)) for part in made if part.text)


def lines(text: str, role: Role = "text") -> list[Line]:
    """The lines of ``text``, all in one role."""
    return [line(Span(each, role)) for each in text.split("\n")]


def plain(parts: Line) -> str:
    """The characters of a line."""
    return "".join(part.text for part in parts)


def text_of(many: Iterable[Line]) -> str:
    """The characters of several lines."""
    return "\n".join(map(plain, many))


def length(parts: Line) -> int:
    """How many characters a line has."""
    return sum(len(part.text) for part in parts)


def cut(parts: Line, width: int, ellipsis: str = "…") -> Line:
    """``parts`` in ``width`` characters, the last of them an ellipsis where there are more."""
    if length(parts) <= width:
        return parts
    left = max(width - len(ellipsis), 0)
    kept: list[Span] = []
    for part in parts:
        kept.append(part._replace(text=part.text[:left]))
        left -= len(kept[-1].text)
    return (*(part for part in kept if part.text), Span(ellipsis[:width], "muted"))


def apart(left: Line, right: Line, width: int) -> Line:
    """``left`` and ``right`` at the ends of ``width`` characters; ``right`` goes where there is no room."""
    room = width - length(left) - length(right)
    if not right or room < 2:
        return cut(left, width)
    return (*left, Span(" " * room), *right)


def columns(
    rows: Sequence[Sequence[str | Span]],
    widths: Sequence[int],
    right: Sequence[int] = (),
    ellipsis: str = "…",
) -> list[Line]:
    """``rows`` in columns of ``widths`` characters, two apart; those in ``right`` stand on the right."""
    made = []
    for row in rows:
        cells: list[Span] = []
        for place, (cell, width) in enumerate(zip(row, widths, strict=True)):
            part = cell if isinstance(cell, Span) else Span(cell)
            text = shown(part.text)
            if len(text) > width:
                text = text[: max(width - len(ellipsis), 0)] + ellipsis[:width]
            text = text.rjust(width) if place in right else text.ljust(width)
            cells += [Span("  ")] if cells else []
            cells.append(part._replace(text=text))
        made.append(tuple(cells))
    return made


def marked(text: str, places: Iterable[tuple[int, int]]) -> Line:
    """``text`` with what lies in ``places``, pairs [first, last), as words that were understood."""
    inside = {place for start, end in places for place in range(start, end)}
    parts: list[Span] = []
    for place, char in enumerate(text):
        role: Role = "word" if place in inside else "strong"
        if parts and parts[-1].role == role:
            parts[-1] = parts[-1]._replace(text=parts[-1].text + char)
        else:
            parts.append(Span(char, role))
    return line(*parts)
