# SPDX-License-Identifier: Apache-2.0
"""A bounded queue between the engine and one reader: a slow reader loses the oldest, and it is counted."""

import threading
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Subscription(Generic[Item]):
    """What one reader has yet to read."""

    def __init__(self, limit: int) -> None:
        self.lost = 0
        """Items dropped because the reader was too slow."""
        self._items: deque[Item] = deque()
        self._limit = limit
        self._ended = False
        self._changed = threading.Condition()

    def put(self, item: Item) -> None:
        """Add ``item``, in place of the oldest when the queue is full."""
        with self._changed:
            if len(self._items) == self._limit:
                self._items.popleft()
                self.lost += 1
            self._items.append(item)
            self._changed.notify()

    def end(self) -> None:
        """Signal to the reader that nothing more will come."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    @property
    def ended(self) -> bool:
        """True when nothing more will come."""
        return self._ended

    def take(self, timeout_s: float = 0.0) -> list[Item]:
        """Whatever is there, after waiting up to ``timeout_s`` for something or the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._ended, timeout_s)
            items = list(self._items)
            self._items.clear()
            return items

    def __iter__(self) -> Iterator[Item]:
        """Items as they come, until the end."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._items or self._ended)
                if not self._items:
                    return
                item = self._items.popleft()
            yield item
