# SPDX-License-Identifier: Apache-2.0
"""The end of a process whose libraries, or whose threads, may never come to theirs."""

import atexit
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import NoReturn


def when_asked(stop: Callable[[], object]) -> None:
    """Call ``stop``, in a thread of its own, each time SIGTERM or SIGINT comes. For the main thread.

    A handler written in Python will not do, for two reasons. It runs in the middle of whatever the main
    thread does, which may just hold the lock that ``stop`` needs. And it runs only when the main thread next
    comes to Python code: a signal that comes between the last of that and a system call which waits is seen
    when the wait is over, which may be never. What the interpreter writes to a pipe it writes at once,
    whichever thread the signal came to.
    """
    reader, writer = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    asked = {signal.SIGTERM, signal.SIGINT}
    for number in asked:
        signal.signal(number, _leave_to_the_pipe)

    def wait() -> None:
        while numbers := os.read(reader, 16):
            if asked & set(numbers):
                stop()

    threading.Thread(target=wait, name="signals", daemon=True).start()


def _leave_to_the_pipe(number: int, frame: FrameType | None) -> None:
    """A handler, without which the interpreter writes nothing to the pipe."""


def end(status: int) -> NoReturn:
    """End this process with ``status``: as Python does, or at once where daemon threads still run.

    Such a thread may wait for a disk or a camera that hangs. Or it multiplies matrices: OpenBLAS tells its
    own threads to end when the process exits; one that is at work misses that, and is waited for forever.
    What was registered with atexit is done, and the standard streams are flushed.
    """
    if any(each.daemon for each in threading.enumerate()):
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(AttributeError, OSError, ValueError):  # none, nobody reads, or closed
                stream.flush()
        os._exit(status)
    sys.exit(status)
