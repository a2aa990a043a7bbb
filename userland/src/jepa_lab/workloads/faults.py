# SPDX-License-Identifier: Apache-2.0
"""Programs that go wrong as services do: what an anomaly detector should notice, within harmless bounds."""

import fcntl
import mmap
import multiprocessing
import os
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

from jepa_lab.workloads.context import MEMORY_LIMIT_MIB, Program, Work

_HANDS = 4
"""Processes or threads of one fault: more than the cores of the machines it is recorded on."""


def spin(work: Work) -> None:
    """A retry loop without a pause, in several workers at once."""
    _in_processes(work, _spin)


def thrash(work: Work) -> None:
    """A cache that is thrown away and filled again without end: page faults by the hundred thousand."""
    size = int(MEMORY_LIMIT_MIB * (0.3 + 0.4 * work.level)) << 20
    with mmap.mmap(-1, size) as memory:
        while work.left() > 0:
            for at in range(0, size, mmap.PAGESIZE):
                memory[at] = 1
                if at % (64 << 20) == 0 and work.left() <= 0:
                    break
            memory.madvise(mmap.MADV_DONTNEED)


def flush(work: Work) -> None:
    """A log that is synced after every line, by several threads."""

    def lines(number: int) -> None:
        with (work.dir / f"log{number}").open("wb", buffering=0) as file:
            while work.left() > 0:
                file.write(b"x" * 200)
                os.fsync(file.fileno())

    _in_threads(lines)


def respawn(work: Work) -> None:
    """A supervisor that starts again at once what ends at once."""

    def restart(_: int) -> None:
        while work.left() > 0:
            subprocess.run(["/bin/false"], check=False)

    _in_threads(restart)


def reconnect(work: Work) -> None:
    """Clients that are refused and try again without a pause."""
    with socket.socket() as bound:  # never listens, so whoever connects is refused
        bound.bind(("127.0.0.1", 0))
        address = bound.getsockname()

        def knock(_: int) -> None:
            while work.left() > 0:
                with socket.socket() as client:
                    client.connect_ex(address)

        _in_threads(knock)


def convoy(work: Work) -> None:
    """Workers that all wait for one lock file and hold it for no time."""
    _in_processes(work, _lock)


FAULTS: dict[str, Program] = {
    "spin": spin,
    "thrash": thrash,
    "flush": flush,
    "respawn": respawn,
    "reconnect": reconnect,
    "convoy": convoy,
}


def _spin(work: Work) -> None:
    while work.left() > 0:
        sum(range(10_000))


def _lock(work: Work) -> None:
    with Path(work.dir / "lock").open("wb") as file:
        while work.left() > 0:
            fcntl.flock(file, fcntl.LOCK_EX)
            os.sched_yield()
            fcntl.flock(file, fcntl.LOCK_UN)


def _in_processes(work: Work, what: Callable[[Work], None]) -> None:
    workers = [multiprocessing.Process(target=what, args=(work,)) for _ in range(_HANDS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def _in_threads(what: Callable[[int], None]) -> None:
    threads = [threading.Thread(target=what, args=(number,)) for number in range(_HANDS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
