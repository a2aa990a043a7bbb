# SPDX-License-Identifier: Apache-2.0
"""The feed: the collector's frames while it speaks, this process's own while it does not."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jepa.sockets import listen
from jepa.telemetry.clocks import Instant, read_clocks
from jepa.telemetry.collector.daemon import Collector
from jepa.telemetry.collector.feed import CollectorFeed
from jepa.telemetry.events.event import Event
from jepa.telemetry.frame import Frame
from jepa.telemetry.histogram import Histogram
from jepa.telemetry.schema import Schema, load_schema
from jepa.telemetry.source_state import SourceState

SCHEMA = load_schema().select(["system.cpu.utilization", "system.memory.utilization"])
PERIOD_S = 0.02
HISTOGRAM = Histogram("system.cpu.run_queue.latency", "us", {"role": "system"}, (0, 3, 1))


class Counting:
    """Frames whose first channel counts and whose second is absent."""

    def __init__(self, start: int = 0, schema: Schema = SCHEMA) -> None:
        self.schema = schema
        self.closed = False
        self._count = start

    def read(self) -> Frame:
        self._count += 1
        values = np.array([self._count, np.nan], np.float32)
        return Frame(self._count, values, ~np.isnan(values))

    def histograms(self) -> list[Histogram]:
        return [HISTOGRAM]

    def sources(self) -> list[SourceState]:
        return [SourceState("counting", True, 1, 2, "")]

    def close(self) -> None:
        self.closed = True


class Quiet:
    """A hub without events of its own."""

    async def run(self, on_event: Callable[[Event], object]) -> None:
        await asyncio.Event().wait()

    def sources(self) -> list[SourceState]:
        return [SourceState("quiet", True, 0, 0, "")]


def event(detail: str) -> Event:
    return Event(ts_ns=1, kind="unit_failed", unit="a.service", detail=detail)


class Running:
    """A collector in a thread of its own."""

    def __init__(self, path: Path, machine: Counting, clocks: Callable[[], Instant] = read_clocks) -> None:
        self.frames = 0
        listener = listen(path, socket.SOCK_SEQPACKET, "jepa-telemetry")
        self.collector = Collector(machine, Quiet(), listener, PERIOD_S, clocks)
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None
        self._path = path
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        async def main() -> None:
            self._task = asyncio.current_task()
            await self.collector.run(self._on_frame)

        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(main())
        self._loop.close()

    def _on_frame(self) -> None:
        self.frames += 1

    def publish(self, event: Event) -> None:
        self._loop.call_soon_threadsafe(self.collector.publish, event)

    def stop(self) -> None:
        if self._thread.is_alive():
            until(lambda: self._task is not None)
            assert self._task is not None
            self._loop.call_soon_threadsafe(self._task.cancel)
            self._thread.join()
            self._path.unlink(missing_ok=True)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.fixture
def start(place: Path) -> Iterator[Callable[..., Running]]:
    running: list[Running] = []

    def started(machine: Counting | None = None, **options: Any) -> Running:
        running.append(Running(place / "t", machine or Counting(), **options))
        return running[-1]

    yield started
    for each in running:
        each.stop()


@pytest.fixture
def make(place: Path) -> Iterator[Callable[..., CollectorFeed]]:
    feeds: list[CollectorFeed] = []

    def made(on_event: Callable[[Event], object] = lambda event: None) -> CollectorFeed:
        feeds.append(CollectorFeed(place / "t", SCHEMA, lambda: Counting(1000), retry_s=0.05))
        feeds[-1].listen(on_event)
        return feeds[-1]

    yield made
    for feed in feeds:
        feed.close()


def test_frames_are_the_collectors_each_once_and_in_order(
    start: Callable[..., Running], make: Callable[..., CollectorFeed]
) -> None:
    start()
    feed = make()
    values = [float(feed.read().values[0]) for _ in range(10)]
    assert values == sorted(set(values))
    assert values[-1] < 1000
    assert feed.connected


def test_absent_channels_stay_absent_and_histograms_come_along(
    start: Callable[..., Running], make: Callable[..., CollectorFeed]
) -> None:
    start()
    feed = make()
    frame = feed.read()
    assert frame.valid.tolist() == [True, False]
    assert feed.histograms() == [HISTOGRAM]


def test_the_state_of_every_source_is_told(
    start: Callable[..., Running], make: Callable[..., CollectorFeed]
) -> None:
    start()
    feed = make()
    feed.read()
    assert [state.name for state in feed.sources()] == ["collector", "counting", "quiet"]


def test_without_a_collector_frames_are_read_here_and_the_reason_is_told(
    make: Callable[..., CollectorFeed],
) -> None:
    feed = make()
    assert feed.read().values[0] == 1001
    collector, own = feed.sources()
    assert not collector.ok
    assert "does not run" in collector.reason
    assert own.name == "counting"


def test_a_collector_that_dies_is_replaced_and_taken_up_again_when_it_comes_back(
    start: Callable[..., Running], make: Callable[..., CollectorFeed]
) -> None:
    first = start()
    feed = make()
    assert feed.read().values[0] < 1000
    first.stop()
    until(lambda: feed.read().values[0] > 1000)
    assert "went away" in feed.sources()[0].reason or "does not run" in feed.sources()[0].reason
    start(Counting(500))
    until(lambda: 500 < feed.read().values[0] < 1000)
    assert feed.connected


def test_each_time_that_the_collector_is_away_the_own_counters_begin_anew(
    start: Callable[..., Running], make: Callable[..., CollectorFeed]
) -> None:
    feed = make()
    assert [float(feed.read().values[0]) for _ in range(2)] == [1001, 1002]
    back = start()
    until(lambda: feed.read().values[0] < 1000)
    back.stop()
    seen: list[float] = []
    until(lambda: bool(seen.append(float(feed.read().values[0])) or seen[-1] > 1000))
    assert seen[-1] == 1001


def test_a_reader_that_falls_behind_gets_the_newest_frame(
    start: Callable[..., Running], make: Callable[..., CollectorFeed]
) -> None:
    collector = start()
    feed = make()
    feed.read()
    until(lambda: collector.frames > 20)
    assert feed.read().values[0] >= 20


def test_events_come_once_even_over_a_new_connection(
    start: Callable[..., Running], make: Callable[..., CollectorFeed]
) -> None:
    collector = start()
    collector.publish(event("before anybody listens"))
    got: list[Event] = []
    feed = make(got.append)
    until(lambda: bool(feed.read()) and len(got) == 1)
    collector.publish(event("while connected"))
    until(lambda: bool(feed.read()) and len(got) == 2)
    feed._disconnect("a fault on the way")
    collector.publish(event("after"))
    until(lambda: bool(feed.read()) and len(got) == 3)
    assert [each.detail for each in got] == ["before anybody listens", "while connected", "after"]


def test_a_silent_reader_costs_the_others_nothing(
    start: Callable[..., Running], make: Callable[..., CollectorFeed], place: Path
) -> None:
    collector = start()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as silent:
        silent.connect(str(place / "t"))
        until(lambda: collector.collector.publisher.readers == 1)
        for _ in range(3000):
            collector.publish(event("x" * 1000))
        feed = make()
        until(lambda: feed.read().values[0] < 1000)
        assert collector.collector.publisher.lost > 0


@pytest.mark.parametrize("packet", [b"", b"{", b"[]", b"null", b'{"type":"hello"}', b"\xff" * 100])
def test_garbage_is_no_collector(place: Path, make: Callable[..., CollectorFeed], packet: bytes) -> None:
    with listen(place / "t", socket.SOCK_SEQPACKET, "somebody") as listener:

        def answer() -> None:
            reader, _ = listener.accept()
            with reader:
                reader.send(packet)

        threading.Thread(target=answer, daemon=True).start()
        feed = make()
        assert feed.read().values[0] == 1001
        assert not feed.sources()[0].ok


def test_a_collector_with_other_channels_is_not_believed(
    start: Callable[..., Running], make: Callable[..., CollectorFeed]
) -> None:
    start(Counting(schema=SCHEMA.select(SCHEMA.names[::-1])))
    feed = make()
    assert feed.read().values[0] == 1001
    assert "other channels" in feed.sources()[0].reason


def test_a_clock_that_is_set_is_one_event(
    start: Callable[..., Running], make: Callable[..., CollectorFeed]
) -> None:
    ahead_s = 0

    def clocks() -> Instant:
        now = read_clocks()
        return now._replace(wall_ns=now.wall_ns + ahead_s * 1_000_000_000)

    running = start(clocks=clocks)
    told: list[Event] = []
    feed = make(told.append)
    feed.read()
    ahead_s = -3600
    until(lambda: bool(feed.read() and told))
    until(lambda: running.frames > 20)
    feed.read()
    assert [(each.kind, each.detail) for each in told] == [("clock_jumped", "set back by 3600 s")]


def test_a_suspend_is_information_and_no_set_clock(
    start: Callable[..., Running], make: Callable[..., CollectorFeed]
) -> None:
    slept_s = 0

    def clocks() -> Instant:
        now = read_clocks()
        return Instant(now.monotonic_s, now.wall_ns + slept_s * 1_000_000_000, now.suspended_s + slept_s)

    running = start(clocks=clocks)
    told: list[Event] = []
    feed = make(told.append)
    feed.read()
    slept_s = 3600
    until(lambda: bool(feed.read() and told))
    until(lambda: running.frames > 20)
    feed.read()
    assert [(each.kind, each.detail, each.severity) for each in told] == [
        ("suspended", "suspended for 1 h", "info")
    ]
