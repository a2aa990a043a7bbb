# SPDX-License-Identifier: Apache-2.0
"""The engine samples whatever fails around it, and says what failed."""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from jepa.errors import JepaError
from jepa.service.api import EventOut, Part, TickOut
from jepa.service.broadcast import QUEUE, READERS
from jepa.service.engine import Engine
from jepa.service.history import History, contiguous_tail
from jepa.service.predictor import Loaded
from jepa.service.ring import RING_FRAMES
from jepa.telemetry.clocks import Instant, read_clocks
from jepa.telemetry.events.event import Event
from jepa.telemetry.frame import Frame
from jepa.telemetry.histogram import Histogram
from jepa.telemetry.schema import Schema, load_schema
from jepa.telemetry.source_state import SourceState
from jepa.world.forecast import Forecast, Tick

SCHEMA = load_schema()
SECOND = 1_000_000_000
START_NS = 1_780_000_000 * SECOND


def frame(ts_ns: int) -> Frame:
    values = np.full(len(SCHEMA.channels), 7.0, np.float32)
    return Frame(ts_ns=ts_ns, values=values, valid=np.ones(len(values), np.bool_))


@dataclass
class Recorded:
    """Gives frames of the times it was made with; an exception in their place is raised."""

    times: Iterator[int | Exception]
    schema: Schema = SCHEMA
    closed: bool = False

    def read(self) -> Frame:
        now = next(self.times)
        if isinstance(now, Exception):
            raise now
        return frame(now)

    def sources(self) -> list[SourceState]:
        return [SourceState("recorded", True, len(SCHEMA.channels), len(SCHEMA.channels), "")]

    def histograms(self) -> list[Histogram]:
        return []

    def close(self) -> None:
        self.closed = True


def every_second(start_ns: int = START_NS) -> Iterator[int]:
    return itertools.count(start_ns, SECOND)


@dataclass
class Noting:
    """A model that notes which frames it saw, and fails where told."""

    fail: Callable[[Frame], bool] = lambda frame: False
    context_limit: int = 128
    unfamiliar: bool = False
    seen: list[int] = field(default_factory=list)
    ticked: list[int] = field(default_factory=list)

    @property
    def context_frames(self) -> int:
        return min(len(self.seen), self.context_limit)

    def replay(self, frames: Sequence[Frame]) -> None:
        self.seen += [frame.ts_ns for frame in frames]

    def tick(self, frame: Frame) -> Tick:
        if self.fail(frame):
            raise RuntimeError("a graph gave NaN")
        self.replay([frame])
        self.ticked.append(frame.ts_ns)
        bands = np.ones((len(SCHEMA.channels), 1, 1), np.float32)
        forecast = Forecast(frame.ts_ns, SCHEMA.names, (1,), (0.5,), bands, bands)
        return Tick(forecast, None, self.context_frames, 0.1)


@pytest.fixture
def run() -> Iterator[Callable[..., Engine]]:
    engines: list[Engine] = []

    def started(
        times: Iterator[int | Exception],
        model: Noting | None = None,
        history: History | None = None,
        clocks: Callable[[], Instant] = read_clocks,
    ) -> Engine:
        load = (lambda: Loaded("noting 1", model)) if model else None
        engine = Engine(Recorded(times), history or History(None), load, period_s=0.01, clocks=clocks)
        engines.append(engine)
        engine.start()
        return engine

    yield started
    for engine in engines:
        engine.stop()


def part(engine: Engine, name: str) -> Part:
    return next(part for part in engine.status().parts if part.name == name)


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_frames_reach_the_ring_the_model_and_the_reader(run: Callable[..., Engine]) -> None:
    model = Noting()
    engine = run(every_second(), model)
    ticks = engine.stream()
    first, second = next(ticks), next(ticks)
    assert isinstance(first, TickOut) and isinstance(second, TickOut)
    assert second.frame.ts_ns - first.frame.ts_ns == SECOND
    until(lambda: engine.forecast().channels)
    assert [part(engine, name).state for name in ("telemetry", "model")] == ["ok", "ok"]
    assert engine.status().pack == "noting 1"
    ticks.close()
    assert engine.broadcast.readers == 0


def test_a_source_that_raises_is_named_and_sampling_goes_on(run: Callable[..., Engine]) -> None:
    times: list[int | Exception] = [START_NS, OSError("gone"), OSError("gone")]
    engine = run(itertools.chain(times, itertools.repeat(OSError("gone"), 100), every_second()))
    until(lambda: part(engine, "telemetry").state == "failed")
    assert "gone" in part(engine, "telemetry").reason
    assert engine.status().state == "failed"
    until(lambda: part(engine, "telemetry").state == "ok")


def test_a_model_that_raises_is_named_and_heals(run: Callable[..., Engine]) -> None:
    model = Noting(fail=lambda frame: START_NS + 5 * SECOND < frame.ts_ns < START_NS + 60 * SECOND)
    engine = run(every_second(), model)
    until(lambda: "a graph gave NaN" in part(engine, "model").reason)
    assert part(engine, "telemetry").state == "ok"
    with pytest.raises(JepaError, match="a graph gave NaN"):
        until(lambda: engine.forecast() and False)
    until(lambda: part(engine, "model").state == "ok")


def test_doctor_says_when_this_machine_is_unlike_those_the_pack_knows(run: Callable[..., Engine]) -> None:
    engine = run(every_second(), Noting(unfamiliar=True))
    # Until the model is loaded it is degraded for that reason.
    until(lambda: "unlike those that noting 1 was trained on" in part(engine, "model").reason)
    (check,) = [check for check in engine.doctor().checks if check.name == "model"]
    assert check.state == "degraded"
    assert check.remedy


def test_a_model_that_cannot_be_loaded_gives_its_reason(run: Callable[..., Engine]) -> None:
    def refuse() -> Loaded:
        raise JepaError("The pack is damaged.", "Install it again.")

    engine = Engine(Recorded(every_second()), History(None), refuse, period_s=0.01)
    engine.start()
    try:
        assert engine.ring.wait(2, 20)
        assert engine.predictor.settled.wait(20)
        model = part(engine, "model")
        assert (model.state, model.reason, model.remedy) == (
            "degraded",
            "The pack is damaged.",
            "Install it again.",
        )
        with pytest.raises(JepaError, match="damaged") as refused:
            engine.forecast()
        assert refused.value.status == 503
    finally:
        engine.stop()


def test_the_model_sees_every_frame_once_in_order_though_it_loads_late() -> None:
    model = Noting(context_limit=RING_FRAMES)

    def slow() -> Loaded:
        time.sleep(0.3)
        return Loaded("noting 1", model)

    engine = Engine(Recorded(every_second()), History(None), slow, period_s=0.01)
    engine.start()
    try:
        until(lambda: len(model.ticked) > 5)
    finally:
        engine.stop()
    assert len(model.seen) > len(model.ticked)
    assert model.seen == [START_NS + k * SECOND for k in range(len(model.seen))]


def test_a_restart_warms_the_model_from_the_log(tmp_path: Path, run: Callable[..., Engine]) -> None:
    first = run(every_second(), Noting(), History.open(tmp_path, SCHEMA))
    assert first.ring.wait(5, 20)
    first.stop()
    before = [entry.frame.ts_ns for entry in first.ring.newest()]
    model = Noting()
    second = run(every_second(before[-1] + SECOND), model, History.open(tmp_path, SCHEMA))
    until(lambda: model.ticked)
    assert model.seen[: len(before)] == before
    assert second.frames()[0].ts_ns == before[0]
    assert second.status().frames < len(second.ring.newest())


def test_frames_before_a_reboot_are_no_context() -> None:
    times = [0, 1, 2, 500, 501, 502]
    frames = [frame(START_NS + second * SECOND) for second in times]
    assert [kept.ts_ns for kept in contiguous_tail(frames)] == [
        START_NS + s * SECOND for s in (500, 501, 502)
    ]
    assert contiguous_tail([]) == []


@pytest.mark.parametrize("by_s", [-3600, 3600])
def test_a_jump_of_the_clock_is_told_and_sampling_goes_on(
    run: Callable[..., Engine], by_s: int, tmp_path: Path
) -> None:
    here = time.time_ns()
    shift = itertools.chain(itertools.repeat(0, 5), itertools.repeat(by_s * SECOND))
    model = Noting()
    frames, readings = itertools.tee(here + by for by in shift)
    engine = run(
        frames, model, History.open(tmp_path, SCHEMA), clocks=lambda: Instant(here / 1e9, next(readings))
    )
    until(lambda: part(engine, "clock").state == "degraded")
    assert f"{by_s:+d} s" in part(engine, "clock").reason
    taken = engine.ring.taken
    until(lambda: engine.ring.taken > taken + 3)
    assert part(engine, "history").state == "ok"
    assert part(engine, "model").state == "ok"


def test_a_slow_reader_loses_the_oldest_and_is_counted(run: Callable[..., Engine]) -> None:
    engine = run(every_second())
    slow = engine.broadcast.subscribe()
    until(lambda: slow.lost >= 3)
    entries = slow.take()
    assert len(entries) <= QUEUE
    sequences = [entry.sequence for entry in entries]
    assert sequences == list(range(sequences[0], sequences[0] + len(sequences)))
    assert engine.broadcast.lost >= 3
    engine.broadcast.unsubscribe(slow)
    assert engine.broadcast.lost >= 3


def test_too_many_readers_are_refused(run: Callable[..., Engine]) -> None:
    engine = run(every_second())
    readers = [engine.broadcast.subscribe() for _ in range(READERS)]
    with pytest.raises(JepaError, match="limit") as refused:
        engine.broadcast.subscribe()
    assert refused.value.status == 503
    engine.broadcast.unsubscribe(readers[0])
    engine.broadcast.subscribe()


def test_the_ring_keeps_ten_minutes(run: Callable[..., Engine], tmp_path: Path) -> None:
    history = History.open(tmp_path, SCHEMA)
    for second in range(RING_FRAMES + 50):
        history.append(frame(START_NS + second * SECOND))
    history.close()
    newest = START_NS + (RING_FRAMES + 50) * SECOND
    engine = run(every_second(newest), None, History.open(tmp_path, SCHEMA))
    assert engine.ring.wait(3, 20)
    assert len(engine.ring.newest()) == RING_FRAMES
    assert len(engine.frames(limit=5)) == 5
    assert [out.ts_ns for out in engine.frames(since_ns=newest)][:1] == [newest + SECOND]


def test_stopping_ends_streams_and_closes_the_source(run: Callable[..., Engine]) -> None:
    source = Recorded(every_second())
    engine = Engine(source, History(None), None, period_s=0.01)
    engine.start()
    ticks = engine.stream()
    next(ticks)
    engine.stop()
    list(ticks)
    assert source.closed


def test_a_stream_gives_events_by_number_and_none_twice(run: Callable[..., Engine]) -> None:
    engine = run(every_second())
    late, later = (
        Event(ts_ns, "io_error", unit, None, "error", "kmsg") for ts_ns, unit in ((2, "sda"), (1, "sdb"))
    )
    engine.add_event(late)
    stream = engine.stream(after=0)
    events = (each for each in stream if isinstance(each, EventOut))
    assert (first := next(events)).unit == "sda"
    engine.add_event(late)
    engine.add_event(later)
    second = next(events)
    assert (second.unit, second.sequence) == ("sdb", first.sequence + 1)
    stream.close()
