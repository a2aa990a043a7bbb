# SPDX-License-Identifier: Apache-2.0
"""Tell the guest the size of the terminal that shows its console, now and whenever it changes.

QEMU (10.0) passes bytes between a terminal and a serial console, but not the terminal's size. So it goes
through a virtio port of its own, one line for each size, and /usr/lib/jepa/console in the image sets it.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

PORT_NAME = "jepa.terminal"


def size_line(columns: int, rows: int) -> bytes:
    """The message that sets the size of the console."""
    return b"%d %d\n" % (columns, rows)


def port_arguments(chardev: str) -> list[str]:
    """QEMU's arguments for the guest's end, which reads from the character device ``chardev``."""
    return [
        "-chardev", f"{chardev},id=terminal",
        "-device", f"virtserialport,bus=ports.0,chardev=terminal,name={PORT_NAME}",
    ]  # fmt: skip


@contextmanager
def follow_size(terminal: int) -> Iterator[socket.socket]:
    """Send the size of the terminal open as the descriptor ``terminal``, at once and after each SIGWINCH.

    Gives the socket that receives it, for QEMU to inherit. Where ``terminal`` is none, nothing is sent.
    """
    ours, theirs = socket.socketpair()
    ours.setblocking(False)

    def send(_signal: int = 0, _frame: FrameType | None = None) -> None:
        # Nobody reads before the console is up, or after the machine is off: then it does not matter.
        with suppress(OSError):
            ours.send(size_line(*os.get_terminal_size(terminal)))

    before = signal.signal(signal.SIGWINCH, send)
    send()
    try:
        yield theirs
    finally:
        signal.signal(signal.SIGWINCH, before)
        ours.close()
        theirs.close()
