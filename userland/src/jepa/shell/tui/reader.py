# SPDX-License-Identifier: Apache-2.0
"""Reads the service in a thread of its own and posts what it reads to the app as typed messages."""

import threading
from collections.abc import Callable

from textual.message import Message

from jepa.errors import JepaError
from jepa.service.api import ChannelInfo, Client, EventOut, FrameOut, Status, TickOut

HISTORY = 150
"""Frames asked for at the start, so that strips show a past at once."""
STATUS_EVERY = 5
"""Ticks between two readings of the status."""
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 15.0


class Connected(Message):
    """The service answers: its channels, its status, and the frames missed meanwhile."""

    def __init__(self, channels: list[ChannelInfo], status: Status, frames: list[FrameOut]) -> None:
        super().__init__()
        self.channels = channels
        self.status = status
        self.frames = frames


class Ticked(Message):
    """One tick of the stream."""

    def __init__(self, tick: TickOut) -> None:
        super().__init__()
        self.tick = tick


class StatusRead(Message):
    """A fresh status."""

    def __init__(self, status: Status) -> None:
        super().__init__()
        self.status = status


class EventsArrived(Message):
    """Events that a person should see, oldest first."""

    def __init__(self, events: list[EventOut]) -> None:
        super().__init__()
        self.events = events


class Lost(Message):
    """The service does not answer; the next try is in ``retry_s`` seconds."""

    def __init__(self, error: JepaError, retry_s: float) -> None:
        super().__init__()
        self.error = error
        self.retry_s = retry_s


class ServiceReader:
    """Follows the stream until stopped; tries again after a failure, waiting twice as long, up to 15 s."""

    def __init__(self, client: Client, post: Callable[[Message], object]) -> None:
        self._client = client
        self._post = post
        self._stopped = threading.Event()
        self._retry_now = threading.Event()
        self._last_ns = 0
        self._last_event: int | None = None
        self._wait_s = FIRST_WAIT_S
        # A daemon thread: it may sit in a read that only ends when the service speaks.
        self._thread = threading.Thread(target=self._run, name="jepa-reader", daemon=True)

    def start(self) -> None:
        """Start reading."""
        self._thread.start()

    def stop(self) -> None:
        """Stop at the next tick or wait; does not block."""
        self._stopped.set()
        self._retry_now.set()

    def retry(self) -> None:
        """Try again now instead of waiting."""
        self._retry_now.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._follow()
                error = JepaError("The service closed its stream.", "")
            except JepaError as raised:
                error = raised
            except Exception as raised:  # a client's bug must show on screen, not freeze it
                error = JepaError(f"Reading the service failed: {type(raised).__name__}: {raised}.", "")
            if self._stopped.is_set():
                return
            self._post(Lost(error, self._wait_s))
            self._retry_now.wait(self._wait_s)
            self._retry_now.clear()
            self._wait_s = min(self._wait_s * 2, LONGEST_WAIT_S)

    def _follow(self) -> None:
        frames = self._client.frames(since_ns=self._last_ns, limit=HISTORY)
        self._post(Connected(self._client.channels(), self._client.status(), frames))
        if self._last_event is None:
            newest = self._client.events(limit=1)
            self._last_event = newest[-1].sequence if newest else 0
        ticks = 0
        for each in self._client.stream(after=self._last_event):
            if self._stopped.is_set():
                return
            self._wait_s = FIRST_WAIT_S
            if isinstance(each, EventOut):
                self._last_event = each.sequence
                self._post(EventsArrived([each]))
                continue
            self._last_ns = each.frame.ts_ns
            self._post(Ticked(each))
            ticks += 1
            if ticks % STATUS_EVERY == 0:
                self._post(StatusRead(self._client.status()))
