# SPDX-License-Identifier: Apache-2.0
"""The size of the terminal reaches whoever reads the port, from a real pseudo-terminal."""

import os
import pty
import signal
import termios
from collections.abc import Iterator

import pytest

from tools.vm.terminal import follow_size


@pytest.fixture
def terminal() -> Iterator[int]:
    """A pseudo-terminal of 130 columns and 40 rows."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (40, 130))
    yield slave
    os.close(master)
    os.close(slave)


def test_the_size_is_sent_at_once_and_whenever_it_changes(terminal: int) -> None:
    with follow_size(terminal) as port:
        assert port.recv(100) == b"130 40\n"
        termios.tcsetwinsize(terminal, (30, 100))
        signal.raise_signal(signal.SIGWINCH)
        assert port.recv(100) == b"100 30\n"


def test_what_is_no_terminal_has_no_size() -> None:
    reader, writer = os.pipe()
    with follow_size(reader) as port:
        signal.raise_signal(signal.SIGWINCH)
        port.setblocking(False)
        with pytest.raises(BlockingIOError):
            port.recv(100)
    os.close(reader)
    os.close(writer)


def test_a_port_that_nobody_reads_does_not_stop_the_program(terminal: int) -> None:
    with follow_size(terminal):
        for _ in range(20_000):
            signal.raise_signal(signal.SIGWINCH)


def test_the_signal_is_as_before_afterwards(terminal: int) -> None:
    before = signal.getsignal(signal.SIGWINCH)
    with follow_size(terminal):
        assert signal.getsignal(signal.SIGWINCH) is not before
    assert signal.getsignal(signal.SIGWINCH) is before
