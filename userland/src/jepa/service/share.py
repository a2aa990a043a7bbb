# SPDX-License-Identifier: Apache-2.0
"""jepad's weight on the CPU: as low as lets its frames come in time, the usual one for a plan in haste.

Whoever works here and meets a forecast waits for as much of it as jepad's weight says: with the usual weight
an operation that takes longer than one turn takes twice as long. With a low weight it notices nothing, but
beside work that takes all there is a forecast would come too late, and a plan half a minute. So the weight
follows what is seen: a frame for which jepad waited long doubles it, one that came quickly halves it. Where
none comes at all, since somebody with a thousand times the weight has begun to work, a thread of its own
that needs next to no CPU takes the usual weight at once.

While jepad starts, which at boot is when everything else does, it has ten times that until it forecasts.

While a task has changes in force, somebody's operations matter more than the next frame. Then its group may
become idle, as those that the task has made give way.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from jepa.long_turns import take_short_turns
from jepa.passed import passed_file

USUAL: Final = 100
"""The weight of a group that nobody has set."""
START: Final = 999
"""While jepad starts. Nobody else sets just this: where it is found, a jepad that was killed has left it."""
LEAST: Final = 3
"""An operation that meets a forecast takes at most three hundredths longer, in turns of a millisecond."""
IDLE: Final = 0
"""Stands for an idle group, a tenth of that; whoever wakes up and is not idle has the CPU at once."""
QUICK: Final = 0.2
"""Of a period, for which a frame may wait for the CPU: below it the weight is halved."""
SLOW: Final = 0.4
"""And from where on it is doubled. Between the two nothing is changed."""
LOST: Final = 4.0
"""Periods after a frame within which the next has to be done: a plan holds up two or three."""
LOOK_S: Final = 1.0
"""How often that is looked at."""


class Share:
    """The weight of the group that jepad runs in; its methods may be called from any thread."""

    def __init__(
        self,
        write: Callable[[int], None],
        usual: int = USUAL,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """``usual``: the most that it may be."""
        self.closed = threading.Event()
        self._write, self._usual, self._now_s = write, usual, now_s
        self._next_s = float("inf")
        """When the next frame has to be done."""
        self._lock = threading.Lock()
        self._weight, self._written = usual, -1
        self._least = LEAST
        self._hasty = 0
        self._put(max(self._usual, START))

    def waited(self, seconds: float, period_s: float) -> None:
        """Learn for how long a frame of every ``period_s`` waited for the CPU."""
        with self._lock:
            self._next_s = self._now_s() + LOST * period_s
            if self._hasty:
                return
            if seconds > SLOW * period_s:
                self._weight = min(self._usual, max(LEAST, 2 * self._weight))
            elif seconds < QUICK * period_s:
                self._weight = max(LEAST, self._weight // 2) if self._weight > LEAST else self._least
            self._put(self._weight)

    def give_way(self, *, wholly: bool) -> None:
        """Whether it may become idle from now on."""
        with self._lock:
            self._least = IDLE if wholly else LEAST
            if self._weight < self._least:
                self._weight = self._least
                if not self._hasty:
                    self._put(self._weight)

    def look(self) -> None:
        """Take the usual weight if the next frame should have been done by now."""
        with self._lock:
            if self._now_s() > self._next_s:
                self._weight = self._usual
                self._put(self._weight)

    @contextmanager
    def in_haste(self) -> Iterator[None]:
        """Have the usual weight meanwhile: somebody waits for what is done."""
        with self._lock:
            self._hasty += 1
            self._put(self._usual)
        try:
            yield
        finally:
            with self._lock:
                self._hasty -= 1
                if not self._hasty:
                    self._put(self._weight)

    def close(self) -> None:
        """Leave the group as it was found."""
        self.closed.set()
        with self._lock:
            self._hasty += 1  # what comes late changes nothing any more
            self._put(self._usual)

    def _put(self, weight: int) -> None:
        if weight == self._written:
            return
        self._written = weight
        self._write(weight)


def own_share() -> Share:
    """That of the slice around this service, where the service manager has opened its files; else one of
    which nothing follows."""
    fd, idle = passed_file("cpu.weight"), passed_file("cpu.idle")
    if fd is None or idle is None:
        return Share(lambda _: None)

    def write(weight: int) -> None:
        try:
            os.pwrite(idle, b"1" if weight == IDLE else b"0", 0)
            if weight != IDLE:  # an idle group takes none
                os.pwrite(fd, b"%d" % weight, 0)
        except OSError:  # the group is gone with its slice: then its weight does not matter
            return

    try:
        found = int(os.pread(fd, 16, 0))
    except (OSError, ValueError):
        found = 0
    # More, where a person has given the slice more. Less is what one that was killed has left, as START is.
    share = Share(write, USUAL if found == START else max(USUAL, found))
    threading.Thread(target=_watch, args=(share,), name="share", daemon=True).start()
    return share


def _watch(share: Share) -> None:
    take_short_turns()
    while not share.closed.wait(LOOK_S):
        share.look()
