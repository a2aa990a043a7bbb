# SPDX-License-Identifier: Apache-2.0
"""Long turns on the CPU: whoever wakes up meanwhile and wants a shorter one comes first.

A watcher is in no hurry. Of two that share a CPU fairly, Linux lets the one begin at once that asked for the
shorter turn (EEVDF, since 6.12), and both still get what they have a right to. What begins while the world
model is at work begins at once; what takes longer than its own turn then shares the CPU with it.
"""

import contextlib
from typing import Final

TURN_NS: Final = 100_000_000
"""The longest that the kernel grants."""
SHORT_TURN_NS: Final = 100_000
"""The shortest."""
_NORMAL: Final = 0
_BATCH: Final = 3


def take_long_turns() -> None:
    """Ask for long turns of this thread and of those that it starts; an older kernel or libc has none."""
    _take_turns(_BATCH, TURN_NS)


def take_short_turns() -> None:
    """Ask for the shortest turns of this thread: it does next to nothing, and that soon."""
    _take_turns(_NORMAL, SHORT_TURN_NS)


def _take_turns(policy: int, length_ns: int) -> None:
    import ctypes

    class Attributes(ctypes.Structure):
        """``struct sched_attr`` of sched_setattr(2)."""

        _fields_ = (
            ("size", ctypes.c_uint32),
            ("policy", ctypes.c_uint32),
            ("flags", ctypes.c_uint64),
            ("nice", ctypes.c_int32),
            ("priority", ctypes.c_uint32),
            ("runtime", ctypes.c_uint64),
            ("deadline", ctypes.c_uint64),
            ("period", ctypes.c_uint64),
        )

    wanted = Attributes(size=ctypes.sizeof(Attributes), policy=policy, runtime=length_ns)
    with contextlib.suppress(AttributeError, OSError):  # not before glibc 2.41
        ctypes.CDLL(None).sched_setattr(0, ctypes.byref(wanted), 0)
