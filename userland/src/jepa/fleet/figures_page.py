# SPDX-License-Identifier: Apache-2.0
"""`jepa-figures`: answers one scrape of the running figures, on the connection that systemd hands over.

Whatever path is asked for, only ``/metrics`` is answered, and what is given is jepad's ``/metrics/figures``:
the rest of its API, and what the machine does, cannot be reached from the network.
"""

import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from jepa.service.paths import socket_path

_PATIENCE_S: Final = 5.0
_LONGEST_HEAD: Final = 8192
_ASKED: Final = b"GET /metrics/figures HTTP/1.1\r\nHost: jepad\r\nConnection: close\r\n\r\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Answer the connection on standard input; 1 when nobody asked, or jepad is away."""
    with socket.socket(fileno=sys.stdin.fileno()) as line:
        return 0 if answer(line, socket_path()) else 1


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
    head = b""
    while b"\r\n\r\n" not in head and len(head) < _LONGEST_HEAD:
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
