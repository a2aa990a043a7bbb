# SPDX-License-Identifier: Apache-2.0
"""Questions that may never be answered, asked in a thread of their own so that frames go on meanwhile."""

import errno
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Generic, TypeVar

A = TypeVar("A")

_PATIENCE_S = 0.2
"""A frame waits no longer for an answer, and after that not at all until it has come."""


class Helper(Generic[A]):
    """One thread that answers one question each time it is asked.

    A network file system without its server, or a disk that is failing, holds whoever asks. Then the one
    thread waits, and nobody asks again meanwhile. It starts at the first question, so that it has no more
    privileges than the process kept.
    """

    def __init__(self, name: str, question: Callable[[], A]) -> None:
        """``question`` is called in the thread, and must not raise."""
        self._name = name
        self._question = question
        self._asked: SimpleQueue[bool] = SimpleQueue()
        self._answers: SimpleQueue[A] = SimpleQueue()
        self._thread: Thread | None = None
        self._waiting = False

    def ask(self) -> A:
        """The answer. Raises TimeoutError when there is none in time, or none yet to an earlier question."""
        if self._thread is None:
            self._thread = Thread(target=self._serve, name=self._name, daemon=True)
            self._thread.start()
        if self._waiting and self._answers.empty():
            raise TimeoutError(errno.ETIMEDOUT, "no answer")
        if self._waiting:
            self._answers.get()  # it came too late, and nobody knows for which second
        self._asked.put(True)
        self._waiting = True
        try:
            answer = self._answers.get(timeout=_PATIENCE_S)
        except Empty:
            raise TimeoutError(errno.ETIMEDOUT, "no answer") from None
        self._waiting = False
        return answer

    def close(self) -> None:
        """Let the thread end, once it can."""
        self._asked.put(False)

    def _serve(self) -> None:
        while self._asked.get():
            self._answers.put(self._question())
