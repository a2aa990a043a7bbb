# SPDX-License-Identifier: Apache-2.0
"""All sources of events on one asyncio loop; one that fails is tried again and takes no other with it."""

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

from jepa.errors import JepaError
from jepa.passed import passed_file
from jepa.telemetry.events.conditions import Conditions
from jepa.telemetry.events.event import Event
from jepa.telemetry.events.reports import NAME, Reports
from jepa.telemetry.source_state import SourceState

_RETRY_S = (5.0, 300.0)
"""First wait before a source is tried again, and the longest; each is twice the one before."""


class EventSource(Protocol):
    """Something with a descriptor that is readable when there is news."""

    name: str

    @property
    def fd(self) -> int:
        """The descriptor."""

    def ready(self) -> list[Event]:
        """The events that wait, without blocking; OSError or ValueError when the source is broken."""

    def close(self) -> None:
        """Give back the descriptor."""


@runtime_checkable
class Relay(EventSource, Protocol):
    """A source that passes on the events of another process, and that process's own state."""

    def state(self) -> SourceState:
        """The state that process reports."""


Opener = Callable[[], EventSource]
"""Opens a source; OSError, ValueError, ImportError or JepaError when it cannot be had."""
_CHECK_S = 30.0
"""How often it is looked whether conditions have ended."""
_FAULTS = (OSError, ValueError, ImportError, JepaError)


class EventHub:
    """Watches sources, opened when it is made, so that it may be done before capabilities are dropped."""

    def __init__(
        self,
        openers: Mapping[str, Opener],
        retry_s: tuple[float, float] = _RETRY_S,
        conditions: Conditions | None = None,
        check_s: float = _CHECK_S,
    ) -> None:
        self._openers = dict(openers)
        self._conditions = conditions or Conditions()
        self._check_s = check_s
        self._retry_s = retry_s
        self._open: dict[str, EventSource] = {}
        self._states = {name: SourceState(name, False, 0, 0, "not opened yet") for name in openers}
        for name in openers:
            self._try(name)

    def sources(self) -> list[SourceState]:
        """How each source does."""
        return [self._state(name) for name in self._openers]

    def _state(self, name: str) -> SourceState:
        source = self._open.get(name)
        return source.state() if isinstance(source, Relay) else self._states[name]

    async def run(self, on_event: Callable[[Event], object]) -> None:
        """Report events as they happen, until cancelled; then everything is closed."""

        def report(event: Event) -> None:
            self._conditions.hear(event)
            on_event(event)

        tasks = [asyncio.create_task(self._watch(name, report)) for name in self._openers]
        tasks.append(asyncio.create_task(self._end_conditions(on_event)))
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.close()

    def close(self) -> None:
        """Close every source."""
        for name in list(self._open):
            self._close(name, "closed")

    async def _end_conditions(self, on_event: Callable[[Event], object]) -> None:
        while True:
            await asyncio.sleep(self._check_s)
            for event in self._conditions.ended():
                on_event(event)

    async def _watch(self, name: str, on_event: Callable[[Event], object]) -> None:
        shortest, longest = self._retry_s
        wait = shortest
        while True:
            if name in self._open or self._try(name):
                wait = shortest
                await self._follow(name, on_event)
            await asyncio.sleep(wait)
            wait = min(2 * wait, longest)

    async def _follow(self, name: str, on_event: Callable[[Event], object]) -> None:
        """Report the events of an open source until it breaks."""
        loop = asyncio.get_running_loop()
        source = self._open[name]
        broken = loop.create_future()

        def news() -> None:
            try:
                for event in source.ready():
                    on_event(event)
            except _FAULTS as error:
                if not broken.done():
                    broken.set_result(_reason(error))

        loop.add_reader(source.fd, news)
        try:
            self._close(name, await broken, loop)
        finally:
            if name in self._open:
                loop.remove_reader(source.fd)

    def _try(self, name: str) -> bool:
        try:
            self._open[name] = self._openers[name]()
        except _FAULTS as error:
            self._states[name] = SourceState(name, False, 0, 0, _reason(error))
            return False
        self._states[name] = SourceState(name, True, 0, 0, "")
        return True

    def _close(self, name: str, reason: str, loop: asyncio.AbstractEventLoop | None = None) -> None:
        source = self._open.pop(name)
        if loop is not None:
            loop.remove_reader(source.fd)
        source.close()
        self._states[name] = SourceState(name, False, 0, 0, reason)


def _reason(error: Exception) -> str:
    if isinstance(error, JepaError):
        return error.problem
    if isinstance(error, OSError) and error.errno:
        return f"{error.filename}: {error.strerror}" if error.filename else os.strerror(error.errno)
    return str(error) or type(error).__name__


def open_events(reports: Path) -> EventHub:
    """The events of this machine: the kernel's log, the service manager, udev, the disks' health, cameras.

    What cameras show is heard of at the socket ``reports``.
    """
    rest = {"devices": _open_devices, "health": _open_health, NAME: lambda: _open_reports(reports)}
    return EventHub({**_failures(), **rest})


def open_failures() -> EventHub:
    """What goes wrong on this machine: the kernel's log and the service manager alone."""
    return EventHub(_failures())


def _failures() -> dict[str, Opener]:
    openers: dict[str, Opener] = {"kmsg": _open_kmsg, "units": _open_units}
    bus = user_bus()
    if bus is not None:
        openers["user-units"] = lambda: _open_user_units(bus)
    return openers


def user_bus(environ: Mapping[str, str] = os.environ) -> Path | None:
    """The bus of the person's own service manager (`systemd --user`); None for a process that has none."""
    folder = environ.get("XDG_RUNTIME_DIR")
    return Path(folder) / "bus" if folder and (Path(folder) / "systemd").is_dir() else None


def _open_kmsg() -> EventSource:
    from jepa.telemetry.events.kmsg import KernelLog, load_rules, open_log

    log = passed_file("kmsg")
    if log is None:
        log = open_log()
    else:
        os.set_blocking(log, False)
        os.lseek(log, 0, os.SEEK_END)
    return KernelLog(log, load_rules(), time.time_ns, time.monotonic_ns)


def _open_units() -> EventSource:
    from jepa.telemetry.events.units import Units

    return Units()


def _open_user_units(bus: Path) -> EventSource:
    from jepa.telemetry.events.units import Units

    return Units(bus, name="user-units")


def _open_devices() -> EventSource:
    from jepa.telemetry.events.devices import Devices

    return Devices()


def _open_health() -> EventSource:
    from jepa.telemetry.events.health import HealthReports

    return HealthReports()


def _open_reports(path: Path) -> EventSource:
    return Reports(path)
