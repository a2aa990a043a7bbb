# SPDX-License-Identifier: Apache-2.0
"""A program on a real pseudo-terminal, with the size, type and locale a test gives it."""

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress


class Line:
    """The far end of the terminal, and the shell process on it."""

    def __init__(self, pid: int, fd: int) -> None:
        self.pid = pid
        self.fd = fd
        self.seen = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def expect(self, pattern: str, seconds: float = 60.0) -> str:
        """Read until ``pattern`` comes; gives what came up to its end."""
        end = time.monotonic() + seconds
        while (found := re.search(pattern, self.seen)) is None:
            left = end - time.monotonic()
            assert left > 0, f"{pattern!r} did not come; there was {self.seen!r}"
            if select.select([self.fd], [], [], left)[0]:
                self.seen += self._decoder.decode(os.read(self.fd, 65536))
        text, self.seen = self.seen[: found.end()], self.seen[found.end() :]
        return text

    def type(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def status(self) -> int:
        """The exit status once it has left."""
        end = time.monotonic() + 60.0
        with suppress(OSError):
            while select.select([self.fd], [], [], max(end - time.monotonic(), 0.0))[0]:
                if not os.read(self.fd, 65536):
                    break
        return self.exit_status(60.0)

    def exit_status(self, seconds: float) -> int:
        """The exit status, which must come within ``seconds``; negative is the signal that ended it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.05)
        raise AssertionError(f"it still runs after {seconds} s")

    def resize(self, rows: int, columns: int) -> None:
        """Change the size of the terminal, which tells the program so."""
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def hang_up(self) -> None:
        """Close the far end, as a terminal's window does."""
        os.close(self.fd)
        self.fd = -1


@contextmanager
def started(
    command: Sequence[str], size: tuple[int, int] = (24, 80), **environ: str | None
) -> Iterator[Line]:
    """``command`` on a terminal of ``size`` (rows, columns); a variable that is None is not set."""
    env = {name: value for name, value in {**os.environ, **environ}.items() if value is not None}
    near = os.pipe()
    pid, far = pty.fork()
    if pid == 0:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # ignored where the tests run under nohup
        os.read(near[0], 1)  # not before the terminal has its size
        try:
            os.execvpe(command[0], list(command), env)
        finally:
            os._exit(127)  # there is no such program; this process would go on with the tests
    line = Line(pid, far)
    line.resize(*size)
    os.write(near[1], b".")
    for end in near:
        os.close(end)
    try:
        yield line
    finally:
        if line.fd >= 0:
            os.close(line.fd)
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, 9)
            os.waitpid(pid, 0)
