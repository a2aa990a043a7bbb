# SPDX-License-Identifier: Apache-2.0
"""What a prompt asks: which line may come next, from the lines that this person typed before."""

import contextlib
import threading
from typing import Final

from jepa.shell.habits.predictor import LinePredictor
from jepa.shell.habits.store import HabitStore

SURE: Final = 0.5
"""Probability from which a line is offered before anything of it is typed."""


class Habits:
    """Learns from every line and offers the likeliest; nothing while the person has not asked for it."""

    def __init__(self, store: HabitStore | None = None) -> None:
        """Without a ``store`` nothing is learned."""
        self._store = store
        self._lock = threading.Lock()
        self._predictor: LinePredictor | None = None

    def load(self) -> None:
        """Learn what was kept, once: half a second for all that may be, so not where a person waits."""
        with self._lock, contextlib.suppress(OSError):
            if self._predictor is None and self._store is not None and self._store.enabled():
                self._predictor = LinePredictor()
                for typed in self._store.lines():
                    self._predictor.learn(typed.line)

    def typed(self, line: str) -> None:
        """``line`` was entered, with the space that it may begin with."""
        if self._store is None:
            return
        kept = False
        with contextlib.suppress(OSError):  # a full disk is no concern of somebody who types
            kept = self._store.add(line)
        if not self._store.enabled():
            with self._lock:
                self._predictor = None
        elif self._predictor is None:
            self.load()
        elif kept:
            with self._lock:
                self._predictor.learn(line.strip())

    def offer(self, begun: str = "") -> str | None:
        """The line that ``begun`` may become; None where there is none, or none that is likely.

        Never waits: while the lines are still being read there is no offer.
        """
        if not self._lock.acquire(blocking=False):
            return None
        try:
            if self._predictor is None:
                return None
            for line, probability in self._predictor.lines(begun).items():
                if line != begun:
                    return line if begun or probability >= SURE else None
            return None
        finally:
            self._lock.release()
