# SPDX-License-Identifier: Apache-2.0
"""`jepa-figures`: answers scrapes of the running figures, on the listening socket that systemd hands over.

Whatever path is asked for, only ``/metrics`` is answered, and what is given is jepad's ``/metrics/figures``:
the rest of its API, and what the machine does, cannot be reached from the network. One process answers one
scrape after the other, since to start one in its sandbox takes many times what an answer does; it ends when
nobody asks any more.
"""

import socket
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from jepa.service.paths import socket_path

_IDLE_S: Final = 300.0
"""Prometheus asks more often."""
_AT_ONCE: Final = 4
"""Two servers, and a person who looks."""
_APART_S: Final = 0.1
"""So much later at least is the next one heard: who asks in a loop takes no more of the machine."""
_PATIENCE_S: Final = 5.0
_LONGEST_S: Final = 15.0
"""Whoever asks a byte at a time is left after so long."""
_LONGEST_HEAD: Final = 8192
_ASKED: Final = b"GET /metrics/figures HTTP/1.1\r\nHost: jepad\r\nConnection: close\r\n\r\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Answer who connects to the socket on standard input, until nobody has for five minutes."""
    with socket.socket(fileno=sys.stdin.fileno()) as listener:
        serve(listener, socket_path())
    return 0


def serve(listener: socket.socket, jepad: Path, idle_s: float = _IDLE_S) -> None:
    """Answer who connects to ``listener``, four at a time, until nobody has for ``idle_s``."""
    listener.settimeout(idle_s)
    room = threading.Semaphore(_AT_ONCE)

    def one(line: socket.socket) -> None:
        try:
            with line:
                answer(line, jepad)
        finally:
            room.release()

    while True:
        room.acquire()
        try:
            line, _ = listener.accept()
        except TimeoutError:
            return
        threading.Thread(target=one, args=(line,)).start()
        time.sleep(_APART_S)


def answer(line: socket.socket, jepad: Path) -> bool:
    """Read a request from ``line`` and answer it; False when it was not one that gives figures."""
    line.settimeout(_PATIENCE_S)
    try:
        words = _head(line).split(b"\r\n", 1)[0].split(b" ")
        if len(words) != 3 or words[0] != b"GET" or words[1].partition(b"?")[0] != b"/metrics":
            _refuse(line, "404 Not Found", "Only GET /metrics is here.")
            return False
        with socket.socket(socket.AF_UNIX) as asked:
            asked.settimeout(_PATIENCE_S)
            try:
                asked.connect(str(jepad))
                asked.sendall(_ASKED)
            except OSError:
                _refuse(line, "503 Service Unavailable", "jepad does not answer.")
                return False
            while piece := asked.recv(65536):
                line.sendall(piece)
    except OSError:  # whoever asked went away, or said nothing
        return False
    return True


def _head(line: socket.socket) -> bytes:
    head, end = b"", time.monotonic() + _LONGEST_S
    while b"\r\n\r\n" not in head and len(head) < _LONGEST_HEAD and time.monotonic() < end:
        piece = line.recv(_LONGEST_HEAD - len(head))
        if not piece:
            break
        head += piece
    return head


def _refuse(line: socket.socket, status: str, why: str) -> None:
    body = f"{why}\n".encode()
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close"
    )
    line.sendall(head.encode() + b"\r\n\r\n" + body)
