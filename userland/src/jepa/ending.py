# SPDX-License-Identifier: Apache-2.0
"""The end of a process whose libraries, or whose threads, may never come to theirs."""

import atexit
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import NoReturn


def when_asked(stop: Callable[[], object]) -> None:
    """Call ``stop``, in a thread of its own, when SIGTERM or SIGINT comes. For the main thread.

    A handler runs in the middle of whatever the main thread does, which may just hold the lock that ``stop``
    needs: to set an Event there on which the main thread waits can wait for ever.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=stop).start())


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
