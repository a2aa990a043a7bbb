# SPDX-License-Identifier: Apache-2.0
"""The event log: two line logs of a bounded size together.

``events.jsonl`` grows to half of the limit and then becomes ``events.old.jsonl``. Each row begins with the
event's sequence number, which only grows.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jepa.errors import JepaError
from jepa.telemetry import linelog
from jepa.telemetry.events.event import Event


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event and its place in the log."""

    sequence: int
    """From 1; grows by one an event, also over restarts. What a follower asks by: clocks may be set back."""
    event: Event


def encode(logged: LoggedEvent) -> bytes:
    """``logged`` as one line."""
    return linelog.encode(_row(logged))


def decode(line: bytes) -> LoggedEvent | None:
    """The event of one line; None when it is torn, damaged or not understood."""
    row = linelog.decode(line)
    return None if row is None else _logged(row)


def read_events(paths: Iterable[Path]) -> Iterator[LoggedEvent]:
    """The events in ``paths``, in order; also while they are written. A file that is missing has none."""
    for path in paths:
        yield from (logged for row in linelog.read_rows(path) if (logged := _logged(row)) is not None)


class EventLog:
    """A log in ``folder`` of at most ``limit_bytes``; JepaError when that cannot be used."""

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self.folder = folder
        self._half = limit_bytes // 2
        self._active, self._old = folder / "events.jsonl", folder / "events.old.jsonl"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._log = linelog.LineLog(self._active)
        except OSError as error:
            raise _unusable(folder, error) from error

    def append(self, logged: LoggedEvent) -> None:
        """Write one event; JepaError when there is no room."""
        row = _row(logged)
        try:
            if self._log.size_bytes and self._log.size_bytes + len(linelog.encode(row)) > self._half:
                self._rotate()
            self._log.append(row)
        except OSError as error:
            raise _unusable(self.folder, error) from error

    def _rotate(self) -> None:
        with suppress(FileNotFoundError):  # renamed before, when no new one could be made
            self._active.replace(self._old)
        full, self._log = self._log, linelog.LineLog(self._active)
        full.close()

    def tail(self, count: int) -> list[LoggedEvent]:
        """The newest ``count`` events, oldest first."""
        return list(deque(read_events((self._old, self._active)), maxlen=count))

    def close(self) -> None:
        """Bring what was written to the disk, and close."""
        self._log.close()


def _row(logged: LoggedEvent) -> dict[str, Any]:
    return {"sequence": logged.sequence, **asdict(logged.event)}


def _logged(row: Mapping[str, Any]) -> LoggedEvent | None:
    fields = dict(row)
    try:
        return LoggedEvent(fields.pop("sequence"), Event(**fields))
    except (TypeError, KeyError):
        return None


def _unusable(folder: Path, error: OSError) -> JepaError:
    return JepaError(
        f"The event log in {folder} cannot be written: {error.strerror or error}.",
        "Free some space there; events are kept in memory meanwhile.",
        status=507,
    )
