# SPDX-License-Identifier: Apache-2.0
"""What callers were told while a disk's writes were logged, and that disk as power cuts may leave it."""

import os
import random
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from jepa.actions.change import Change
from tools.vm.write_log import WriteLog


@dataclass
class Told:
    """What callers asked for and were told, each with the size that the log of writes had."""

    log: Path
    outcomes: list[tuple[int, Change]] = field(default_factory=list)
    undos: dict[str, int] = field(default_factory=dict)
    """When taking a change back was asked for."""
    refused: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def now(self) -> int:
        """What is on the disk by now is in the log before this."""
        return self.log.stat().st_size

    def outcome(self, *changes: Change) -> None:
        """These came to an end, whatever it is."""
        with self.lock:
            self.outcomes += [(self.now(), each) for each in changes]


def moments(told: Told, count: int, rng: random.Random) -> list[int]:
    """When to cut, in entries of the log, after the first outcome; half of them just before a flush is
    answered, when most is in flight."""
    with closing(WriteLog(told.log)) as log:
        first = log.first_after(min(size for size, _ in told.outcomes))
        chosen = rng.choices(range(first, len(log) + 1), k=count)
        return sorted(log.before_flush(each) if rng.random() < 0.5 else each for each in chosen)


def cut_disks(
    folder: Path, cuts: Sequence[int], rng: random.Random, found: Counter[str]
) -> Iterator[tuple[Path, int]]:
    """At each of ``cuts`` the disk, as the cut may leave it, and the size that the log had then.

    ``folder`` has the ``log`` and as ``stable`` the raw disk before it, or as an earlier call left that. A
    disk may be written, and is removed when the next is asked for.
    """
    with closing(WriteLog(folder / "log")) as log, (folder / "stable").open("r+b") as stable:
        applied = 0
        for cut in cuts:
            durable = log.durable(cut)
            for write in log.writes(applied, durable):
                os.pwrite(stable.fileno(), write.data, write.at)
            applied = durable
            # a file of its own each time: a loop device of the last one may live on a little, and its cache
            disk = folder / f"cut-{found['cuts']}"
            subprocess.run(["cp", "--sparse=always", folder / "stable", disk], check=True)
            found["unflushed_writes"] += sum(1 for _ in log.writes(durable, cut))
            with disk.open("r+b") as file:
                for write in log.survivors(cut, rng):
                    os.pwrite(file.fileno(), write.data, write.at)
            try:
                yield disk, log.size_before(cut)
            finally:
                disk.unlink()
