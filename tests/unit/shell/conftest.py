# SPDX-License-Identifier: Apache-2.0
"""A client that plays recorded frames, with forecasts a seasonal rule makes: no service, no clock."""

import math
import queue
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

import pytest

from jepa.errors import JepaError
from jepa.service.api import (
    Band,
    Budget,
    ChannelInfo,
    EventOut,
    ForecastOut,
    FrameOut,
    HistogramOut,
    Part,
    Status,
    TickOut,
)

START_NS = 1_780_000_000_000_000_000
HORIZONS = (1, 5, 15, 30, 60)


def channel(name: str, unit: str = "%", high: float = 100.0, noise_floor: float = 1.0) -> ChannelInfo:
    return ChannelInfo(
        name=name, unit=unit, low=0.0, high=high, noise_floor=noise_floor, source="test", description=name
    )


CHANNELS = [
    channel("system.cpu.utilization"),
    channel("system.memory.utilization", noise_floor=0.5),
    channel("system.disk.io.write", "KiB/s", 1e7, 64.0),
    channel("system.pressure.cpu.some"),
    channel("system.pressure.memory.some"),
    channel("system.pressure.io.some"),
    channel("system.network.io.receive", "KiB/s", 1e7, 16.0),
    channel("hw.battery.charge"),
]


def recorded(seconds: int) -> list[FrameOut]:
    """A machine with a periodic load, a burst of writes and no battery."""
    rng = random.Random(7)
    frames = []
    for k in range(seconds):
        busy = 30 + 25 * math.sin(k / 9) + rng.gauss(0, 3)
        burst = 9000 * math.exp(-(((k % 97) - 30) ** 2) / 60)
        values: dict[str, float | None] = {
            "system.cpu.utilization": max(busy, 0.5),
            "system.memory.utilization": 41 + k / 40,
            "system.disk.io.write": max(120 + burst + rng.gauss(0, 40), 0.0),
            "system.pressure.cpu.some": max(busy - 35, 0) / 3,
            "system.pressure.memory.some": 0.0,
            "system.pressure.io.some": burst / 600,
            "system.network.io.receive": 3 + abs(rng.gauss(0, 2)),
            "hw.battery.charge": None,
        }
        frames.append(FrameOut(ts_ns=START_NS + k * 1_000_000_000, values=values))
    return frames


def forecast(frames: Sequence[FrameOut], at: int) -> ForecastOut:
    """What came one period (57 s) earlier, and a spread that grows with the horizon."""
    channels: dict[str, list[Band]] = {}
    for name in frames[0].values:
        bands = []
        for h in HORIZONS:
            seen = [f.values[name] for f in frames[max(at - 56, 0) : max(at - 56, 0) + h]]
            known = [v for v in seen if v is not None]
            if not known:
                continue
            middle, spread = fmean(known), 0.4 + 0.08 * fmean(known) + 0.02 * h
            quantiles = {"0.05": max(middle - spread, 0.0), "0.5": middle, "0.95": middle + spread}
            bands.append(Band(horizon_s=h, mean=quantiles, p90=quantiles))
        if bands:
            channels[name] = bands
    return ForecastOut(ts_ns=frames[at].ts_ns, unit={c.name: c.unit for c in CHANNELS}, channels=channels)


class RecordedClient:
    """Plays frames: some as history, ``play`` more on the stream, then waits for ``go``."""

    def __init__(self, history: int = 100, play: int = 100) -> None:
        self.recording = recorded(history + play + 200)
        self.position = history
        self.script: queue.Queue[int | JepaError] = queue.Queue()
        self.script.put(play)
        self.left = 0
        self.down: JepaError | None = None
        self.happened: list[EventOut] = []
        self.histograms: list[HistogramOut] = []
        self.standing: list[dict[str, Any]] = []
        self.changes: list[dict[str, Any]] = []
        self.asked: list[tuple[str, ...]] = []
        """The channels that each stream was asked for."""

    def go(self, ticks: int) -> None:
        self.script.put(ticks)

    def fail(self, problem: str, remedy: str) -> None:
        self.down = JepaError(problem, remedy, status=503)
        self.script.put(self.down)

    def _answer(self) -> None:
        if self.down is not None:
            raise self.down

    def status(self) -> Status:
        self._answer()
        return Status(
            version="0.1.0",
            host="testhost",
            mode="daemon",
            state="ok",
            uptime_s=200.0,
            pack="machine 0.1.0",
            frames=self.position,
            missed=0,
            context_frames=min(self.position, 128),
            context_limit=128,
            last_frame_ns=self.recording[self.position].ts_ns,
            surprise=0.31,
            parts=[Part(name="telemetry", state="ok")],
            sources=[],
            budget=Budget(
                cpu_percent=0.6,
                rss_mib=88.0,
                history_mib=1.0,
                history_limit_mib=64.0,
                tick_ms_p50=0.7,
                tick_ms_p99=1.9,
            ),
        )

    def channels(self) -> list[ChannelInfo]:
        self._answer()
        return list(CHANNELS)

    def frames(self, *, since_ns: int = 0, limit: int = 300) -> list[FrameOut]:
        self._answer()
        return [f for f in self.recording[: self.position] if f.ts_ns > since_ns][-limit:]

    def forecast(self, channels: Sequence[str] = (), horizon_s: int | None = None) -> ForecastOut:
        self._answer()
        return forecast(self.recording, self.position)

    def events(self, *, since_ns: int = 0, limit: int = 100, after: int | None = None) -> list[EventOut]:
        if after is not None:
            return [event for event in self.happened if event.sequence > after][:limit]
        return [event for event in self.happened if event.ts_ns > since_ns][-limit:]

    def tasks(self) -> list[dict[str, Any]]:
        self._answer()
        return self.standing

    def history(self, limit: int = 50) -> list[dict[str, Any]]:
        self._answer()
        return self.changes[:limit]

    def stream(self, channels: Sequence[str] = (), after: int | None = None) -> Iterator[TickOut | EventOut]:
        self._answer()
        self.asked.append(tuple(channels))
        sent = self.happened[-1].sequence if after is None and self.happened else after or 0
        while True:
            for event in self.events(after=sent):
                sent = event.sequence
                yield event
            if not self.left:
                step = self.script.get()
                if isinstance(step, JepaError):
                    raise step
                self.left = step
            while self.left:  # what is left when a reader goes is for the next one
                self.left -= 1
                yield self.tick(channels)

    def tick(self, channels: Sequence[str] = ()) -> TickOut:
        at, self.position = self.position, self.position + 1
        frame, ahead = self.recording[at], forecast(self.recording, at)
        if channels:
            frame = replace(frame, values={name: frame.values[name] for name in channels})
            ahead = replace(
                ahead, channels={name: each for name, each in ahead.channels.items() if name in channels}
            )
        return TickOut(
            sequence=at,
            frame=frame,
            forecast=ahead,
            surprise=0.31,
            surprise_channels=[],
            tick_ms=0.7,
            histograms=self.histograms,
        )

    def close(self) -> None:
        self.script.put(JepaError("closed", ""))


@pytest.fixture
def recorded_client() -> Callable[..., RecordedClient]:
    return RecordedClient


@pytest.fixture
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have Textual's pilot look every 5 ms, not 20, whether the shell is at rest; a key is three looks."""
    monkeypatch.setattr("textual._wait.SLEEP_GRANULARITY", 0.005)
    monkeypatch.setattr("textual._wait.SLEEP_IDLE", 0.00025)
