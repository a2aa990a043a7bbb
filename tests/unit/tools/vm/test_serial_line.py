# SPDX-License-Identifier: Apache-2.0
"""All that came by a serial line is kept, each letter once, and what is typed goes the other way."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.vm.serial_line import SerialLine

TEXT = bytes(range(256)) * 4000


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket that QEMU listens at."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(tmp_path / "serial"))
        listening.listen(1)
        yield listening


def test_what_a_machine_sent_until_it_ended_is_kept_behind_what_was_there(
    machine: socket.socket, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"of the start before\n")
    line = SerialLine(tmp_path / "serial", log, connect_timeout=5)
    end, _ = machine.accept()
    end.sendall(TEXT)
    end.close()
    line.wait_for_end(5)
    assert log.read_bytes() == b"of the start before\n" + TEXT
    line.close()


def test_what_is_typed_reaches_the_machine_and_what_came_is_kept_when_one_leaves(
    machine: socket.socket, tmp_path: Path
) -> None:
    line = SerialLine(tmp_path / "serial", tmp_path / "log", connect_timeout=5)
    end, _ = machine.accept()
    end.sendall(b"login: ")
    line.send(b"root\r")
    assert end.recv(100) == b"root\r"
    line.wait_for_end(0.1)  # it does not come, as the machine is on
    line.close()
    assert (tmp_path / "log").read_bytes() == b"login: "
    assert end.recv(100) == b""
    end.close()


def test_it_waits_for_the_socket_and_says_when_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError, match="QEMU opened no serial line within 0 s"):
        SerialLine(tmp_path / "late", tmp_path / "log", connect_timeout=0)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(tmp_path / "late"))
        later = threading.Timer(0.05, listening.listen)
        later.start()
        SerialLine(tmp_path / "late", tmp_path / "log", connect_timeout=5).close()
        later.join()
