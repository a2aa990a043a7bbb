# SPDX-License-Identifier: Apache-2.0
"""The process behind ``DetachedDeadMan``: takes changes back when their time is over, then ends.

``python -m jepa.actions.expire DIRECTORY`` returns as soon as that process runs, or one does already. It
reads the journal every second without keeping anybody from it, and opens it only to take something back.
"""

import contextlib
import math
import os
import sys
import time
from pathlib import Path
from typing import Final

from jepa.actions.clock import HostClock
from jepa.actions.dead_man import DetachedDeadMan, take_reaper_lock
from jepa.actions.family import Host
from jepa.actions.journal import Journal, files, load
from jepa.actions.recovery import Recovery
from jepa.actions.undo import Settings, TakeBack
from jepa.errors import JepaError

EVERY_S: Final = 1.0
_TRIES: Final = 20
"""Others hold the lock for an instant to see whether somebody has it."""


def main(arguments: list[str]) -> int:
    """Start the process unless there is one."""
    directory = Path(arguments[0])
    for _ in range(_TRIES):
        if (lock := take_reaper_lock(directory)) is not None:
            break
        time.sleep(0.01)
    else:
        return 0
    if os.fork():
        return 0
    _detach()
    while True:
        _reap(directory)
        os.close(lock)
        # Whoever saw the lock held until now relies on this process, so it looks once more.
        if math.isinf(_deadline_s(directory)) or (again := take_reaper_lock(directory)) is None:
            return 0
        lock = again


def _detach() -> None:
    os.setsid()
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(null, standard)


def _reap(directory: Path) -> None:
    """Take back what is due until nothing is in force that ever will be."""
    clock, newest, deadline_s = HostClock(), "", math.inf
    while True:
        if (seen := _stamp(directory)) != newest or deadline_s <= clock.boottime_s():
            deadline_s, newest = _deadline_s(directory), seen
            if deadline_s <= clock.boottime_s():
                with contextlib.suppress(
                    JepaError
                ):  # whoever has the journal open may do it; else once more
                    _take_back(directory, clock)
        if math.isinf(deadline_s):
            return
        time.sleep(EVERY_S)


def _stamp(directory: Path) -> str:
    """Another one whenever a row was added, so that the journal is read no more often than that."""
    newest = files(directory)[-1:]
    return "".join(f"{path} {path.stat().st_size}" for path in newest if path.exists())


def _deadline_s(directory: Path) -> float:
    """When the next change is to be taken back, CLOCK_BOOTTIME in seconds; never is infinity."""
    try:
        contents = load(directory)
    except OSError:
        return math.inf
    ends = [each.until_s for each in contents.changes.values() if each.in_force and each.until_s is not None]
    return math.inf if contents.damage else min(ends, default=math.inf)


def _take_back(directory: Path, clock: HostClock) -> None:
    timers = DetachedDeadMan(directory)
    with contextlib.closing(Journal(directory)) as journal:
        recovery = Recovery(journal, TakeBack(journal, Settings(Host()), timers), timers, clock)
        for change in reversed(journal.in_force):
            if recovery.due(change):
                with contextlib.suppress(JepaError):
                    recovery.expire(change.id)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
