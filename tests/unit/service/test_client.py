# SPDX-License-Identifier: Apache-2.0
"""The client of the socket turns whatever jepad answers, or does not, into a message or one sentence."""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jepa.errors import JepaError
from jepa.service.api import EventOut
from jepa.service.client import HttpClient, connect

EVENT = (
    b'{"sequence":7,"ts_ns":1,"kind":"oom_kill","severity":"error",'
    b'"source":"kmsg","unit":null,"detail":null}'
)
Serve = Callable[[bytes], HttpClient]


@pytest.fixture
def answering(tmp_path: Path) -> Iterator[Serve]:
    """A client of a socket on which every request is answered with the same bytes, and then closed."""
    listener = socket.socket(socket.AF_UNIX)
    threads: list[threading.Thread] = []

    def serve(answer: bytes) -> HttpClient:
        listener.bind(str(tmp_path / "s"))
        listener.listen()

        def loop() -> None:
            while True:
                try:
                    line, _ = listener.accept()
                except OSError:
                    return
                with line:
                    line.recv(65536)
                    line.sendall(answer)

        threads.append(threading.Thread(target=loop, daemon=True))
        threads[0].start()
        return HttpClient(tmp_path / "s")

    yield serve
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    for thread in threads:
        thread.join(20)


def ok(body: bytes, kind: bytes = b"application/json") -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b" % (kind, len(body), body)


def test_a_list_of_messages_is_read(answering: Serve) -> None:
    (event,) = answering(ok(b"[" + EVENT + b"]")).events()
    assert isinstance(event, EventOut)
    assert (event.sequence, event.kind) == (7, "oom_kill")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[",
        b"HTTP/1.1 200 OK\r\nX: ",
    ],
    ids=["nothing", "no HTTP", "half a body", "half a head"],
)
def test_an_answer_that_breaks_off_names_the_socket(answering: Serve, answer: bytes) -> None:
    client = answering(answer)
    with pytest.raises(JepaError, match=r"The connection to jepad at .*/s broke") as failed:
        client.events()
    assert failed.value.status == 502
    assert failed.value.remedy


@pytest.mark.parametrize("body", [b"{", b"[1]", b'[{"sequence": "x"}]', b"\xff", b""])
def test_an_answer_of_another_version_asks_for_a_restart(answering: Serve, body: bytes) -> None:
    client = answering(ok(body))
    with pytest.raises(JepaError, match="this jepa cannot read") as failed:
        client.events()
    assert "Restart jepad" in str(failed.value.remedy)


def test_a_problem_is_raised_with_its_status_and_remedy(answering: Serve) -> None:
    body = b'{"title":"There is no forecast yet.","status":503,"remedy":"Ask again."}'
    head = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: %d\r\n\r\n" % len(body)
    client = answering(head + body)
    with pytest.raises(JepaError) as failed:
        client.forecast()
    assert (failed.value.problem, failed.value.remedy, failed.value.status) == (
        "There is no forecast yet.",
        "Ask again.",
        503,
    )


def test_a_stream_skips_comments_and_names_it_does_not_know_and_says_when_it_ends(answering: Serve) -> None:
    body = (
        b": jepa\n\nevent: other\ndata: {}\n\nid: 7\nevent: event\ndata: " + EVENT + b"\n\n: heartbeat\n\n"
    )
    client = answering(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + body)
    stream = client.stream()
    event = next(stream)
    assert isinstance(event, EventOut)
    assert event.sequence == 7
    with pytest.raises(JepaError, match="jepad ended the stream"):
        next(stream)


def test_a_socket_that_a_killed_daemon_left_is_no_daemon(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "s"))
    with pytest.raises(JepaError, match="nobody listens") as refused:
        connect(socket=tmp_path / "s")
    assert refused.value.status == 503
