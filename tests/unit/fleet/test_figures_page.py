# SPDX-License-Identifier: Apache-2.0
"""From the network the running figures can be read, and nothing else of the API."""

import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from jepa.fleet.figures_page import answer, serve


def ask(request: bytes, jepad: Path) -> tuple[bool, bytes]:
    """What ``request`` is answered with, and whether it gave figures."""
    ours, theirs = socket.socketpair()
    told: list[bool] = []

    def serve() -> None:
        with theirs:
            told.append(answer(theirs, jepad))

    thread = threading.Thread(target=serve)
    thread.start()
    with ours:
        ours.settimeout(10)
        ours.sendall(request)
        ours.shutdown(socket.SHUT_WR)
        said = b"".join(iter(lambda: ours.recv(65536), b""))
    thread.join()
    return told[0], said


def test_a_scrape_gets_the_figures_of_a_running_jepad(served: Any) -> None:
    given, said = ask(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", served.socket)
    assert given
    assert said.startswith(b"HTTP/1.1 200")
    assert b"jepa_frames_total" in said
    assert b"jepa_channel{" not in said


@pytest.mark.parametrize(
    "request_line",
    ["GET /v1/frames", "POST /metrics", "GET /metrics/../v1/history", "DELETE /v1/tasks/1", "GET"],
)
def test_nothing_else_is_passed_on(request_line: str, served: Any) -> None:
    given, said = ask(f"{request_line} HTTP/1.1\r\n\r\n".encode(), served.socket)
    assert not given
    assert said.startswith(b"HTTP/1.1 404")


def test_a_jepad_that_is_away_is_said(tmp_path: Path) -> None:
    given, said = ask(b"GET /metrics HTTP/1.1\r\n\r\n", tmp_path / "none")
    assert not given
    assert said.startswith(b"HTTP/1.1 503")


def test_who_says_nothing_or_too_much_is_left(served: Any) -> None:
    assert ask(b"", served.socket) == (False, ask(b"GET", served.socket)[1])
    given, said = ask(b"x" * 8192, served.socket)
    assert not given
    assert said.startswith(b"HTTP/1.1 404")


def test_who_says_nothing_holds_up_nobody_else_and_it_ends_when_nobody_asks(served: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener, served.socket, 0.5))
        thread.start()
        with socket.create_connection(listener.getsockname()):
            for _ in range(2):
                with socket.create_connection(listener.getsockname(), 10) as asking:
                    asking.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
                    assert asking.recv(65536).startswith(b"HTTP/1.1 200")
        thread.join(10)
        assert not thread.is_alive()
