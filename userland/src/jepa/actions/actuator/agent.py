# SPDX-License-Identifier: Apache-2.0
"""Has a person at a terminal asked for a password by polkit, as systemctl does."""

import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

PKTTYAGENT: Final = Path("/usr/bin/pkttyagent")
_READY_S: Final = 10.0


@contextmanager
def terminal_agent() -> Iterator[bool]:
    """Run pkttyagent for this process; yields whether somebody can be asked.

    A desktop's own agent goes first (``--fallback``).
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty() and PKTTYAGENT.exists()):
        yield False
        return
    reads, writes = os.pipe()
    child = os.posix_spawn(
        PKTTYAGENT,
        [PKTTYAGENT.name, "--process", str(os.getpid()), "--notify-fd", str(writes), "--fallback"],
        dict(os.environ),
        file_actions=[(os.POSIX_SPAWN_CLOSE, reads), (os.POSIX_SPAWN_DUP2, writes, writes)],
    )
    os.close(writes)
    try:
        select.select([reads], [], [], _READY_S)  # it closes its end when it is registered, or ends
        yield True
    finally:
        os.close(reads)
        with suppress(ProcessLookupError):
            os.kill(child, 15)
        with suppress(ChildProcessError):
            os.waitpid(child, 0)
