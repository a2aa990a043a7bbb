# SPDX-License-Identifier: Apache-2.0
"""Threads for work that may take long, made when they are needed and ended when they are not."""

import threading
import traceback
from collections import deque
from collections.abc import Callable
from typing import Final

LINGER_S: Final = 10.0
"""How long a thread waits for more work."""

Task = Callable[[], None]


class Workers:
    """Runs tasks in the order in which they come, ``most`` at a time."""

    def __init__(self, name: str, most: int) -> None:
        self._name = name
        self._most = most
        self._tasks: deque[Task] = deque()
        self._changed = threading.Condition()
        self._threads = 0
        self._idle = 0

    def submit(self, task: Task) -> None:
        """Have ``task`` run by a thread. RuntimeError when there can be none."""
        with self._changed:
            self._tasks.append(task)
            if self._idle >= len(self._tasks):
                self._changed.notify()
            elif self._threads < self._most:
                self._threads += 1
                thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # no memory, or as many tasks as the unit may have
                    self._threads -= 1
                    if not self._threads:
                        self._tasks.remove(task)
                        raise

    def _run(self) -> None:
        while (task := self._next()) is not None:
            try:
                task()
            except Exception:  # a fault of ours, which must not cost the thread
                traceback.print_exc()

    def _next(self) -> Task | None:
        with self._changed:
            self._idle += 1
            try:
                if not self._tasks and not self._changed.wait_for(lambda: bool(self._tasks), LINGER_S):
                    self._threads -= 1
                    return None
                return self._tasks.popleft()
            finally:
                self._idle -= 1
