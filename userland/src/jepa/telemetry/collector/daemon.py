# SPDX-License-Identifier: Apache-2.0
"""jepa-telemetry: publishes a frame a period, and the events between them, on a local socket."""

import argparse
import asyncio
import os
import signal
import socket
import sys
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from jepa.errors import JepaError
from jepa.long_turns import take_long_turns
from jepa.notify import Notifier
from jepa.sockets import listen
from jepa.telemetry.clocks import ClockWatch, Instant, in_words, read_clocks
from jepa.telemetry.collector.messages import EventMessage, Hello, Observed, Sources, encode
from jepa.telemetry.collector.privileges import drop_capabilities
from jepa.telemetry.collector.publisher import Publisher
from jepa.telemetry.collector.socket_path import SOCKET
from jepa.telemetry.events.event import Event
from jepa.telemetry.frame_source import FrameSource
from jepa.telemetry.sampler import Grid
from jepa.telemetry.source_state import SourceState

KEPT_EVENTS = 256
"""Newest events that a new reader is sent."""


class Hub(Protocol):
    """What the collector needs of an EventHub."""

    async def run(self, on_event: Callable[[Event], object]) -> None:
        """Publish events as they happen, until cancelled."""

    def sources(self) -> list[SourceState]:
        """How each source of events does."""


class Collector:
    """One machine's frames and events, published at one socket."""

    def __init__(
        self,
        machine: FrameSource,
        hub: Hub,
        listener: socket.socket,
        period_s: float,
        clocks: Callable[[], Instant] = read_clocks,
    ) -> None:
        self._machine = machine
        self._hub = hub
        self._clocks = clocks
        self._watch = ClockWatch()
        self._grid = Grid(period_s)
        self._hello = Hello(
            machine.schema.version, machine.schema.digest, period_s, instance=uuid.uuid4().hex
        )
        self._events: deque[bytes] = deque(maxlen=KEPT_EVENTS)
        self._numbered = 0
        self._sources: Sources | None = None
        self.publisher = Publisher(listener, self._greeting)
        self.frames = 0

    @property
    def missed(self) -> int:
        """Periods that passed without a frame."""
        return self._grid.missed

    async def run(self, on_frame: Callable[[], object]) -> None:
        """Collect until cancelled; ``on_frame`` is called after each frame."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self.publisher.fileno(), self.publisher.accept)
        events = asyncio.create_task(self._hub.run(self.publish))
        try:
            while True:
                # Not loop.time(): its clock is the same, but the grid is also used without a loop.
                await asyncio.sleep(self._grid.next(time.monotonic()))
                self._collect()
                on_frame()
        finally:
            events.cancel()
            await asyncio.gather(events, return_exceptions=True)
            loop.remove_reader(self.publisher.fileno())
            self.publisher.close()

    def publish(self, event: Event) -> None:
        """Publish one event."""
        packet = encode(EventMessage(self._numbered, event))
        self._numbered += 1
        self._events.append(packet)
        self.publisher.send(packet)

    def _collect(self) -> None:
        self._look_at_the_clocks()
        frame = self._machine.read()
        self.frames += 1
        sources = Sources((*self._machine.sources(), *self._hub.sources()), self.missed)
        if sources != self._sources:
            self._sources = sources
            self.publisher.send(encode(sources))
        if self.publisher.readers:
            self.publisher.send(encode(Observed(frame, tuple(self._machine.histograms()))))

    def _look_at_the_clocks(self) -> None:
        now = self._clocks()
        change = self._watch.look(now)
        if change.suspended_s:
            detail = f"suspended for {in_words(change.suspended_s)}"
            self.publish(Event(now.wall_ns, "suspended", None, detail, "info", "collector"))
        if by := change.set_by_s:
            detail = f"set {'forward' if by > 0 else 'back'} by {abs(by):.0f} s"
            self.publish(Event(now.wall_ns, "clock_jumped", None, detail, "warning", "collector"))

    def _greeting(self) -> list[bytes]:
        states = [encode(self._sources)] if self._sources is not None else []
        return [encode(self._hello), *states, *self._events]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the collector until SIGTERM or SIGINT; 1 with one sentence when it cannot start."""
    parser = argparse.ArgumentParser(
        prog="jepa-telemetry",
        description="Watch this machine through eBPF and the kernel's files; publish on a local socket.",
    )
    parser.add_argument(
        "--socket", type=Path, default=SOCKET, help="where to publish (default: %(default)s)"
    )
    parser.add_argument(
        "--period", type=float, default=1.0, metavar="S", help="seconds from frame to frame (default: 1)"
    )
    args = parser.parse_args(argv)
    take_long_turns()
    try:
        collect(args.socket, args.period)
    except JepaError as error:
        print(f"jepa-telemetry: {error}", file=sys.stderr)
        return 1
    return 0


def collect(path: Path, period_s: float = 1.0) -> None:
    """Collect this machine until SIGTERM or SIGINT; JepaError when ``path`` cannot be used."""
    from jepa.telemetry.events.hub import open_events
    from jepa.telemetry.events.reports import SOCKET_NAME
    from jepa.telemetry.machine import open_machine

    notifier = Notifier()
    notifier.send(STATUS="Loading programs into the kernel.")
    machine = open_machine(kernel=True, own_cost=True)
    hub = open_events(path.with_name(SOCKET_NAME))
    try:
        drop_capabilities()
        # Only now: whoever connects may expect frames from then on.
        listener = listen(path, socket.SOCK_SEQPACKET, "jepa-telemetry")
    except OSError as error:
        raise JepaError(
            f"The collector's capabilities cannot be dropped: {error.strerror}.",
            "Start it with systemctl start jepa-telemetry.",
        ) from error
    try:
        asyncio.run(_until_told(Collector(machine, hub, listener, period_s), notifier))
    finally:
        machine.close()
        path.unlink(missing_ok=True)


async def _until_told(collector: Collector, notifier: Notifier) -> None:
    loop = asyncio.get_running_loop()
    running = asyncio.create_task(collector.run(lambda: _say(collector, notifier)))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.cancel)
    try:
        await running
    except asyncio.CancelledError:
        notifier.send(STOPPING=1)


_SAY_EVERY = 10
"""Frames between two words to the service manager; its watchdog waits longer."""


def _say(collector: Collector, notifier: Notifier) -> None:
    if collector.frames == 1:
        print(f"jepa-telemetry: process {os.getpid()} collects", file=sys.stderr, flush=True)
        notifier.send(READY=1, STATUS="The first frame is taken.")
    if collector.frames % _SAY_EVERY == 0:
        lost = collector.publisher.lost
        notifier.send(
            WATCHDOG=1,
            STATUS=f"{collector.frames} frames, {collector.missed} missed, {lost} packets lost.",
        )
