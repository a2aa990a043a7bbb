# SPDX-License-Identifier: Apache-2.0
"""Keeps the lines that a person typed at the prompt, on this machine alone and only while asked to.

The file is the consent: it is there from `jepa habits on` to `jepa habits off`. Nobody else may read
it, and a line that begins with a space is not kept, as shells have it. Several shells may add to it at once.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from jepa.durable import PRIVATE, replace_file
from jepa.telemetry.linelog import encode, read_rows

MOST: Final = 2000
"""Lines that are kept, the newest."""
LONGEST: Final = 200
"""Characters of a line that is kept; a longer one was pasted and does not come again."""


class Typed(NamedTuple):
    """A line, and when it was entered."""

    ts_ns: int
    line: str


def default_path(environ: Mapping[str, str]) -> Path:
    """Where the lines of whoever asks are (XDG Base Directory Specification)."""
    state = environ.get("XDG_STATE_HOME", "")
    folder = Path(state) if state.startswith("/") else Path(environ.get("HOME") or "/") / ".local/state"
    return folder / "jepa/habits"


class HabitStore:
    """The lines in ``path``. All methods but ``enabled`` raise OSError when the file cannot be used."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def enabled(self) -> bool:
        """Whether this person asked for lines to be kept."""
        try:
            return self.path.is_file()
        except OSError:
            return False

    def enable(self) -> None:
        """Keep lines from now on."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))

    def disable(self) -> int:
        """Delete every line, and keep no more; gives how many there were."""
        if not self.enabled():
            return 0
        with self._locked():
            count = sum(1 for _ in self.lines())
            self.path.unlink(missing_ok=True)
        return count

    def add(self, line: str) -> bool:
        """Keep ``line`` as it was typed; False when it is not to be kept."""
        if not self.enabled() or not is_kept(line):
            return False
        row = encode({"ts": time.time_ns(), "line": line.strip()})
        with self._locked():
            if not self.enabled():
                return False
            with self.path.open("ab", buffering=0) as file:
                file.write(row)
            # a row ends with the only line end in it, so that most of the time nothing has to be decoded
            if self.path.read_bytes().count(b"\n") > MOST + MOST // 2:
                self._write(list(self.lines())[-MOST:])
        return True

    def lines(self) -> Iterator[Typed]:
        """What was kept, the oldest first; a damaged line is left out."""
        for row in read_rows(self.path):
            ts, line = row.get("ts"), row.get("line")
            if isinstance(ts, int) and isinstance(line, str):
                yield Typed(ts, line)

    def _write(self, lines: list[Typed]) -> None:
        """Begin the file anew: it appears whole or not at all."""
        rows = (encode({"ts": each.ts_ns, "line": each.line}) for each in lines)
        replace_file(self.path, b"".join(rows), PRIVATE)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """The folder is locked, since the file may be replaced; the lock ends with the process."""
        fd = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)


def is_kept(line: str) -> bool:
    """Whether a line as it was typed may be kept."""
    return bool(line.strip()) and not line.startswith(" ") and len(line) <= LONGEST and line.isprintable()
