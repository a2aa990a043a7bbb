# SPDX-License-Identifier: Apache-2.0
"""What the kernel's schedulers know of one thread, by its TID: nice value, I/O priority, policy.

Values are as `renice`, `ionice` and `chrt` call them. All functions raise OSError as the system call does.
"""

import os
from functools import cache
from typing import Any, Final

_IO_CLASSES: Final = ("none", "realtime", "best-effort", "idle")
_IO_CLASS_SHIFT: Final = 13
_IO_PLAIN_LEVEL: Final = {"none": 0, "idle": 7}
"""The level that goes with a class that has none, as ionice(1) writes it."""
_IO_CALLS: Final = {"x86_64": (252, 251), "aarch64": (31, 30)}
"""Numbers of ioprio_get and ioprio_set, which the C library does not wrap."""
_WHO_PROCESS: Final = 1
_POLICIES: Final = {0: "other", 1: "fifo", 2: "rr", 3: "batch", 5: "idle", 6: "deadline", 7: "ext"}
_NUMBERS: Final = {name: number for number, name in _POLICIES.items()}


def nice(tid: int) -> int:
    """-20 (most) to 19 (least)."""
    return os.getpriority(os.PRIO_PROCESS, tid)


def set_nice(tid: int, value: int) -> None:
    """To a thread, although the name says process: so it is on Linux."""
    os.setpriority(os.PRIO_PROCESS, tid, value)


def io_priority(tid: int) -> str:
    """``none`` (follows the nice value), ``idle``; ``best-effort:0..7``, ``realtime:0..7``."""
    raw = _io_call(0, tid)
    number, level = raw >> _IO_CLASS_SHIFT, raw & (1 << _IO_CLASS_SHIFT) - 1
    name = _IO_CLASSES[number] if number < len(_IO_CLASSES) else str(number)
    return name if _IO_PLAIN_LEVEL.get(name) == level else f"{name}:{level}"


def set_io_priority(tid: int, value: str) -> None:
    """As ``io_priority`` gives it; ValueError for anything else."""
    name, _, level = value.partition(":")
    number = _IO_CLASSES.index(name) if name in _IO_CLASSES else int(name)
    _io_call(1, tid, number << _IO_CLASS_SHIFT | (int(level) if level else _IO_PLAIN_LEVEL[name]))


def policy(tid: int) -> str:
    """``other``, ``batch`` or ``idle``; or ``fifo:10``, ``rr:10``, ``deadline``, ``ext``."""
    name = _POLICIES.get(os.sched_getscheduler(tid) & ~os.SCHED_RESET_ON_FORK, "unknown")
    return f"{name}:{os.sched_getparam(tid).sched_priority}" if name in ("fifo", "rr") else name


def set_policy(tid: int, value: str) -> None:
    """To one of the policies without a priority of its own; whether children get it stays as it is."""
    flag = os.sched_getscheduler(tid) & os.SCHED_RESET_ON_FORK
    os.sched_setscheduler(tid, _NUMBERS[value] | flag, os.sched_param(0))


def _io_call(which: int, tid: int, *more: int) -> int:
    from ctypes import get_errno  # only where it is needed: importing it takes longer than the call

    number = _IO_CALLS[os.uname().machine][which]
    result: int = _libc().syscall(number, _WHO_PROCESS, tid, *more)
    if result < 0:
        raise OSError(get_errno(), os.strerror(get_errno()))
    return result


@cache
def _libc() -> Any:
    from ctypes import CDLL

    return CDLL(None, use_errno=True)
