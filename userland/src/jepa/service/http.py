# SPDX-License-Identifier: Apache-2.0
"""The HTTP server of the API: a thread a connection, on a UNIX socket, read only.

It is the standard library's: importing FastAPI and uvicorn took 1.2 s of the 1.9 s of CPU time that jepad
needed to start, which an emulated machine turns into half a minute before the shell appears.
"""

import contextlib
import http.server
import socket
import socketserver
import threading
from typing import Any
from urllib.parse import unquote, urlsplit

from jepa import __version__
from jepa.errors import JepaError
from jepa.service.api import EventOut, Problem
from jepa.service.engine import Engine, Entry
from jepa.service.routes import EVENTS, Query, Route, find, read_query
from jepa.service.wire import encode

HEARTBEAT_S = 15.0
"""A stream with nothing to say sends a comment this often, so that a dead reader is noticed."""
IDLE_S = 30.0
"""A connection that neither asks nor reads for so long is closed."""
CONNECTIONS = 64
"""Connections at a time; more are refused, so that nobody can fill the memory with threads."""


class Server(socketserver.ThreadingMixIn, socketserver.BaseServer):
    """Answers from ``engine`` on a listening socket."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, engine: Engine, listener: socket.socket) -> None:
        super().__init__(listener.getsockname(), Handler)
        self.engine = engine
        self.encoded = _Encoded(engine)
        self._listener = listener
        self._free = threading.BoundedSemaphore(CONNECTIONS)

    def fileno(self) -> int:
        """What to wait on."""
        return self._listener.fileno()

    def get_request(self) -> tuple[socket.socket, Any]:
        """The next connection."""
        return self._listener.accept()

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether there is room for one more connection; says so to whom there is not."""
        if self._free.acquire(blocking=False):
            return True
        body = encode(
            Problem(
                title=f"{CONNECTIONS} connections are open, which is the limit.",
                status=503,
                remedy="Close one and try again.",
            )
        ).encode()
        head = (
            "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        with contextlib.suppress(OSError):  # it need not wait for the answer
            request.settimeout(1.0)
            request.sendall(head.encode() + body)
        return False

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection to its end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def shutdown_request(self, request: Any) -> None:
        """Close one connection."""
        with contextlib.suppress(OSError):  # it may have gone already
            request.shutdown(socket.SHUT_WR)
        request.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away in the middle is its own affair."""

    def server_close(self) -> None:
        """Stop listening."""
        self._listener.close()


class _Encoded:
    """What happens as server-sent events; a tick, which is long, is encoded once for all streams."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._newest = (-1, b"")

    def event(self, entry: Entry | EventOut) -> bytes:
        """``entry`` as one event."""
        if isinstance(entry, EventOut):
            return f"event: event\ndata: {encode(entry)}\n\n".encode()
        with self._lock:
            if self._newest[0] != entry.sequence:
                body = encode(self._engine.tick_out(entry))
                event = f"id: {entry.sequence}\nevent: tick\ndata: {body}\n\n".encode()
                self._newest = (entry.sequence, event)
            return self._newest[1]


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version = f"jepad/{__version__}"
    sys_version = ""
    timeout = IDLE_S

    def do_GET(self) -> None:
        """Answer, or say what is wrong and the remedy."""
        try:
            route, query = _read_target(self.path)
            if route.media == EVENTS and self.command == "GET":
                self._stream()
            else:
                self._reply(200, route.media, self._text(route, query).encode())
        except JepaError as error:
            self._problem(Problem(title=error.problem, status=error.status, remedy=error.remedy))
        except OSError:
            self.close_connection = True  # whoever asked has gone, or does not read

    do_HEAD = do_GET

    def _refuse(self) -> None:
        self.close_connection = True  # what the request carried is not read
        self._problem(
            Problem(
                title=f"{self.command} is not allowed.", status=405, remedy="This API is read only: use GET."
            )
        )

    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _refuse

    def _text(self, route: Route, query: Query) -> str:
        if route.media == EVENTS:
            return ""
        try:
            return route.answer(self.server.engine, query)
        except JepaError:
            raise
        except Exception as error:  # a bug in one answer is told, and is not the end of the connection
            raise JepaError(
                f"jepad met an error of its own: {type(error).__name__}: {error}.",
                "Report it with the output of `journalctl -u jepad -n 50`.",
            ) from error

    def _stream(self) -> None:
        engine = self.server.engine
        reader = engine.subscribe()
        try:
            self.close_connection = True
            self.send_response(200)
            self.send_header("Content-Type", EVENTS)
            self.send_header("Cache-Control", "no-store")
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(b": jepa\n\n")
            while not reader.ended:
                events = [self.server.encoded.event(entry) for entry in reader.take(HEARTBEAT_S)]
                self.wfile.write(b"".join(events) or b": still here\n\n")
        finally:
            engine.unsubscribe(reader)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What http.server itself refuses: no HTTP, a request too long, an unknown method."""
        self.close_connection = True
        self._problem(
            Problem(
                title=f"{message or 'The request cannot be read'}.",
                status=code,
                remedy="Use GET of HTTP/1.1.",
            )
        )

    def _problem(self, problem: Problem) -> None:
        self._reply(problem.status, "application/problem+json", encode(problem).encode())

    def _reply(self, status: int, media: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media)
        self.send_header("Content-Length", str(len(body)))
        if status == 405:
            self.send_header("Allow", "GET, HEAD")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are no news."""


def _read_target(target: str) -> tuple[Route, Query]:
    try:
        parts = urlsplit(target)
    except ValueError as error:
        raise JepaError(f"The address is not valid: {error}.", "Correct it.", status=400) from error
    route = find(unquote(parts.path))
    return route, read_query(route, parts.query)
