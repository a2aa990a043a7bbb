# SPDX-License-Identifier: Apache-2.0
"""The event log: lines of JSON in two files of a bounded size that survive a crash at any byte.

``events.jsonl`` grows to half of the limit and then becomes ``events.old.jsonl``. Each line begins with the
event's sequence number, which only grows, and ends with the CRC-32 of its content, so that a torn or damaged
line is passed over. A line is written at once and
unbuffered, so a killed process loses nothing; a power cut loses what came after the last ``sync``.
"""

import errno
import json
import os
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from jepa.errors import JepaError
from jepa.telemetry.events.event import Event

_CRC_DIGITS = 8


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event and its place in the log."""

    sequence: int
    """From 1; grows by one an event, also over restarts. What a follower asks by: clocks may be set back."""
    event: Event


def encode(logged: LoggedEvent) -> bytes:
    """``logged`` as one line."""
    content = json.dumps(
        {"sequence": logged.sequence, **asdict(logged.event)}, separators=(",", ":"), ensure_ascii=True
    ).encode()
    return b"%s %08x\n" % (content, zlib.crc32(content))


def decode(line: bytes) -> LoggedEvent | None:
    """The event of one line; None when it is torn, damaged or of a kind that is not understood."""
    content, _, crc = line.rstrip(b"\n").rpartition(b" ")
    try:
        if len(crc) != _CRC_DIGITS or int(crc, 16) != zlib.crc32(content):
            return None
        fields = json.loads(content)
        return LoggedEvent(fields.pop("sequence"), Event(**fields))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def read_events(paths: Iterable[Path]) -> Iterator[LoggedEvent]:
    """The events in ``paths``, in order; also while they are written. A file that is missing has none."""
    for path in paths:
        try:
            with path.open("rb") as lines:
                yield from (logged for line in lines if (logged := decode(line)) is not None)
        except FileNotFoundError:
            continue


class EventLog:
    """A log in ``folder`` of at most ``limit_bytes``; JepaError when that cannot be used."""

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self.folder = folder
        self._half = limit_bytes // 2
        self._active, self._old = folder / "events.jsonl", folder / "events.old.jsonl"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._fd = self._begin()
        except OSError as error:
            raise _unusable(folder, error) from error

    def _begin(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        fd = os.open(self._active, flags, 0o644)
        self._size = os.fstat(fd).st_size
        if self._size and os.pread(fd, 1, self._size - 1) != b"\n":
            os.write(fd, b"\n")  # what was torn stays a line of its own
            self._size += 1
        return fd

    def append(self, logged: LoggedEvent) -> None:
        """Write one event; JepaError when there is no room."""
        line = encode(logged)
        try:
            if self._size and self._size + len(line) > self._half:
                os.close(self._fd)
                self._active.replace(self._old)
                self._fd = self._begin()
            written = os.write(self._fd, line)
            self._size += written
            if written < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise _unusable(self.folder, error) from error

    def tail(self, count: int) -> list[LoggedEvent]:
        """The newest ``count`` events, oldest first."""
        return list(deque(read_events((self._old, self._active)), maxlen=count))

    def sync(self) -> None:
        """Bring what was written to the disk."""
        os.fsync(self._fd)

    def close(self) -> None:
        """Sync and close."""
        try:
            os.fsync(self._fd)
        finally:
            os.close(self._fd)


def _unusable(folder: Path, error: OSError) -> JepaError:
    return JepaError(
        f"The event log in {folder} cannot be written: {error.strerror or error}.",
        "Free some space there; events are kept in memory meanwhile.",
        status=507,
    )
