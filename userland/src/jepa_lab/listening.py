# SPDX-License-Identifier: Apache-2.0
"""Reads the events of this machine in a thread of its own while a session is recorded."""

import asyncio
import contextlib
import threading
from collections.abc import Callable

from jepa.telemetry.events.event import Event
from jepa.telemetry.events.hub import EventHub, open_failures


class Listening:
    """Calls ``on_event`` with each event as it happens, for as long as the context lasts."""

    def __init__(
        self, on_event: Callable[[Event], object], opened: Callable[[], EventHub] = open_failures
    ) -> None:
        self._on_event, self._opened = on_event, opened
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Listening":
        self._hub = self._opened()
        self._task = self._loop.create_task(self._hub.run(self._on_event))
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join()
        self._loop.close()

    def _run(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._task)
