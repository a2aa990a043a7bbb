# SPDX-License-Identifier: Apache-2.0
"""The events of the machine as a part that may fail without stopping the rest: the newest, and a log."""

import threading
from collections import deque
from pathlib import Path
from typing import Protocol

from jepa.errors import JepaError
from jepa.service.api import Part
from jepa.telemetry.events.event import Event

KEPT = 1000
"""Newest events kept in memory; the log holds more."""
LIMIT_BYTES = 8 * 2**20
"""Bound of the log on disk."""


class Log(Protocol):
    """What the store needs of an EventLog."""

    def append(self, event: Event) -> None:
        """Write one event; JepaError when there is no room."""

    def tail(self, count: int) -> list[Event]:
        """The newest ``count`` events, oldest first."""

    def close(self) -> None:
        """Write what is left."""


class EventStore:
    """Keeps events in memory and, where there is one, in a log; may be used from several threads."""

    def __init__(self, log: Log | None, *, fault: JepaError | None = None) -> None:
        self._log = log
        self._fault = fault
        self._lock = threading.Lock()
        self._newest: deque[Event] = deque(log.tail(KEPT) if log else (), maxlen=KEPT)

    @classmethod
    def open(cls, directory: Path, limit_bytes: int = LIMIT_BYTES) -> "EventStore":
        """The log in ``directory``, created when missing; a store with a fault when that is impossible."""
        from jepa.telemetry.events.eventlog import EventLog

        try:
            return cls(EventLog(directory, limit_bytes))
        except JepaError as fault:
            return cls(None, fault=fault)

    def append(self, event: Event) -> bool:
        """Keep one event; False when it is known already, as after a restart of whoever tells it.

        What the log cannot take stays in memory alone.
        """
        with self._lock:
            if event in self._newest:
                return False
            self._newest.append(event)
            if self._log is not None:
                try:
                    self._log.append(event)
                    self._fault = None
                except JepaError as fault:
                    self._fault = fault
        return True

    def newest(self, since_ns: int, limit: int) -> list[Event]:
        """The newest ``limit`` events after ``since_ns``, oldest first."""
        with self._lock:
            after = [event for event in self._newest if event.ts_ns > since_ns]
        return after[max(0, len(after) - limit) :]

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
