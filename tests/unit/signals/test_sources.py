# SPDX-License-Identifier: Apache-2.0
"""Real files, real UNIX sockets and a real HTTP server, good ones and bad ones."""

import contextlib
import http.server
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.errors import JepaError
from jepa.signals import page
from jepa.signals.signal import NoNews, Unreachable
from jepa.signals.sources import last_number, open_source


class Pages(http.server.BaseHTTPRequestHandler):
    """Serves what the test put into ``body``."""

    body = b""
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def pages() -> Iterator[tuple[type[Pages], str]]:
    """The handler, and the address of its server."""

    class Own(Pages):
        """Whose page no other test changes."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Own) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield Own, f"http://127.0.0.1:{server.server_address[1]}/metrics"
        server.shutdown()


def test_a_page_of_this_machine_is_read(pages: tuple[type[Pages], str]) -> None:
    kind, address = pages
    kind.body = b"# TYPE queue gauge\nqueue 3\n"
    source = open_source(f"prometheus:{address}#queue")
    assert source.read() == 3
    kind.body = b"queue 4\n"
    assert source.read() == 4
    assert open_source(f"prometheus:{address.replace('127.0.0.1', 'localhost')}#queue").read() == 4
    kind.status = 503
    with pytest.raises(Unreachable, match="answers 503"):
        source.read()


def test_a_page_without_end_is_not_read_to_it(
    pages: tuple[type[Pages], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, address = pages
    monkeypatch.setattr(page, "LARGEST", 1 << 16)
    kind.body = b"queue 3\n" * (1 << 14)
    with pytest.raises(Unreachable, match="larger than"):
        open_source(f"prometheus:{address}#queue").read()


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\n", b"\0\xff" * 300, b"HTTP/1.1 200 OK\r\nX: y"]
)
def test_a_server_that_drips_or_is_none_holds_nobody_up(
    answer: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jepa.signals.sources.DEADLINE_S", 0.3)
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def drip() -> None:
            with contextlib.suppress(OSError):
                line, _ = listener.accept()
                line.sendall(answer)
                for _ in range(100):
                    time.sleep(0.05)
                    line.sendall(b"X")

        threading.Thread(target=drip, daemon=True).start()
        began = time.monotonic()
        with pytest.raises((Unreachable, OSError)):
            open_source(f"prometheus:unix:{path}#queue").read()
        assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    "source",
    [
        "prometheus:http://example.org/metrics#x", "prometheus:http://127.0.0.1.example.org/#x",
        "prometheus:http://127.0.0.1@example.org/#x", "prometheus:https://127.0.0.1/#x",
        "prometheus:http://127.0.0.999/#x", "prometheus:http://127.0.0.1:70000/#x",
        "prometheus:http://10.0.0.1/metrics#x", "prometheus:http://[::2]/#x",
        "prometheus:http://127.0.0.1/metrics", "prometheus:http://127.0.0.1/ HTTP/1.1#x",
        "prometheus:http://127.0.0.1/\r\nX: y#x", "file:relative", "unix:", "pipe:/x", "",
        "file:/" + "x" * 600, "file:/\0", "file:/ä",
    ],
)  # fmt: skip
def test_only_this_machine_is_ever_asked(source: str) -> None:
    with pytest.raises(JepaError):
        open_source(source)


def test_a_file_that_is_rewritten_or_appended_to_gives_its_last_number(tmp_path: Path) -> None:
    path = tmp_path / "queue"
    source = open_source(f"file:{path}")
    with pytest.raises(FileNotFoundError):
        source.read()
    path.write_text("12")
    assert source.read() == 12
    with pytest.raises(NoNews):
        source.read()
    path.write_text(
        "".join(f"12:00:{at:02} p99={at / 100}\n" for at in range(60)) * 100 + "12:01:00 p99=0.0"
    )
    assert source.read() == 0.59


def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path, Path("/dev/zero")):
        with pytest.raises((Unreachable, OSError)):
            open_source(f"file:{path}").read()


def test_a_line_without_a_number_is_said_so(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("1\n2\nnone here v1.2.3 x9\n")
    with pytest.raises(Unreachable, match="no number"):
        open_source(f"file:{path}").read()


@given(st.binary(max_size=200), st.booleans())
def test_whatever_a_file_holds_there_is_a_number_or_none(text: bytes, whole: bool) -> None:
    with contextlib.suppress(Unreachable):
        assert isinstance(last_number(text, whole=whole), float)


def test_a_socket_gives_the_last_line_that_it_sent(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        source = open_source(f"unix:{path}")
        with pytest.raises(NoNews):
            source.read()
        line, _ = listener.accept()
        line.sendall(b"0.1\n0.2\n0.")
        assert source.read() == 0.2
        line.sendall(b"35\n")
        assert source.read() == 0.35
        line.sendall(b"x" * 5000)
        with pytest.raises(Unreachable, match="lines of more"):
            source.read()
        with pytest.raises(NoNews):
            source.read()  # connected anew
        line, _ = listener.accept()
        line.sendall(b"7\n")
        line.close()
        assert source.read() == 7
    with pytest.raises(OSError, match="refused"):
        source.read()
    source.close()
