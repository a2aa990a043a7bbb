# SPDX-License-Identifier: Apache-2.0
"""What a terminal was sent, with its times, in files of asciicast v2.

The format: https://docs.asciinema.org/manual/asciicast/v2/ (a header, then a JSON line for each event).
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

VERSION: Final = 2
OUTPUT, MARK = "o", "m"


@dataclass(frozen=True, slots=True)
class Cast:
    """One recording. Times are seconds since its beginning, and never go back."""

    columns: int
    rows: int
    written: tuple[tuple[float, str], ...]
    """What the terminal was sent."""
    marks: tuple[tuple[float, str], ...]
    """When each part began, and its name."""

    def __post_init__(self) -> None:
        for events in (self.written, self.marks):
            if any(later[0] < earlier[0] for earlier, later in pairwise(events)):
                raise ValueError("times of a recording go back")
        if min(self.columns, self.rows) < 1:
            raise ValueError(f"a terminal of {self.columns} by {self.rows}")


def decoded(pieces: Sequence[tuple[float, bytes]]) -> tuple[tuple[float, str], ...]:
    """The text of ``pieces`` of UTF-8, which may end within a character: that comes with the next piece."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    texts = [(time, decoder.decode(piece)) for time, piece in pieces]
    return tuple((time, text) for time, text in texts if text)


def save(cast: Cast, path: Path) -> None:
    """Write ``cast`` to ``path``."""
    header = {"version": VERSION, "width": cast.columns, "height": cast.rows}
    events = sorted(
        [(time, MARK, name) for time, name in cast.marks]
        + [(time, OUTPUT, text) for time, text in cast.written],
        key=lambda event: event[0],
    )
    lines = [json.dumps(header), *(json.dumps([round(time, 3), *rest]) for time, *rest in events)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def load(path: Path) -> Cast:
    """What is in ``path``; ValueError when that is no asciicast v2."""
    first, *lines = path.read_text(encoding="utf-8").splitlines()
    header = json.loads(first)
    if header.get("version") != VERSION:
        raise ValueError(f"{path} is no asciicast of version {VERSION}")
    events = [json.loads(each) for each in lines]
    return Cast(
        header["width"],
        header["height"],
        tuple((time, text) for time, kind, text in events if kind == OUTPUT),
        tuple((time, text) for time, kind, text in events if kind == MARK),
    )
