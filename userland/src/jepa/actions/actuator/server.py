# SPDX-License-Identifier: Apache-2.0
"""Many Varlink connections in one thread: none, whatever it sends or does not read, holds up the others.

Work is done by other threads; for each connection one call at a time, so that its replies keep their order.
"""

import os
import selectors
import socket
import struct
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from jepa.actions.actuator import varlink
from jepa.actions.actuator.varlink import Call, ProtocolError, Splitter, VarlinkError
from jepa.actions.actuator.workers import Workers

Kind = Literal["read", "act", "end"]
Send = Callable[[Mapping[str, Any]], None]
"""Takes a reply that others follow."""
_READ: Final = 65536
_ACCEPTED_AT_ONCE: Final = 32
_CREDENTIALS: Final = struct.Struct("@iii")


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """What a connection, a user and all of them may take."""

    connections: int = 512
    connections_of_user: int = 128
    reading: int = 4
    """Calls that change nothing, at a time; others wait."""
    acting: int = 32
    """Calls that change something, at a time; others are refused."""
    acting_of_user: int = 8
    ending: int = 8
    """Calls that take something back, at a time; others wait: it is possible whatever else goes on."""
    begun: int = 48
    """Calls that are read and waiting for a thread, or at work; others stay as they came."""
    pipelined: int = 16
    """Calls that a connection may send ahead."""
    unsent_bytes: int = 16 << 20
    """Replies that all connections together may leave unread."""
    begin_s: float = 30.0
    """Until its first call."""
    message_s: float = 5.0
    """From the first byte of a message to its last, and for each reply to be read."""
    idle_s: float = 60.0
    """Without any connection, until the server ends if it may."""
    drain_s: float = 3.0
    """After it was told to stop, for calls at work to be answered."""


class VarlinkSession(Protocol):
    """Whoever is at the other end of a connection."""

    def call(self, call: Call, send: Send) -> Mapping[str, Any]:
        """Answer; ``send`` takes earlier replies where ``call.more``. VarlinkError is an answer as well."""

    def close(self) -> None:
        """The connection is over."""


class Service(Protocol):
    """What is served."""

    def open(self, peer: socket.socket) -> VarlinkSession:
        """The session of a peer, who has called for the first time. VarlinkError when it cannot be told."""

    def answer(self, call: Call) -> Mapping[str, Any] | None:
        """The reply to a call that takes no time and no caller; None for others. VarlinkError is a reply."""

    def kind(self, call: Call) -> Kind:
        """What the call does: ``act`` and ``end`` may take long."""

    def busy(self) -> VarlinkError:
        """The answer when too many calls are at work."""


class VarlinkServer:
    """Answers on a listening socket until it is told to stop."""

    def __init__(
        self,
        listener: socket.socket,
        service: Service,
        limits: ServerLimits | None = None,
        *,
        ends_when_idle: bool = False,
        tick: Callable[[], float | None] = lambda: None,
    ) -> None:
        """``tick`` is called by the loop now and then, and after as many seconds as it returns, at most."""
        self._listener = listener
        self._service = service
        self._limits = limits or ServerLimits()
        self._ends_when_idle = ends_when_idle
        self._tick = tick
        self._selector = selectors.DefaultSelector()
        self._connections: set[_Connection] = set()
        self._look_at: float | None = None
        """No deadline of a connection is before: until then none need be looked at."""
        self._users: Counter[int] = Counter()
        self._acting: Counter[int] = Counter()
        self._workers: dict[Kind, Workers] = {
            "read": Workers("read", self._limits.reading),
            "act": Workers("act", self._limits.acting),
            "end": Workers("end", self._limits.ending),
        }
        self._begun = 0
        self._waiting: deque[_Connection] = deque()
        self._unsent = 0
        self._posted: deque[tuple[_Connection, bytes, bool]] = deque()
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._stopping = False
        self._idle_since = time.monotonic()
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ, None)
        self._selector.register(self._wake_fd, selectors.EVENT_READ, None)

    def stop(self) -> None:
        """Let ``run`` return; from any thread."""
        self._stopping = True
        self.wake()

    def wake(self) -> None:
        """Have ``tick`` called soon; from any thread."""
        with suppress(BlockingIOError):
            os.eventfd_write(self._wake_fd, 1)

    @property
    def working(self) -> int:
        """Calls that are waiting for a thread or at work."""
        return self._begun + self._acting.total()

    def run(self) -> None:
        """Answer until ``stop``, or until nobody has been connected for long where it may end then."""
        try:
            while not self._stopping and not self._idle_for_long():
                self._turn(self._tick())
            self._selector.unregister(self._listener)
            end = time.monotonic() + self._limits.drain_s
            while any(each.busy for each in self._connections) and (left := end - time.monotonic()) > 0:
                self._turn(left)
        finally:
            for connection in list(self._connections):
                self._close(connection)
            self._selector.close()

    def _turn(self, wait_s: float | None) -> None:
        for key, _ in self._selector.select(self._timeout(wait_s)):
            if key.fileobj is self._listener:
                self._accept()
            elif key.data is None:
                with suppress(BlockingIOError):
                    os.eventfd_read(self._wake_fd)
            else:
                self._ready(key.data)
        self._deliver()
        self._close_late()

    def _idle_for_long(self) -> bool:
        if self._connections or self.working:
            self._idle_since = time.monotonic()
        return self._ends_when_idle and time.monotonic() - self._idle_since >= self._limits.idle_s

    def _timeout(self, wait_s: float | None) -> float | None:
        deadlines = [] if self._look_at is None else [self._look_at]
        if self._ends_when_idle and not self._connections:
            deadlines.append(self._idle_since + self._limits.idle_s)
        now = time.monotonic()
        if wait_s is not None:
            deadlines.append(now + wait_s)
        return max(0.0, min(deadlines) - now) if deadlines else None

    def _accept(self) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                peer, _ = self._listener.accept()
            except BlockingIOError:
                return
            except OSError:  # no descriptor left, or the peer is gone by now
                time.sleep(0.01)
                return
            peer.setblocking(False)
            _, uid, _ = _CREDENTIALS.unpack(
                peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
            )
            many = len(self._connections) >= self._limits.connections
            if many or self._users[uid] >= self._limits.connections_of_user:
                with suppress(OSError):
                    peer.send(varlink.error_reply(self._service.busy()))
                peer.close()
                continue
            connection = _Connection(peer, uid)
            self._set_deadline(connection, self._limits.begin_s)
            self._connections.add(connection)
            self._users[uid] += 1
            self._watch(connection)

    def _ready(self, connection: "_Connection") -> None:
        if connection not in self._connections:
            return
        if connection.out:
            self._write(connection)
            return
        try:
            data = connection.peer.recv(_READ)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._close(connection)
            return
        try:
            connection.messages += connection.splitter.feed(data)
            if len(connection.messages) > self._limits.pipelined:
                raise ProtocolError("too many calls ahead")
        except ProtocolError:
            self._close(connection)
            return
        self._go_on(connection)

    def _go_on(self, connection: "_Connection") -> None:
        """Begin the next call, or wait for it."""
        while connection.messages and not connection.busy and not connection.out:
            if self._begun >= self._limits.begun:
                self._waiting.append(connection)
                connection.busy = True
                break
            try:
                self._begin(connection, varlink.parse_call(connection.messages.popleft()))
            except ProtocolError:
                self._close(connection)
        if connection in self._connections:
            self._expect(connection)
            self._watch(connection)

    def _begin(self, connection: "_Connection", call: Call) -> None:
        try:
            if (answer := self._service.answer(call)) is not None:
                self._reply(connection, call, varlink.reply(answer))
                return
        except VarlinkError as error:
            self._reply(connection, call, varlink.error_reply(error))
            return
        kind = self._service.kind(call)
        if kind == "act":
            of_user = self._acting[connection.uid]
            if self._acting.total() >= self._limits.acting or of_user >= self._limits.acting_of_user:
                self._reply(connection, call, varlink.error_reply(self._service.busy()))
                return
            self._acting[connection.uid] += 1
        connection.busy, connection.acting = True, kind == "act"
        self._begun += kind != "act"
        try:
            self._workers[kind].submit(lambda: self._work(connection, call))
        except RuntimeError:
            self._post(connection, varlink.error_reply(self._service.busy()), last=True)

    def _work(self, connection: "_Connection", call: Call) -> None:
        """Answer one call; runs in a worker."""

        def send(parameters: Mapping[str, Any]) -> None:
            self._post(connection, varlink.reply(parameters, continues=True), last=False)

        message = b""
        try:
            if connection.session is None:
                connection.session = self._service.open(connection.peer)
            message = varlink.reply(connection.session.call(call, send if call.more else _ignore))
        except VarlinkError as error:
            message = varlink.error_reply(error)
        except Exception:  # a fault of ours ends the connection, which must not wait for ever
            traceback.print_exc()
        self._post(connection, b"" if call.oneway else message, last=True, broken=not message)

    def _post(self, connection: "_Connection", message: bytes, *, last: bool, broken: bool = False) -> None:
        if broken:
            connection.broken = True
        self._posted.append((connection, message, last))
        self.wake()

    def _deliver(self) -> None:
        """Take what the workers have posted."""
        while self._posted:
            connection, message, last = self._posted.popleft()
            if last:
                if connection.acting:
                    self._acting[connection.uid] -= 1
                else:
                    self._begun -= 1
                connection.busy = connection.acting = False
            if connection not in self._connections:
                if last:
                    connection.end()
                continue
            if message:
                self._send(connection, message)
            if connection not in self._connections or not last:
                continue
            if connection.broken:
                self._close(connection)
            else:
                self._go_on(connection)
        while self._waiting and self._begun < self._limits.begun:
            connection = self._waiting.popleft()
            connection.busy = False
            if connection in self._connections:
                self._go_on(connection)
            else:
                connection.end()

    def _reply(self, connection: "_Connection", call: Call, message: bytes) -> None:
        if not call.oneway:
            self._send(connection, message)

    def _send(self, connection: "_Connection", message: bytes) -> None:
        connection.out += message
        self._unsent += len(message)
        self._write(connection)

    def _write(self, connection: "_Connection") -> None:
        try:
            sent = connection.peer.send(connection.out)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._close(connection)
            return
        del connection.out[:sent]
        self._unsent -= sent
        if self._unsent > self._limits.unsent_bytes and connection.out:
            self._close(connection)
            return
        if not connection.out and not connection.busy:
            self._go_on(connection)
            return
        if sent or connection.deadline is None:
            self._expect(connection)
        self._watch(connection)

    def _expect(self, connection: "_Connection") -> None:
        """Give the peer its time to read a reply, or to send the rest of a message."""
        waits = bool(connection.out) or (connection.splitter.pending and not connection.busy)
        self._set_deadline(connection, self._limits.message_s if waits else None)

    def _set_deadline(self, connection: "_Connection", seconds: float | None) -> None:
        connection.deadline = None if seconds is None else time.monotonic() + seconds
        if connection.deadline is not None and (
            self._look_at is None or connection.deadline < self._look_at
        ):
            self._look_at = connection.deadline

    def _watch(self, connection: "_Connection") -> None:
        """Wait for what the connection waits for. A busy one is not read: it cannot fill the memory."""
        wanted = selectors.EVENT_WRITE if connection.out else 0 if connection.busy else selectors.EVENT_READ
        if wanted == connection.watched:
            return
        if not connection.watched:
            self._selector.register(connection.peer, wanted, connection)
        elif wanted:
            self._selector.modify(connection.peer, wanted, connection)
        else:
            self._selector.unregister(connection.peer)
        connection.watched = wanted

    def _close_late(self) -> None:
        now = time.monotonic()
        if self._look_at is None or now < self._look_at:
            return
        for connection in [each for each in self._connections if each.late(now)]:
            self._close(connection)
        self._look_at = min(
            (each.deadline for each in self._connections if each.deadline is not None), default=None
        )

    def _close(self, connection: "_Connection") -> None:
        if connection.watched:
            self._selector.unregister(connection.peer)
            connection.watched = 0
        self._connections.discard(connection)
        self._users[connection.uid] -= 1
        self._unsent -= len(connection.out)
        connection.out.clear()
        self._idle_since = time.monotonic()
        if not connection.busy:  # else the worker needs the session still
            connection.end()


class _Connection:
    """One peer."""

    def __init__(self, peer: socket.socket, uid: int) -> None:
        self.peer = peer
        self.uid = uid
        self.splitter = Splitter()
        self.messages: deque[bytes] = deque()
        """Calls that were not begun: not parsed either, which takes twenty times the memory."""
        self.out = bytearray()
        self.session: VarlinkSession | None = None
        self.busy = False
        """Whether a call of it waits for a worker, or is with one."""
        self.acting = False
        self.broken = False
        self.watched = 0
        self.deadline: float | None = None
        """When it is closed, unless it goes on; on the monotonic clock."""

    def late(self, now: float) -> bool:
        """Whether its time is over."""
        return self.deadline is not None and self.deadline <= now

    def end(self) -> None:
        """Close all that belongs to it."""
        self.peer.close()
        if self.session is not None:
            self.session.close()


def _ignore(parameters: Mapping[str, Any]) -> None:
    """Drops the earlier replies of a call that takes one."""
