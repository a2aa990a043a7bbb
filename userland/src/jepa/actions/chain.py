# SPDX-License-Identifier: Apache-2.0
"""A file of the journal as it lies on the disk: each row carries the hash of the row before.

So nobody can change, drop or insert a row in the middle without the rows after it telling.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jepa.telemetry.linelog import decode

START: Final = "0" * 64
"""What the first row of the first file carries."""
_BLANK: Final = b"\0" * 8
_LONGEST_BYTES: Final = 1 << 16


def hash_of(line: bytes) -> str:
    """The SHA-256 of one line, its newline included."""
    return hashlib.sha256(line).hexdigest()


@dataclass(frozen=True, slots=True)
class ChainFile:
    """What a file holds."""

    rows: Sequence[dict[str, Any]]
    """All rows that can be read, in order."""
    head: str
    """The hash of the last row."""
    size_bytes: int
    """Up to the end of the last row: what follows was torn by a crash and never acknowledged."""
    damage: str = ""
    """What is wrong, in one clause; empty for a file that is as it was written."""


def read_chain(path: Path) -> ChainFile:
    """Read ``path`` and check each row against the one before. Raises OSError.

    A row is acknowledged when all of it is on the disk, and rows are written one at a time: so a last line
    that is torn was never acknowledged, and anything else that cannot be read is damage.
    """
    rows: list[dict[str, Any]] = []
    head, size, damage = "", 0, ""
    for number, (line, last) in enumerate(_lines(path), 1):
        row = decode(line) if line.endswith(b"\n") else None
        if row is None:
            if last and _torn(line):
                break
            damage = damage or f"line {number} cannot be read"
            continue
        if head and row.get("prev") != head:
            damage = damage or f"line {number} does not follow the line before it"
        rows.append(row)
        head = hash_of(line)
        size += len(line)
    return ChainFile(rows, head, size, damage)


def last_hash(path: Path) -> str:
    """The hash of the last row of a file that is complete. Raises OSError."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _LONGEST_BYTES))
        lines = file.read().splitlines(keepends=True)
    return hash_of(lines[-1]) if lines else ""


def _lines(path: Path) -> Iterator[tuple[bytes, bool]]:
    """The lines, and whether each is the last one."""
    with path.open("rb") as file:
        held = b""
        for line in file:
            if held:
                yield held, False
            held = line
        if held:
            yield held, True


def _torn(line: bytes) -> bool:
    """Whether a write that did not come to its end left this, rather than something that came later."""
    if not line.endswith(b"\n"):
        return decode(line[:-1]) is None  # else all of it was written, and its newline is another byte now
    return _BLANK in line or line.startswith(b"\0")  # a sector that never reached the disk
