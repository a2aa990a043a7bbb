# SPDX-License-Identifier: Apache-2.0
"""What every workload program is given: its seed, its time, its folder and its limits."""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

MEMORY_LIMIT_MIB = 1200
"""The most memory one program takes."""
DISK_LIMIT_MIB = 200
"""The most its folder holds; at most two programs run at once.

Those of ``scarce`` take more, on machines made for it.
"""


@dataclass(frozen=True, slots=True)
class Work:
    """One run of one program."""

    rng: random.Random
    dir: Path
    """An empty folder of its own, removed afterwards."""
    level: float
    """How hard it works, 0..1."""
    deadline: float
    """On the monotonic clock, seconds."""
    started: float = field(default_factory=time.monotonic)
    """When it began, on the same clock."""

    def elapsed(self) -> float:
        """Seconds since the program began: phases counted from here are the same in every run of a seed."""
        return time.monotonic() - self.started

    def left(self) -> float:
        """Seconds until the program must end; not above 0 when it is over."""
        return self.deadline - time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Sleep, but not past the deadline."""
        time.sleep(max(0.0, min(seconds, self.left())))

    def cycles(self, busy_s: float, pause_s: float) -> Iterator[float]:
        """Busy phases with pauses between them until the deadline; yields the end of each busy phase."""
        while self.left() > 0:
            yield min(time.monotonic() + busy_s, self.deadline)
            self.sleep(pause_s)


Program = Callable[[Work], None]
