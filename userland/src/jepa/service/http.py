# SPDX-License-Identifier: Apache-2.0
"""The HTTP server of the API: a thread a connection, on a UNIX socket; only root may change anything.

h11 reads and writes HTTP; what is here is sockets, threads and limits. FastAPI with uvicorn took 1.2 of the
1.9 s of CPU time that jepad needed to start, which an emulated machine turns into half a minute.
"""

import contextlib
import os
import socket
import socketserver
import struct
import threading
import time
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote, urlsplit

import h11

from jepa import __version__
from jepa.errors import JepaError
from jepa.service.api import EventOut, Problem
from jepa.service.broadcast import READERS
from jepa.service.engine import Engine
from jepa.service.query import read_query
from jepa.service.ring import Entry
from jepa.service.route import BODY, EVENTS, WHO, Query, Route
from jepa.service.routes import NotAllowed, find
from jepa.service.wire import encode

HEARTBEAT_S = 15.0
"""A stream with nothing to say sends a comment this often, so that a dead reader is noticed."""
IDLE_S = 30.0
"""A connection that has not sent a whole request after so long, or does not read, is closed."""
CONNECTIONS = 64
"""Connections at a time; more are refused, so that nobody can fill the memory with threads."""
HEAD_BYTES = 16384
"""Longest request line and headers."""
BODY_BYTES = 65536
"""Longest request body that is read, so that the connection can be kept."""
LINGER_S = 1.0
LINGER_BYTES = 2**20
"""How long, and for how much, a connection that is closed by us still waits for its peer."""
_CHUNK = 16384
_CREDENTIALS = struct.Struct("3i")
"""Process, user and group of a peer, as SO_PEERCRED gives them."""


class Server(socketserver.ThreadingMixIn, socketserver.BaseServer):
    """Answers from ``engine`` on a listening socket."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, engine: Engine, listener: socket.socket) -> None:
        super().__init__(listener.getsockname(), socketserver.BaseRequestHandler)
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

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Answer the requests of one connection."""
        _Connection(request, self).serve()

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
    """What happens as server-sent events; a tick, which is long, is encoded once for all who ask alike.

    The id of an event is its number in the log, which a client that comes back sends as Last-Event-ID. Ticks
    have none: whoever missed some asks for the frames.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._newest: dict[tuple[str, ...], tuple[int, bytes]] = {}

    def event(self, entry: Entry | EventOut, channels: tuple[str, ...]) -> bytes:
        """``entry``, a tick with ``channels`` alone where some are named."""
        if isinstance(entry, EventOut):
            return f"id: {entry.sequence}\nevent: event\ndata: {encode(entry)}\n\n".encode()
        with self._lock:
            sequence, event = self._newest.get(channels, (-1, b""))
            if sequence != entry.sequence:
                if len(self._newest) > READERS:
                    self._newest.clear()
                event = f"event: tick\ndata: {encode(self._engine.tick_out(entry, channels))}\n\n".encode()
                self._newest[channels] = entry.sequence, event
            return event


class _Connection:
    """One connection: requests and answers in turn, until either side ends it."""

    def __init__(self, line: socket.socket, server: Server) -> None:
        self._line = line
        self._server = server
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES)
        self._keep = True

    def serve(self) -> None:
        """Answer requests until the connection is closed."""
        with contextlib.suppress(OSError):  # whoever asked has gone, or does not read
            while self._turn():
                self._http.start_next_cycle()
            self._linger()

    def _linger(self) -> None:
        """Read what was sent and is not wanted: closing before would take the answer from the peer."""
        self._line.shutdown(socket.SHUT_WR)
        self._line.settimeout(LINGER_S)
        for _ in range(LINGER_BYTES // _CHUNK):
            if not self._line.recv(_CHUNK):
                return

    def _turn(self) -> bool:
        """Answer one request; whether another may follow on this connection."""
        deadline = time.monotonic() + IDLE_S
        try:
            request = self._next(deadline)
            if not isinstance(request, h11.Request):
                return False
            body = self._read_body(request, deadline)
        except h11.RemoteProtocolError as error:
            self._refuse(error)
            return False
        try:
            self._answer(request, body)
        except JepaError as error:
            self._problem(Problem(title=error.problem, status=error.status, remedy=error.remedy))
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    def _next(self, deadline: float) -> Any:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._line.settimeout(max(0.001, deadline - time.monotonic()))
            self._http.receive_data(self._line.recv(_CHUNK))
        self._line.settimeout(IDLE_S)
        return event

    def _read_body(self, request: h11.Request, deadline: float) -> bytes:
        """What the request carries, up to a limit: left unread, it would be taken for the next request."""
        names = [name for name, _ in request.headers]
        if b"content-length" in names and b"transfer-encoding" in names:
            raise h11.RemoteProtocolError("both Content-Length and Transfer-Encoding are given")
        self._keep = not self._http.they_are_waiting_for_100_continue
        body = b""
        while self._keep:
            event = self._next(deadline)
            if not isinstance(event, h11.Data):
                break
            body += event.data
            self._keep = len(body) <= BODY_BYTES
        return body

    def _answer(self, request: h11.Request, body: bytes) -> None:
        method = request.method.decode("ascii", "replace")
        try:
            route, query = _read_target(request.target.decode("ascii", "replace"), method)
        except NotAllowed as error:
            self._keep = False
            problem = Problem(title=error.problem, status=error.status, remedy=error.remedy)
            self._problem(problem, (("Allow", error.allowed),))
            return
        query = {**query, WHO: self._user()}
        if route.for_root:
            self._authorise(query[WHO])
        if route.takes:
            query = {**query, BODY: body}
        if route.media == EVENTS and method == "GET":
            self._stream(tuple(query["channel"]), _last_event_id(request, query["after"]))
        else:
            self._reply(200, route.media, self._text(route, query).encode())

    def _user(self) -> int:
        """Who is connected."""
        credentials = self._line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        user: int = _CREDENTIALS.unpack(credentials)[1]
        return user

    def _authorise(self, user: int) -> None:
        """JepaError (403) unless root asks, or whoever jepad runs as: what it changes is for everybody."""
        if user not in (0, os.geteuid()):
            raise JepaError("Only root may change what is everybody's.", "Run it with sudo.", status=403)

    def _text(self, route: Route, query: Query) -> str:
        if route.media == EVENTS:
            return ""
        try:
            return route.answer(self._server.engine, query)
        except JepaError:
            raise
        except Exception as error:  # a bug in one answer does not end the connection
            raise JepaError(
                f"jepad failed to answer because of a bug: {type(error).__name__}: {error}.",
                "Report it with the output of `journalctl -u jepad -n 50`.",
            ) from error

    def _stream(self, channels: tuple[str, ...], after: int | None) -> None:
        engine = self._server.engine
        listener = engine.listen(channels, after)
        try:
            self._head(
                200, (("Content-Type", EVENTS), ("Cache-Control", "no-store"), ("Connection", "close"))
            )
            self._send(h11.Data(data=b": jepa\n\n"))
            while not listener.ended:
                encoded = self._server.encoded
                events = [encoded.event(entry, channels) for entry in listener.take(HEARTBEAT_S)]
                self._send(h11.Data(data=b"".join(events) or b": heartbeat\n\n"))
            self._send(h11.EndOfMessage())
        finally:
            engine.broadcast.unsubscribe(listener.reader)

    def _refuse(self, error: h11.RemoteProtocolError) -> None:
        """Answer a request that is no HTTP, or more of it than is read; the connection ends."""
        self._keep = False
        status = error.error_status_hint
        if status == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE and b"\n" not in self._http.trailing_data[0]:
            status = HTTPStatus.REQUEST_URI_TOO_LONG
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            reason = str(error).strip().rstrip(".") or "it is no HTTP"
            self._problem(
                Problem(
                    title=f"The request cannot be read: {reason}.",
                    status=status,
                    remedy="Send a GET request of HTTP/1.1.",
                )
            )

    def _problem(self, problem: Problem, headers: tuple[tuple[str, str], ...] = ()) -> None:
        self._reply(problem.status, "application/problem+json", encode(problem).encode(), headers)

    def _reply(
        self, status: int, media: str, body: bytes, headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        close = () if self._keep else (("Connection", "close"),)
        length = (("Content-Type", media), ("Content-Length", str(len(body))))
        self._head(status, (*length, *headers, *close))
        self._send(h11.Data(data=body))
        self._send(h11.EndOfMessage())

    def _head(self, status: int, headers: tuple[tuple[str, str], ...]) -> None:
        date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
        common = (("Server", f"jepad/{__version__}"), ("Date", date))
        reason = HTTPStatus(status).phrase.encode()
        self._send(h11.Response(status_code=status, headers=[*common, *headers], reason=reason))

    def _send(self, event: h11.Event) -> None:
        data = self._http.send(event)
        if data:
            self._line.sendall(data)


def _last_event_id(request: h11.Request, after: int | None) -> int | None:
    """The number after which events are wanted: of the query, else what a client that comes back sends."""
    if after is not None:
        return after
    given = next((value for name, value in request.headers if name == b"last-event-id"), b"")
    return int(given) if given.isdigit() and len(given) < 19 else None


def _read_target(target: str, method: str) -> tuple[Route, Query]:
    try:
        parts = urlsplit(target)
    except ValueError as error:
        raise JepaError(f"The address is not valid: {error}.", "Correct it.", status=400) from error
    path = unquote(parts.path)
    route = find(path, method)
    query = read_query(route, parts.query)
    return route, {**query, route.variable: path.rpartition("/")[2]} if route.variable else query
