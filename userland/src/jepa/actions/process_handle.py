# SPDX-License-Identifier: Apache-2.0
"""A process held so that whoever gets its PID later is never mistaken for it."""

import os
import select
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from jepa.errors import JepaError

_KERNEL_THREAD: Final = 0x00200000
"""PF_KTHREAD of include/linux/sched.h."""


@dataclass(frozen=True, slots=True)
class Stat:
    """What /proc/PID/stat says of a process or thread."""

    id: int
    command: str
    """Up to 15 characters, which the program may choose."""
    state: str
    """``R``, ``S``, ``D``, ``T`` (stopped), ``Z`` (ended, not waited for) …, see proc_pid_stat(5)."""
    parent: int
    kernel: bool
    """Whether it is a thread of the kernel."""
    start: str
    """Hundredths of a second since boot."""


def parse_stat(text: str) -> Stat:
    """The content of a ``stat`` file; ValueError when it is none."""
    head, _, tail = text.rpartition(")")
    number, _, command = head.partition("(")
    fields = tail.split()
    if len(fields) < 20:
        raise ValueError(f"no stat of a process: {text[:80]!r}")
    return Stat(
        int(number), command, fields[0], int(fields[1]), bool(int(fields[6]) & _KERNEL_THREAD), fields[19]
    )


def identity_of(start: object, pidfd: int) -> str:
    """What no other process of this boot shares: when it started, and the number of its inode in pidfs.

    Start times are counted in hundredths of a second, in which a PID can be given out again. The inodes of
    pidfs are never given out twice (since Linux 6.9, see fs/pidfs.c); before, all pidfds have the same.
    """
    return f"{start}/{os.fstat(pidfd).st_ino}"


class ProcessHandle:
    """Reads through an open directory of /proc and signals through a pidfd: both refer to the one process.

    Opening raises JepaError: 404 when there is no such process, 409 when it is not that of ``identity``.
    """

    def __init__(self, proc: Path, pid: int, identity: str | None = None) -> None:
        self.pid = pid
        try:
            self._directory = os.open(proc / str(pid), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            raise self._gone(404 if identity is None else 409) from None
        self._pidfd = -1
        try:
            leader = self._leader()
            if leader != pid:
                raise JepaError(f"{pid} is a thread of process {leader}.", f"Name {leader}.", status=422)
            self._pidfd = os.pidfd_open(pid)
            # After the pidfd was opened: as long as the directory's process lives, nobody else has its PID.
            self.stat = self.read_stat()
            self.identity = identity_of(self.stat.start, self._pidfd)
            if identity is not None and self.identity != identity:
                raise self._gone(409)
            if not self.alive:
                raise self._gone(404 if identity is None else 409)
        except OSError:
            self.close()
            raise self._gone(404 if identity is None else 409) from None
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of it."""
        for descriptor in (self._directory, self._pidfd):
            if descriptor >= 0:
                os.close(descriptor)
        self._directory = self._pidfd = -1

    @property
    def alive(self) -> bool:
        """Whether any of its threads still runs. One that has ended and was not waited for does not."""
        return not self.ended_within(0)

    def ended_within(self, seconds: float) -> bool:
        """Wait for its end and say whether it came."""
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it and to nothing else. JepaError (403, 409)."""
        try:
            signal.pidfd_send_signal(self._pidfd, number)
        except ProcessLookupError:
            raise self._gone(409) from None
        except PermissionError as error:
            raise JepaError(
                f"You may not signal process {self.pid} ({self.stat.command}).", "Act as root.", status=403
            ) from error

    def read_stat(self) -> Stat:
        """What it is now. OSError when it is gone."""
        return parse_stat(self._read("stat"))

    def threads(self) -> list[Stat]:
        """Those that run, the first one first. JepaError (409) when it is gone."""
        found = []
        try:
            task = os.open("task", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._directory)
            try:
                with os.scandir(task) as entries:
                    ids = [int(entry.name) for entry in entries]
            finally:
                os.close(task)
        except OSError:
            raise self._gone(409) from None
        for tid in sorted(ids, key=lambda each: (each != self.pid, each)):
            thread = self.thread(tid)
            if thread is not None and thread.state not in "ZX":
                found.append(thread)
        if not found:
            raise self._gone(409)
        return found

    def thread(self, tid: int) -> Stat | None:
        """One of its threads; None when it has none of that TID."""
        try:
            return parse_stat(self._read(f"task/{tid}/stat"))
        except (OSError, ValueError):
            return None

    def _leader(self) -> int:
        lines = self._read("status").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("Tgid:"))

    def _read(self, name: str) -> str:
        descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._directory)
        with os.fdopen(descriptor, errors="replace") as file:
            return file.read()

    def _gone(self, status: int) -> JepaError:
        if status == 404:
            return JepaError(f"There is no process {self.pid}.", "`ps -e` lists them.", status=404)
        return JepaError(f"Process {self.pid} has ended.", "Nothing is left to change.", status=409)


def processes(proc: Path) -> Iterator[Stat]:
    """All that run now, kernel threads too."""
    for directory in proc.iterdir():
        if directory.name.isdigit():
            try:
                stat = parse_stat((directory / "stat").read_text(errors="replace"))
            except (OSError, ValueError):
                continue
            if stat.state not in "ZX":
                yield stat


def pid_named(proc: Path, name: str) -> int:
    """The one process whose program is called ``name``. JepaError: none (404), several (422)."""
    found = sorted(each.id for each in processes(proc) if not each.kernel and name in _names(proc, each))
    if not found:
        raise JepaError(f"No program called {name[:80]!r} runs.", "`ps -e` lists those that do.", status=404)
    if len(found) > 1:
        some = ", ".join(map(str, found[:5])) + (" …" if len(found) > 5 else "")
        raise JepaError(
            f"{len(found)} processes are called {name[:80]!r} ({some}).", "Name one by its PID.", status=422
        )
    return found[0]


def _names(proc: Path, process: Stat) -> set[str]:
    """What a person may call it: its command (at most 15 characters), and its program's file."""
    try:
        first = (proc / str(process.id) / "cmdline").read_bytes().partition(b"\0")[0]
    except OSError:
        first = b""
    return {process.command, first.decode(errors="replace").rpartition("/")[2]}
