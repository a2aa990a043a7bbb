# SPDX-License-Identifier: Apache-2.0
"""A process as the guard sees it: by its start time, its program and its ancestors, never by its name."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jepa.errors import JepaError

_KERNEL_THREAD: Final = 0x00200000
"""PF_KTHREAD of include/linux/sched.h."""


@dataclass(frozen=True, slots=True)
class ProcessSnapshot:
    """One process, read at one moment."""

    pid: int
    start: int
    """Clock ticks after boot: with the PID it names one process for as long as the machine runs."""
    parent: int
    kernel: bool
    """Whether it is a thread of the kernel."""
    uid: int
    """The owner of its directory in /proc: the effective user, or root where it may not be looked into."""
    program: str
    """The file it runs, without a mark that it was deleted; empty where that may not be read."""

    @classmethod
    def read(cls, root: Path, pid: str | int) -> "ProcessSnapshot":
        """The process of that PID. JepaError (404) when there is none, or it is a thread of another."""
        text = str(pid)
        if not (text.isascii() and text.isdigit() and str(int(text)) == text):
            raise JepaError(f"{text[:40]!r} is no PID.", "A PID is a number, as ps shows it.", status=422)
        folder = root / "proc" / text
        try:
            # "1 (name, which may hold blanks and brackets) S ppid ...": field 3 follows the last bracket
            fields = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
            group = _thread_group(folder)
            uid = folder.stat().st_uid
            parent, flags, start = int(fields[1]), int(fields[6]), int(fields[19])
        except (OSError, ValueError, IndexError) as error:
            raise JepaError(f"There is no process {text}.", "It may have ended.", status=404) from error
        if group not in (None, int(text)):
            raise JepaError(f"{text} is a thread of process {group}.", f"Name {group} instead.", status=422)
        return cls(int(text), start, parent, bool(flags & _KERNEL_THREAD), uid, _program(folder))


def ancestors(root: Path, pid: int) -> Iterator[int]:
    """``pid``, its parent, and so on up to PID 1."""
    seen: set[int] = set()
    while pid > 0 and pid not in seen:
        yield pid
        seen.add(pid)
        try:
            pid = ProcessSnapshot.read(root, pid).parent
        except JepaError:
            return


def _thread_group(folder: Path) -> int | None:
    for line in (folder / "status").read_text(errors="replace").splitlines():
        if line.startswith("Tgid:"):
            return int(line.split()[1])
    return None


def _program(folder: Path) -> str:
    try:
        return str((folder / "exe").readlink()).removesuffix(" (deleted)")
    except OSError:
        return ""
