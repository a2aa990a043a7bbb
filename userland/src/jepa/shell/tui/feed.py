# SPDX-License-Identifier: Apache-2.0
"""All that the full screen reads: the service and /proc, in threads of its own, posted as typed messages."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from textual.message import Message

from jepa.errors import JepaError
from jepa.service.api import ChannelInfo, Client, EventOut, FrameOut, Status, TickOut
from jepa.shell.processes import ProcessTable, Use

HISTORY: Final = 150
"""Frames asked for at the start, so that strips show a past at once."""
SURVEYED: Final = 60
"""Frames of all channels by which those worth a strip are chosen."""
EVENTS: Final = 8
"""Events of before that are named at the start."""
STATUS_EVERY = 5
"""Ticks between two readings of the status."""
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 15.0
PROCESSES_S: Final = 3.0
"""Between two looks at the processes; the first two come sooner."""
SOON_S: Final = 0.5
STANDING_S: Final = 4.0
"""Between two looks at what stands changed."""
SURVEY_S: Final = 20.0
"""Between two looks at the channels that are not drawn."""
CHANGES: Final = 50
LOG: Final = 300
"""Events that are read when a person wants to see them."""


class Connected(Message):
    """The service answers: its channels, its status, and the frames missed meanwhile, of all channels."""

    def __init__(self, channels: list[ChannelInfo], status: Status, frames: list[FrameOut]) -> None:
        super().__init__()
        self.channels = channels
        self.status = status
        self.frames = frames


class Before(Message):
    """What happened before the shell was opened, oldest first."""

    def __init__(self, events: list[EventOut]) -> None:
        super().__init__()
        self.events = events


class Ticked(Message):
    """One tick of the stream, of the channels that are drawn."""

    def __init__(self, tick: TickOut) -> None:
        super().__init__()
        self.tick = tick


class Surveyed(Message):
    """Frames of every channel, oldest first."""

    def __init__(self, frames: list[FrameOut]) -> None:
        super().__init__()
        self.frames = frames


class StatusRead(Message):
    """A fresh status, and the mode in which faults are repaired."""

    def __init__(self, status: Status, autonomy: str) -> None:
        super().__init__()
        self.status = status
        self.autonomy = autonomy


class EventsArrived(Message, bubble=False):
    """Events that a person should see, oldest first."""

    def __init__(self, events: list[EventOut]) -> None:
        super().__init__()
        self.events = events


class EventsRead(Message, bubble=False):
    """The newest events of the log, oldest first, as they were asked for."""

    def __init__(self, events: list[EventOut]) -> None:
        super().__init__()
        self.events = events


class ProcessesRead(Message, bubble=False):
    """What every process used since the last look."""

    def __init__(self, uses: list[Use]) -> None:
        super().__init__()
        self.uses = uses


class StandingRead(Message, bubble=False):
    """Tasks and changes, as JSON has them."""

    def __init__(self, tasks: list[dict[str, Any]], changes: list[dict[str, Any]]) -> None:
        super().__init__()
        self.tasks = tasks
        self.changes = changes


class Lost(Message):
    """The service does not answer; the next try is in ``retry_s`` seconds."""

    def __init__(self, error: JepaError, retry_s: float) -> None:
        super().__init__()
        self.error = error
        self.retry_s = retry_s


class Feed:
    """Reads until stopped; after a failure tries again, waiting twice as long each time, up to 15 s."""

    def __init__(
        self,
        client: Client,
        post: Callable[[Message], object],
        processes: ProcessTable,
        autonomy: Callable[[], str],
    ) -> None:
        self._client = client
        self._post = post
        self._processes = processes
        self._autonomy = autonomy
        self._stopped = threading.Event()
        self._look = threading.Event()
        self._events_wanted = threading.Event()
        self._drawn: tuple[str, ...] = ()
        self._reachable = threading.Event()
        self._last_ns = 0
        self._last_event: int | None = None
        self._wait_s = FIRST_WAIT_S
        # Daemon threads: they may sit in a read that only ends when the service speaks.
        self._threads = [
            threading.Thread(target=self._run, name="jepa-stream", daemon=True),
            threading.Thread(target=self._look_around, name="jepa-looks", daemon=True),
        ]

    def start(self) -> None:
        """Start reading."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop at the next tick or wait; does not block."""
        self._stopped.set()
        self._look.set()

    def draw(self, names: Sequence[str]) -> None:
        """Ask the stream for these channels alone from the next tick on; for all while none are named."""
        self._drawn = tuple(names)

    def look(self) -> None:
        """Read what stands changed, and channels that were not drawn, now and not at the next turn."""
        self._look.set()

    def read_events(self) -> None:
        """Read the newest of the log, once."""
        self._events_wanted.set()
        self._look.set()

    # The stream

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._connect()
                while not self._stopped.is_set():
                    self._follow(self._drawn)
                return
            except JepaError as raised:
                error = raised
            except Exception as raised:  # a client's bug must show on screen, not freeze it
                error = JepaError(f"Reading the service failed: {type(raised).__name__}: {raised}.", "")
            self._reachable.clear()
            if self._stopped.is_set():
                return
            self._post(Lost(error, self._wait_s))
            self._stopped.wait(self._wait_s)
            self._wait_s = min(self._wait_s * 2, LONGEST_WAIT_S)

    def _connect(self) -> None:
        frames = self._client.frames(since_ns=self._last_ns, limit=HISTORY)
        channels = self._client.channels()
        status = self._client.status()
        first = self._last_event is None
        newest = self._client.events(limit=EVENTS) if first else []
        # Only now, together: what is said apart is drawn apart, and a slow line is sent the screen twice.
        self._post(Connected(channels, status, frames))
        self._post(StatusRead(status, self._autonomy()))
        if first:
            self._last_event = newest[-1].sequence if newest else 0
            self._post(Before(newest))
        self._reachable.set()
        self._look.set()

    def _follow(self, drawn: tuple[str, ...]) -> None:
        """Post what comes of ``drawn`` until other channels are wanted; JepaError when the stream ends."""
        ticks = 0
        for each in self._client.stream(drawn, after=self._last_event):
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
                self._post(StatusRead(self._client.status(), self._autonomy()))
            if drawn != self._drawn:
                return
        raise JepaError("The service closed its stream.", "")

    # Slower looks

    def _look_around(self) -> None:
        processes_at = standing_at = time.monotonic()
        survey_at = time.monotonic() + SURVEY_S
        looks = 0
        while not self._stopped.is_set():
            now = time.monotonic()
            asked = self._look.is_set()
            self._look.clear()
            if now >= processes_at:
                if uses := self._processes.look():
                    self._post(ProcessesRead(uses))
                looks += 1
                processes_at = now + (SOON_S if looks == 1 else PROCESSES_S)
            if self._reachable.is_set():
                with suppress(JepaError):  # the stream's thread tells that the service is gone
                    if asked or now >= standing_at:
                        standing_at = now + STANDING_S
                        self._post(StandingRead(self._tasks(), self._client.history(CHANGES)))
                    if self._events_wanted.is_set():
                        self._events_wanted.clear()
                        self._post(EventsRead(self._client.events(limit=LOG)))
                    if asked or now >= survey_at:
                        survey_at = now + SURVEY_S
                        self._post(Surveyed(self._client.frames(limit=SURVEYED)))
            reachable = self._reachable.is_set()
            until = min(processes_at, standing_at, survey_at) if reachable else processes_at
            self._look.wait(max(until - time.monotonic(), 0.1))

    def _tasks(self) -> list[dict[str, Any]]:
        try:
            return self._client.tasks()
        except JepaError as error:
            if error.status == 409:  # a client of this process has none
                return []
            raise
