# SPDX-License-Identifier: Apache-2.0
"""Reports to jepa-telemetry, which puts them among the machine's events; kept while it is away."""

import socket
import threading
from collections import deque
from pathlib import Path

from jepa.telemetry.collector.socket_path import collector_socket
from jepa.telemetry.events.event import Event
from jepa.telemetry.events.reports import SOCKET_NAME, WatchState, encode

_KEPT = 200


class EventReporter:
    """Reports to the socket ``path``; never waits. May be used from several threads."""

    def __init__(self, path: Path | None = None) -> None:
        """``path``: the collector's when None."""
        self.lost = 0
        """Events that could not be kept any longer."""
        self.fault = ""
        """Why the last report was not taken."""
        self._path = str(path or collector_socket().with_name(SOCKET_NAME))
        self._lock = threading.Lock()
        self._waiting: deque[bytes] = deque()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)

    @property
    def waiting(self) -> int:
        """Events that nobody has taken yet."""
        return len(self._waiting)

    def report(self, event: Event) -> None:
        """Report ``event`` now, or when somebody listens again; of those that wait the oldest are let go."""
        with self._lock:
            if len(self._waiting) >= _KEPT:
                self._waiting.popleft()
                self.lost += 1
            self._waiting.append(encode(event))
            self._send_waiting()

    def report_state(self, state: WatchState) -> None:
        """Report how watching does, after what waits; a state that is not taken is not kept."""
        with self._lock:
            if self._send_waiting():
                self._send(encode(state))

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _send_waiting(self) -> bool:
        while self._waiting:
            if not self._send(self._waiting[0]):
                return False
            self._waiting.popleft()
        return True

    def _send(self, datagram: bytes) -> bool:
        try:
            self._socket.sendto(datagram, self._path)
        except OSError as error:
            self.fault = f"{self._path}: {error.strerror}"
            return False
        self.fault = ""
        return True
