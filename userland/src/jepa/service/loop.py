# SPDX-License-Identifier: Apache-2.0
"""The loop of the service: a frame a period into the history, the model, the ring and whoever listens."""

import threading
import time
from collections.abc import Callable

from jepa.errors import JepaError
from jepa.service import checks, serialisation
from jepa.service.alerting import Alerting
from jepa.service.api import EventOut, Part
from jepa.service.broadcast import Broadcast
from jepa.service.events import EventStore
from jepa.service.history import History
from jepa.service.predictor import Predictor
from jepa.service.ring import RING_FRAMES, Entry, Ring
from jepa.service.running_figures import RunningFigures
from jepa.service.share import Share
from jepa.telemetry.clocks import Instant
from jepa.telemetry.events.event import Event
from jepa.telemetry.frame_source import FrameSource
from jepa.telemetry.sampler import Sampler


class _Clock:
    """The kernel's clocks, with a sleep that ends when the loop stops."""

    def __init__(self, stopped: threading.Event) -> None:
        self._stopped = stopped

    def monotonic(self) -> float:
        return time.monotonic()

    def wall_ns(self) -> int:
        return time.time_ns()

    def sleep(self, seconds: float) -> None:
        self._stopped.wait(seconds)


class FrameLoop:
    """Takes frames in a thread of its own until stopped."""

    def __init__(
        self,
        source: FrameSource,
        history: History,
        predictor: Predictor,
        alerting: Alerting,
        events: EventStore,
        period_s: float,
        clocks: Callable[[], Instant],
        share: Share,
    ) -> None:
        self.source = source
        self.history = history
        self.predictor = predictor
        self.alerting = alerting
        self.events = events
        self.ring = Ring()
        self.figures = RunningFigures(source.schema)
        self.broadcast: Broadcast[Entry | EventOut] = Broadcast()
        self.at = time.monotonic()
        """When the loop last came round, on the monotonic clock; what the watchdog looks at."""
        self.fault: JepaError | None = None
        """Why the last frame could not be read, or None."""
        self._clocks = clocks
        self._period_s, self._share = period_s, share
        self._timing = checks.Timing(period_s)
        self._stopped = threading.Event()
        self._sampler = Sampler(source, period_s, _Clock(self._stopped))
        self._thread = threading.Thread(target=self._run, name="frames", daemon=True)
        self._ordered = threading.Lock()

    @property
    def missed(self) -> int:
        """Periods with no frame since the start."""
        return self._sampler.missed

    def start(self) -> None:
        """Take up the frames on disk, then sample."""
        self.ring.restore(self.history.tail(RING_FRAMES))
        self._thread.start()

    def stop(self) -> None:
        """End the loop and every stream, and close what it writes to and reads from."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()
        self.broadcast.end()
        self.history.close()
        self.events.close()
        self.alerting.close()
        self.source.close()

    def add_event(self, event: Event) -> None:
        """Log an event and give it to every reader, unless it is logged already; for any thread."""
        with self._ordered:  # events reach every reader in the order of their numbers
            logged = self.events.append(event)
            if logged is None:
                return
            self.alerting.hear(event)
            self.broadcast.publish(serialisation.event_out(logged))

    def parts(self) -> list[Part]:
        """The state of everything the loop feeds, in the order of a frame's way."""
        sources = self.source.sources()
        return [
            checks.telemetry(self.ring.taken, self.fault, self.source.schema, sources),
            self.history.part(),
            self.events.part(),
            self.alerting.part(time.time_ns()),
            self.predictor.part(),
            self._timing.schedule(),
            self._timing.clock(time.monotonic()),
        ]

    def _run(self) -> None:
        sequence = self.ring.next_sequence
        while not self._stopped.is_set():
            self.at = time.monotonic()
            try:
                frame = self._sampler.next()
            except Exception as error:  # whatever a source raises, the service goes on and says so
                self.fault = _unreadable(error)
                continue
            if self._stopped.is_set():
                return
            self.fault = None
            begin_s, used_s = time.monotonic(), time.thread_time()
            self._timing.add(self._clocks(), self.missed)
            self.history.append(frame)
            tick = self.predictor.tick(sequence, frame, self.ring.contiguous)
            self.figures.push(frame, tick, self.predictor.said_by)
            for event in self.alerting.look(frame, tick):
                self.add_event(event)
            entry = Entry(sequence, frame, tick, tuple(self.source.histograms()))
            sequence += 1
            self.ring.append(entry)
            self.broadcast.publish(entry)
            if tick is not None or self.predictor.settled.is_set():  # until then it loads, as fast as it can
                took_s = time.monotonic() - begin_s
                self._share.waited(took_s - (time.thread_time() - used_s), self._period_s)
            if self.ring.taken == 1:
                # Not earlier: on a slow machine loading would hold up the first frame, which others await.
                self.predictor.start(self.ring.contiguous)


def _unreadable(error: Exception) -> JepaError:
    if isinstance(error, JepaError):
        return error
    return JepaError(
        f"No frame could be read: {type(error).__name__}: {error}.", "jepad tries again every second."
    )
