# SPDX-License-Identifier: Apache-2.0
"""The near end of a machine's serial line: what comes is kept in a file, and text may be sent.

QEMU (10.0) can keep such a file itself, its character device's ``logfile``. That has a letter twice whenever
the socket was full for a moment: it logs all of a write that the socket refused, and logs it again when the
write is repeated (qemu_chr_write_buffer in chardev/char.c). So only what came through the socket is kept.
"""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_POLL_S = 0.02
_PIECE = 65536


class SerialLine:
    """A connection to the socket that QEMU serves the line at."""

    def __init__(self, at: Path, log: Path, *, connect_timeout: float) -> None:
        """Connect to the socket ``at``, for which this waits, and add to ``log`` all that comes.

        TimeoutError when nobody listens there within ``connect_timeout`` seconds.
        """
        self.hear: Callable[[bytes], None] | None = None
        """Called with each piece that comes, beside the log."""
        self._socket = _connected(at, connect_timeout)
        self._log = log.open("ab", buffering=0)
        self._reader = threading.Thread(target=self._keep, name="serial line", daemon=True)
        self._reader.start()

    def send(self, text: bytes) -> None:
        """Send ``text`` to the machine."""
        self._socket.sendall(text)

    def wait_for_end(self, timeout: float) -> None:
        """Wait until QEMU has left the line and all that it sent is kept, ``timeout`` seconds at most."""
        self._reader.join(timeout)

    def close(self) -> None:
        """Leave the line."""
        with suppress(OSError):  # who is at the other end may have left
            self._socket.shutdown(socket.SHUT_RDWR)
        self._reader.join()
        self._socket.close()
        self._log.close()

    def _keep(self) -> None:
        with suppress(OSError):
            while part := self._socket.recv(_PIECE):
                self._log.write(part)
                if (hear := self.hear) is not None:
                    hear(part)


def _connected(at: Path, timeout: float) -> socket.socket:
    end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    deadline = time.monotonic() + timeout
    while True:
        try:
            end.connect(str(at))
            return end
        except (FileNotFoundError, ConnectionRefusedError):
            if time.monotonic() > deadline:
                end.close()
                raise TimeoutError(f"QEMU opened no serial line within {timeout:.0f} s") from None
            time.sleep(_POLL_S)
