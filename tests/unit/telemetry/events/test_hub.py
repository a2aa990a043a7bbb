# SPDX-License-Identifier: Apache-2.0
"""The hub: events of all sources, and a source that breaks is tried again alone."""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

from jepa.telemetry.events.conditions import Conditions
from jepa.telemetry.events.event import Event
from jepa.telemetry.events.hub import EventHub, open_events
from jepa.telemetry.events.reporting import EventReporter
from jepa.telemetry.events.reports import Reports, WatchState
from jepa.telemetry.source_state import SourceState


class Spoken:
    """A source whose events are what is written to a socket; ``broken`` breaks it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ours, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._theirs.setblocking(False)

    @property
    def fd(self) -> int:
        return self._theirs.fileno()

    def ready(self) -> list[Event]:
        text = self._theirs.recv(100).decode()
        if text == "broken":
            raise OSError(5, "Input/output error")
        return [Event(1, "fs_error", text, None, "error", self.name)]

    def close(self) -> None:
        self.ours.close()
        self._theirs.close()


class Opened:
    """Opens a new source each time, except for the first ``failures`` times."""

    def __init__(self, name: str, failures: int = 0) -> None:
        self.made: list[Spoken] = []
        self._name = name
        self._failures = failures

    def __call__(self) -> Spoken:
        if self._failures:
            self._failures -= 1
            raise FileNotFoundError(2, "No such file or directory", "/dev/nothing")
        self.made.append(Spoken(self._name))
        return self.made[-1]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def run_with(hub: EventHub, got: list[Event]) -> "asyncio.Task[None]":
    task = asyncio.create_task(hub.run(got.append))
    await asyncio.sleep(0.02)
    return task


async def stop(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_events_of_every_source_are_told() -> None:
    one, two = Opened("one"), Opened("two")
    got: list[Event] = []
    hub = EventHub({"one": one, "two": two})
    task = await run_with(hub, got)
    one.made[0].ours.send(b"a")
    two.made[0].ours.send(b"b")
    await until(lambda: len(got) == 2)
    assert {event.source for event in got} == {"one", "two"}
    await stop(task)


async def test_a_source_that_breaks_is_opened_again_and_the_others_go_on() -> None:
    one, two = Opened("one"), Opened("two")
    got: list[Event] = []
    hub = EventHub({"one": one, "two": two}, retry_s=(0.02, 0.1))
    task = await run_with(hub, got)
    one.made[0].ours.send(b"broken")
    await until(lambda: not hub.sources()[0].ok)
    assert "Input/output error" in hub.sources()[0].reason
    two.made[0].ours.send(b"b")
    await until(lambda: len(got) == 1)
    await until(lambda: len(one.made) == 2 and hub.sources()[0].ok)
    one.made[1].ours.send(b"a")
    await until(lambda: len(got) == 2)
    await stop(task)


async def test_a_source_that_cannot_be_opened_says_why_and_is_tried_again() -> None:
    late = Opened("late", failures=2)
    hub = EventHub({"late": late}, retry_s=(0.02, 0.1))
    assert hub.sources()[0].reason == "/dev/nothing: No such file or directory"
    got: list[Event] = []
    task = await run_with(hub, got)
    await until(lambda: hub.sources()[0].ok)
    late.made[0].ours.send(b"a")
    await until(lambda: len(got) == 1)
    await stop(task)


async def test_what_is_reported_of_cameras_is_told_and_their_state_shown(place: Path) -> None:
    path = place / "reports.sock"
    hub = EventHub({"one": Opened("one"), "vision": lambda: Reports(path)})
    got: list[Event] = []
    task = await run_with(hub, got)
    with contextlib.closing(EventReporter(path)) as reporter:
        reporter.report_state(WatchState(False, "/dev/video0 is gone."))
        reporter.report(Event(time.time_ns(), "camera_lost", "/dev/video0", "gone", "warning"))
        await until(lambda: len(got) == 1)
    assert (got[0].kind, got[0].source) == ("camera_lost", "vision")
    assert hub.sources()[1] == SourceState("vision", False, 0, 0, "/dev/video0 is gone.")
    await stop(task)
    assert not path.exists()


async def test_stopping_closes_every_descriptor() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    hub = EventHub({"one": Opened("one"), "two": Opened("two")})
    await stop(await run_with(hub, []))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_this_machines_sources_open_or_say_why_not(place: Path) -> None:
    hub = open_events(place / "reports.sock")
    try:
        *own, cameras = hub.sources()
        for state in own:
            assert state.ok != bool(state.reason), state
        assert (cameras.ok, cameras.reason) == (True, "no camera is watched")
        if os.geteuid() == 0 and Path("/dev/kmsg").exists():
            assert hub.sources()[0].ok, hub.sources()[0]
    finally:
        hub.close()


async def test_a_condition_that_ended_is_told(tmp_path: Path) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    mounts = tmp_path / "proc/self/mountinfo"
    mounts.write_text("36 35 8:1 / /home rw - ext4 /dev/a ro\n")
    one = Opened("one")
    got: list[Event] = []
    hub = EventHub({"one": one}, conditions=Conditions(tmp_path), check_s=0.02)
    task = await run_with(hub, got)
    one.made[0].ours.send(b"8:1")
    await until(lambda: len(got) == 1)
    mounts.write_text("")
    await until(lambda: len(got) == 2)
    assert [(each.kind, each.unit) for each in got] == [("fs_error", "8:1"), ("fs_recovered", "8:1")]
    await stop(task)
