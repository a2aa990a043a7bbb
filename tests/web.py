# SPDX-License-Identifier: Apache-2.0
"""Servers for tests that fetch something: with parts of files, with whole ones, and one that goes away.

Each speaks HTTP, or HTTPS where it has a certificate.
"""

import http.server
import io
import os
import re
import ssl
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

_RANGE = re.compile(r"bytes=(?P<first>\d+)-(?P<last>\d+)")


class Whole(http.server.SimpleHTTPRequestHandler):
    """Gives each file as a whole."""

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


class Parts(Whole):
    """Gives the part of a file that is asked for, as most servers do, and counts in `sent` what it gave."""

    def __init__(self, *args: Any, sent: Counter[str], **options: Any) -> None:
        self.sent = sent
        super().__init__(*args, **options)

    def send_head(self) -> Any:
        """Answer with a part, or as the class before does; returns a file with what is to be sent."""
        asked, path = _RANGE.fullmatch(self.headers.get("Range", "")), Path(self.translate_path(self.path))
        if asked is None or not path.is_file():
            return super().send_head()
        first, last, size = int(asked["first"]), int(asked["last"]), path.stat().st_size
        with path.open("rb") as file:
            content = os.pread(file.fileno(), last - first + 1, first)
        self.send_response(http.HTTPStatus.PARTIAL_CONTENT)
        self.send_header("Content-Range", f"bytes {first}-{first + len(content) - 1}/{size}")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        return io.BytesIO(content)

    def copyfile(self, source: Any, outputfile: Any) -> None:
        """Send it, and count."""
        while part := source.read(1 << 20):
            outputfile.write(part)
            self.sent[self.path.lstrip("/")] += len(part)


class Halting(Whole):
    """Ends each connection for a partition in its middle, as a server that goes away."""

    def do_GET(self) -> None:
        """Send a partition's length and its first half."""
        path = Path(self.translate_path(self.path))
        if path.suffix != ".raw":
            super().do_GET()
            return
        content = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2])
        self.close_connection = True


class _Server(http.server.ThreadingHTTPServer):
    """Says nothing of clients that go away, as those do that do not trust it."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Tell of any other error."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


@contextmanager
def server(
    place: Path, handler: Any, *, secure: ssl.SSLContext | None = None, **options: Any
) -> Iterator[int]:
    """Serve the directory ``place`` on this host, over HTTPS when ``secure``; yields the port."""
    made = partial(handler, directory=str(place), **options)
    with _Server(("127.0.0.1", 0), made) as running:
        if secure is not None:
            # who connects and says nothing must not keep the others from being heard
            running.socket = secure.wrap_socket(
                running.socket, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(target=running.serve_forever, daemon=True).start()
        try:
            yield running.server_port
        finally:
            running.shutdown()
