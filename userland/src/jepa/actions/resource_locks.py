# SPDX-License-Identifier: Apache-2.0
"""One change at a time for each resource, different resources side by side."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Final

from jepa.errors import JepaError

IN_FLIGHT_S: Final = 10.0
"""How long a call waits for another one on the same resource."""


class ResourceLocks:
    """One lock for each resource, for as long as somebody wants it."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._locks: dict[str, tuple[threading.Lock, int]] = {}

    @contextlib.contextmanager
    def hold(self, key: str) -> Iterator[None]:
        """Hold the lock of ``key``; JepaError (409) when somebody keeps it for long, as while watching."""
        with self._mutex:
            lock, users = self._locks.get(key, (threading.Lock(), 0))
            self._locks[key] = (lock, users + 1)
        try:
            if not lock.acquire(timeout=IN_FLIGHT_S):
                raise JepaError(
                    f"Another change of {key.rpartition(':')[2]} is in flight.",
                    "Wait until it is committed, or take it back with `jepa undo`.",
                    status=409,
                )
            try:
                yield
            finally:
                lock.release()
        finally:
            with self._mutex:
                lock, users = self._locks.pop(key)
                if users > 1:
                    self._locks[key] = (lock, users - 1)
