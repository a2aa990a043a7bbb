# SPDX-License-Identifier: Apache-2.0
"""The loop of the service: a frame a period into the log, the model, the ring and whoever listens."""

import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from jepa import __version__
from jepa.errors import JepaError
from jepa.service import answers, checks, tuners
from jepa.service.alerting import Alerting
from jepa.service.api import (
    AlertKind,
    Budget,
    ChannelInfo,
    Doctor,
    EventOut,
    ForecastOut,
    FrameOut,
    Part,
    Status,
    TickOut,
)
from jepa.service.broadcast import Broadcast
from jepa.service.events import KEPT, EventStore
from jepa.service.history import History, contiguous_tail
from jepa.service.predictor import Loaded, Predictor
from jepa.service.subscription import Subscription
from jepa.service.usage import Usage
from jepa.telemetry.clocks import Instant, read_clocks
from jepa.telemetry.events.event import Event
from jepa.telemetry.frame import Frame
from jepa.telemetry.frame_source import FrameSource
from jepa.telemetry.histogram import Histogram
from jepa.telemetry.sampler import Sampler
from jepa.world.forecast import Tick

RING_FRAMES = 600
"""Frames kept in memory: ten minutes at 1 Hz."""
LISTEN_S = 60.0
"""Longest wait for the next item of a stream within this process, before the end is looked for again."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One frame of the ring, the tick it gave, and what was counted since the frame before."""

    sequence: int
    frame: Frame
    tick: Tick | None
    histograms: tuple[Histogram, ...] = ()


class Listener:
    """One reader of ticks and events, which is given no event twice."""

    def __init__(self, reader: Subscription[Entry | EventOut], earlier: Sequence[EventOut]) -> None:
        self.reader = reader
        self._earlier = list(earlier)
        self._sequence = 0

    @property
    def ended(self) -> bool:
        """True when nothing more will come."""
        return self.reader.ended

    def take(self, timeout_s: float) -> list[Entry | EventOut]:
        """Whatever is there, after waiting up to ``timeout_s`` for something or the end."""
        earlier, self._earlier = self._earlier, []
        taken: list[Entry | EventOut] = []
        for each in (*earlier, *self.reader.take(0.0 if earlier else timeout_s)):
            if isinstance(each, EventOut):
                if each.sequence <= self._sequence:
                    continue
                self._sequence = each.sequence
            taken.append(each)
        return taken


class _Clock:
    """The kernel's clocks, with a sleep that ends when the engine stops."""

    def __init__(self, stopped: threading.Event) -> None:
        self._stopped = stopped

    def monotonic(self) -> float:
        return time.monotonic()

    def wall_ns(self) -> int:
        return time.time_ns()

    def sleep(self, seconds: float) -> None:
        self._stopped.wait(seconds)


class Engine:
    """Takes frames in a thread of its own until stopped; its methods may be called from any thread."""

    def __init__(
        self,
        source: FrameSource,
        history: History,
        load: Callable[[], Loaded] | None,
        *,
        mode: Literal["daemon", "local"] = "daemon",
        period_s: float = 1.0,
        events: EventStore | None = None,
        alerts_file: Path | None = None,
        clocks: Callable[[], Instant] = read_clocks,
    ) -> None:
        self.schema = source.schema
        self.mode: Literal["daemon", "local"] = mode
        self.period_s = period_s
        self.usage = Usage()
        self.history = history
        self.event_store = events or EventStore(None)
        self.predictor = Predictor(load)
        self.frames_taken = 0
        self._taken = threading.Condition()
        self.loop_at = time.monotonic()
        """When the loop last came round, on the monotonic clock; what the watchdog looks at."""
        self._source = source
        self._stopped = threading.Event()
        self._sampler = Sampler(source, period_s, _Clock(self._stopped))
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._lock = threading.Lock()
        self._ring: deque[Entry] = deque(maxlen=RING_FRAMES)
        self.broadcast: Broadcast[Entry | EventOut] = Broadcast()
        self._telling = threading.Lock()
        self._read_fault: JepaError | None = None
        self._timing = checks.Timing(period_s)
        self.alerting = Alerting(self.schema, alerts_file)
        self._clocks = clocks

    def start(self) -> None:
        """Take up the frames on disk, then sample."""
        for sequence, frame in enumerate(self.history.tail(RING_FRAMES)):
            self._ring.append(Entry(sequence, frame, None))
        self._thread.start()

    def stop(self) -> None:
        """End the loop and every stream, and close the log."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()
        self.broadcast.end()
        self.history.close()
        self.event_store.close()
        self.alerting.close()
        self._source.close()

    def _run(self) -> None:
        sequence = self._ring[-1].sequence + 1 if self._ring else 0
        while not self._stopped.is_set():
            self.loop_at = time.monotonic()
            try:
                frame = self._sampler.next()
            except Exception as error:  # whatever a source raises, the service goes on and says so
                self._read_fault = _unreadable(error)
                continue
            if self._stopped.is_set():
                return
            self._read_fault = None
            self._timing.add(self._clocks(), self._sampler.missed)
            self.history.append(frame)
            tick = self.predictor.tick(sequence, frame, self._known)
            for event in self.alerting.look(frame, tick):
                self.tell(event)
            entry = Entry(sequence, frame, tick, tuple(self._source.histograms()))
            sequence += 1
            with self._lock:
                self._ring.append(entry)
            with self._taken:
                self.frames_taken += 1
                self._taken.notify_all()
            self.broadcast.publish(entry)
            if self.frames_taken == 1:
                # Not earlier: on a slow machine loading would hold up the first frame, which others await.
                self.predictor.start(self._known)

    def tell(self, event: Event) -> None:
        """Keep one event and give it to whoever listens."""
        with self._telling:  # events reach every reader in the order of their numbers
            logged = self.event_store.append(event)
            if logged is None:
                return
            self.alerting.hear(event)
            self.broadcast.publish(answers.event_out(logged))

    def _known(self, count: int) -> Sequence[tuple[int, Frame]]:
        entries = self.entries(count)
        kept = len(contiguous_tail([entry.frame for entry in entries]))
        return [(entry.sequence, entry.frame) for entry in entries[len(entries) - kept :]]

    def entries(self, limit: int = RING_FRAMES) -> list[Entry]:
        """The newest ``limit`` entries of the ring, oldest first."""
        with self._lock:
            ring = list(self._ring)
        return ring[len(ring) - min(limit, len(ring)) :]

    def wait_for_frames(self, count: int, timeout_s: float) -> bool:
        """Whether ``count`` frames were taken since the start, after at most ``timeout_s`` of waiting."""
        with self._taken:
            return self._taken.wait_for(lambda: self.frames_taken >= count, timeout_s)

    @property
    def missed(self) -> int:
        """Periods with no frame since the start."""
        return self._sampler.missed

    def channels(self) -> list[ChannelInfo]:
        """The channel schema."""
        return answers.channel_infos(self.schema)

    def frames(self, *, since_ns: int = 0, limit: int = 300) -> list[FrameOut]:
        """The newest ``limit`` frames of the ring after ``since_ns``, oldest first."""
        after = [entry.frame for entry in self.entries() if entry.frame.ts_ns > since_ns]
        return [answers.frame_out(self.schema, frame) for frame in after[max(0, len(after) - limit) :]]

    def forecast(self, channels: Sequence[str] = (), horizon_s: int | None = None) -> ForecastOut:
        """The newest forecast; JepaError: 404 or 422 for a name or horizon it lacks, 503 without one."""
        for name in channels:
            self.schema.index(name)
        newest = self.entries(1)
        if not newest or newest[0].tick is None:
            raise self.predictor.why_not()
        entry = newest[0]
        assert entry.tick is not None
        return answers.forecast_out(self.schema, entry.frame, entry.tick.forecast, channels, horizon_s)

    def events(self, *, since_ns: int = 0, limit: int = 100, after: int | None = None) -> list[EventOut]:
        """The newest ``limit`` events since ``since_ns``; with ``after``, the first that follow that number.

        JepaError (410) when there is no such number yet.
        """
        if after is None:
            found = self.event_store.newest(since_ns, limit)
        else:
            found = [each for each in self.event_store.after(after, KEPT) if each.event.ts_ns > since_ns][
                :limit
            ]
        return [answers.event_out(logged) for logged in found]

    def alert_kinds(self) -> list[AlertKind]:
        """Every kind of alert, what it came to so far, and whether it is muted."""
        return self.alerting.kinds(time.time_ns())

    def tick_out(self, entry: Entry, channels: Sequence[str] = ()) -> TickOut:
        """``entry`` as a message, of ``channels`` alone where some are named."""
        return answers.tick_out(self.schema, entry, channels)

    def listen(self, channels: Sequence[str] = (), after: int | None = None) -> Listener:
        """Ticks and events from now on, with ``after`` also the events that follow that number.

        JepaError: 404 for an unknown channel, 410 for a number that is not known, 503 for too many streams.
        """
        for name in channels:
            self.schema.index(name)
        reader = self.broadcast.subscribe()
        try:
            earlier = [] if after is None else self.events(after=after, limit=KEPT)
        except JepaError:
            self.broadcast.unsubscribe(reader)
            raise
        return Listener(reader, earlier)

    def stream(self, channels: Sequence[str] = (), after: int | None = None) -> Iterator[TickOut | EventOut]:
        """What ``listen`` gives, as messages, until the engine stops."""
        listener = self.listen(channels, after)
        try:
            while not listener.ended:
                for each in listener.take(LISTEN_S):
                    yield each if isinstance(each, EventOut) else self.tick_out(each, channels)
        finally:
            self.broadcast.unsubscribe(listener.reader)

    def status(self) -> Status:
        """State of each part, and the budget used."""
        newest = self.entries(1)
        tick = newest[0].tick if newest else None
        context, limit = self.predictor.context
        budget = self._budget()
        parts = self._parts(budget)
        return Status(
            version=__version__,
            host=socket.gethostname(),
            mode=self.mode,
            state=checks.overall(parts),
            uptime_s=round(self.usage.uptime_s, 1),
            pack=self.predictor.pack,
            frames=self.frames_taken,
            missed=self.missed,
            context_frames=context,
            context_limit=limit,
            last_frame_ns=newest[0].frame.ts_ns if newest else None,
            surprise=round(tick.surprise.probability, 5) if tick and tick.surprise else None,
            parts=parts,
            sources=checks.source_states(self._source.sources()),
            budget=budget,
        )

    def doctor(self) -> Doctor:
        """Every check, with a remedy where one is not ok."""
        status = self.status()
        sources = checks.source_parts(status.sources)
        return Doctor(state=status.state, checks=[*status.parts, *sources, *tuners.found()])

    def _budget(self) -> Budget:
        times = self.predictor.times
        return Budget(
            cpu_percent=round(self.usage.cpu_percent, 2),
            rss_mib=round(self.usage.rss_mib, 1),
            history_mib=round(self.history.size_mib, 3),
            history_limit_mib=self.history.limit_bytes / 2**20,
            tick_ms_p50=times.quantile(0.5),
            tick_ms_p99=times.quantile(0.99),
        )

    def _parts(self, budget: Budget) -> list[Part]:
        return [
            checks.telemetry(self.frames_taken, self._read_fault, self.schema, self._source.sources()),
            self.history.part(),
            self.event_store.part(),
            self.alerting.part(time.time_ns()),
            self.predictor.part(),
            self._timing.schedule(),
            self._timing.clock(time.monotonic()),
            checks.budget(budget, self.period_s),
        ]


def _unreadable(error: Exception) -> JepaError:
    if isinstance(error, JepaError):
        return error
    return JepaError(
        f"No frame could be read: {type(error).__name__}: {error}.", "jepad tries again every second."
    )
