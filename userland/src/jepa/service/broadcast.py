# SPDX-License-Identifier: Apache-2.0
"""Gives every tick and event to all who listen; one who is too slow loses the oldest, and it is counted."""

import threading
from typing import Generic, TypeVar

from jepa.errors import JepaError
from jepa.service.subscription import Subscription

Item = TypeVar("Item")

QUEUE = 16
"""Items a slow reader may fall behind before it loses the oldest."""
READERS = 32
"""Readers at a time; more are refused, so that nobody can fill the memory."""


class Broadcast(Generic[Item]):
    """The open subscriptions; may be used from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._readers: list[Subscription[Item]] = []
        self._lost = 0
        self._ended = False

    def publish(self, item: Item) -> None:
        """Give ``item`` to every reader."""
        with self._lock:
            readers = list(self._readers)
        for reader in readers:
            reader.put(item)

    def subscribe(self) -> Subscription[Item]:
        """What is published from now on; JepaError (503) when too many subscriptions are open."""
        reader: Subscription[Item] = Subscription(QUEUE)
        with self._lock:
            if len(self._readers) >= READERS:
                raise JepaError(
                    f"{READERS} streams are open, which is the limit.",
                    "Close one and try again.",
                    status=503,
                )
            self._readers.append(reader)
            ended = self._ended
        if ended:
            reader.end()
        return reader

    def unsubscribe(self, reader: Subscription[Item]) -> None:
        """Forget ``reader``."""
        with self._lock:
            if reader in self._readers:
                self._readers.remove(reader)
                self._lost += reader.lost

    def end(self) -> None:
        """End every subscription, and each that is still to be opened."""
        with self._lock:
            self._ended = True
            readers, self._readers = self._readers, []
        for reader in readers:
            reader.end()

    @property
    def lost(self) -> int:
        """Items that readers were too slow for."""
        with self._lock:
            return self._lost + sum(reader.lost for reader in self._readers)

    @property
    def readers(self) -> int:
        """Open subscriptions."""
        with self._lock:
            return len(self._readers)
