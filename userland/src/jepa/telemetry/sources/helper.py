# SPDX-License-Identifier: Apache-2.0
"""Questions that may never be answered, asked in a thread of their own so that frames go on meanwhile."""

from collections.abc import Callable, Hashable, Mapping
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
A = TypeVar("A")

_PATIENCE_S = 0.2
"""A frame waits no longer for what does not answer."""
_AGAIN_S = 30.0
"""After which it is asked again, once it has answered: what is only slow must not hold each frame."""


class Helper(Generic[K, A]):
    """Asks several, one after the other; who does not answer is left alone and the others are asked.

    A network file system without its server, a disk that is failing or a sensor on a bus that is stuck holds
    whoever asks. Then one thread waits for each of these. The first starts at the first question, so that it
    has no more privileges than the process kept.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._asker: _Asker[K, A] | None = None
        self._waiting: dict[K, tuple[_Asker[K, A], float]] = {}

    def ask(self, questions: Mapping[K, Callable[[], A]], now: float) -> dict[K, A]:
        """The answers at ``now``, by seconds of any clock, without those that do not come in time.

        The questions are called in the thread, and must not raise.
        """
        answers: dict[K, A] = {}
        left = {key: question for key, question in questions.items() if not self._waits(key, now)}
        while left:
            if self._asker is None:
                self._asker = _Asker(self._name)
            came, silent = self._asker.ask(left)
            answers |= came
            if silent is None:
                break
            self._waiting[silent] = self._asker, now
            self._asker = None
            left = {key: question for key, question in left.items() if key not in came and key != silent}
        return answers

    @property
    def silent(self) -> frozenset[K]:
        """Those that are left alone."""
        return frozenset(self._waiting)

    def close(self) -> None:
        """Let the threads end, once they can."""
        if self._asker is not None:
            self._asker.close()
            self._asker = None

    def _waits(self, key: K, now: float) -> bool:
        asker, since = self._waiting.get(key, (None, now))
        if asker is None:
            return False
        if asker.is_alive() or now - since < _AGAIN_S:
            return True
        del self._waiting[key]
        return False


class _Asker(Generic[K, A]):
    """A thread that asks until one does not answer in time, and ends with that answer."""

    def __init__(self, name: str) -> None:
        self._rounds: SimpleQueue[Mapping[K, Callable[[], A]]] = SimpleQueue()
        self._done: SimpleQueue[None] = SimpleQueue()
        self._lock = Lock()
        self._given_up = False
        self._answers: dict[K, A] = {}
        self._thread = Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    def ask(self, questions: Mapping[K, Callable[[], A]]) -> tuple[dict[K, A], K | None]:
        """The answers in time, and who did not answer; then this one must not be asked again."""
        self._answers = {}
        self._rounds.put(questions)
        try:
            self._done.get(timeout=_PATIENCE_S)
        except Empty:
            with self._lock:
                silent = next((key for key in questions if key not in self._answers), None)
                self._given_up = silent is not None
            if silent is None:
                self._done.get()  # the last answer came just now
            return self._answers, silent
        return self._answers, None

    def is_alive(self) -> bool:
        """Whether it still waits for an answer."""
        return self._thread.is_alive()

    def close(self) -> None:
        """End."""
        self._rounds.put({})

    def _serve(self) -> None:
        while questions := self._rounds.get():
            for key, question in questions.items():
                answer = question()
                with self._lock:
                    if self._given_up:
                        return
                    self._answers[key] = answer
            self._done.put(None)
