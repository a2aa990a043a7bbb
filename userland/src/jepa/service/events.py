# SPDX-License-Identifier: Apache-2.0
"""The events of the machine as a part that may fail without stopping the rest: the newest, and a log."""

import threading
from collections import deque
from pathlib import Path
from typing import Protocol

from jepa.errors import JepaError
from jepa.service.api import Part
from jepa.telemetry.events.event import Event
from jepa.telemetry.events.eventlog import EventLog, LoggedEvent

KEPT = 1000
"""Newest events kept in memory; the log holds more."""
LIMIT_BYTES = 8 * 2**20
"""Bound of the log on disk."""


class EventWriter(Protocol):
    """What the store needs of an EventLog."""

    def append(self, logged: LoggedEvent) -> None:
        """Write one event; JepaError when there is no room."""

    def tail(self, count: int) -> list[LoggedEvent]:
        """The newest ``count`` events, oldest first."""

    def close(self) -> None:
        """Write what is left."""


class EventStore:
    """Keeps events in memory and, where there is one, in a log; may be used from several threads."""

    def __init__(self, log: EventWriter | None, *, fault: JepaError | None = None) -> None:
        self._log = log
        self._fault = fault
        self._lock = threading.Lock()
        self._newest: deque[LoggedEvent] = deque(log.tail(KEPT) if log else (), maxlen=KEPT)
        self._sequence = self._newest[-1].sequence if self._newest else 0

    @classmethod
    def open(cls, directory: Path, limit_bytes: int = LIMIT_BYTES) -> "EventStore":
        """The log in ``directory``, created when missing; a store with a fault when that is impossible."""
        try:
            return cls(EventLog(directory, limit_bytes))
        except JepaError as fault:
            return cls(None, fault=fault)

    def append(self, event: Event) -> LoggedEvent | None:
        """Keep one event under the next number; None when it is known already.

        What the log cannot take stays in memory alone.
        """
        with self._lock:
            if any(event == known.event for known in self._newest):
                return None
            self._sequence += 1
            logged = LoggedEvent(self._sequence, event)
            self._newest.append(logged)
            if self._log is not None:
                try:
                    self._log.append(logged)
                    self._fault = None
                except JepaError as fault:
                    self._fault = fault
        return logged

    def newest(self, since_ns: int, limit: int) -> list[LoggedEvent]:
        """The newest ``limit`` events that happened after ``since_ns``, in the order they were heard of."""
        with self._lock:
            later = [logged for logged in self._newest if logged.event.ts_ns > since_ns]
        return later[max(0, len(later) - limit) :]

    def after(self, sequence: int, limit: int = KEPT) -> list[LoggedEvent]:
        """The first ``limit`` events that follow number ``sequence``, whatever their clock said.

        JepaError (410) when there is no such number yet: the log was begun anew since it was given out.
        """
        with self._lock:
            if sequence > self._sequence:
                raise JepaError(
                    f"There is no event number {sequence}: the newest is {self._sequence}.",
                    "The event log was begun anew. Ask after number 0.",
                    status=410,
                )
            return [logged for logged in self._newest if logged.sequence > sequence][:limit]

    @property
    def sequence(self) -> int:
        """The number of the newest event, 0 before the first."""
        with self._lock:
            return self._sequence

    def part(self) -> Part:
        """The state of the event log."""
        if self._fault is not None:
            return Part(
                name="events", state="degraded", reason=self._fault.problem, remedy=self._fault.remedy
            )
        if self._log is None:
            return Part(name="events", state="off", reason="Events are kept in memory only.")
        return Part(name="events", state="ok")

    def close(self) -> None:
        """Close the log."""
        with self._lock:
            if self._log is not None:
                self._log.close()
                self._log = None
