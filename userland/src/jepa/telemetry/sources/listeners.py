# SPDX-License-Identifier: Apache-2.0
"""How full the queues are in which TCP connections wait for a server to accept them."""

import os
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from jepa.telemetry.sources.base import Reading

CHANNEL = "system.network.tcp.accept.queue"
_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_REQUEST_DUMP = 0x301
_ERROR, _DONE = 2, 3
_LISTEN = 1 << 10
"""States asked for, as bits by number: TCP_LISTEN alone, so that connections cost nothing."""
_HEADER = struct.Struct("=IHHII")
_ASKED = struct.Struct("=BBBBI48x")
"""struct inet_diag_req_v2."""
_TOLD = struct.Struct("=BBBB48xIIIII")
"""struct inet_diag_msg: of a listener rqueue is what waits and wqueue what may."""
_ATTRIBUTE = struct.Struct("=HH")
_CGROUP_ID = 21
"""INET_DIAG_CGROUP_ID: the control group of the process that made the socket, Linux 5.8 and newer."""
_ANSWER_BYTES = 1 << 16
_ANSWERS = 64
"""Packets read for one question: some ten thousand listeners."""


@dataclass(frozen=True, slots=True)
class ListeningSocket:
    """One listening socket."""

    waiting: int
    """Connections that wait to be accepted."""
    limit: int
    """Connections that may wait."""
    cgroup: int | None = None
    """The inode of the control group of whoever made it; None when the kernel does not say."""


def open_diag() -> socket.socket:
    """A socket to ask the kernel for sockets. Raises OSError."""
    diag = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, _NETLINK_SOCK_DIAG)
    diag.setblocking(False)  # the kernel answers within the call that asks
    return diag


class ListenerSource:
    """Asks the kernel for its listening TCP sockets, through sock_diag(7).

    Those of this network namespace; a container's are seen from within it.
    """

    name = "listeners"

    def __init__(self, connect: Callable[[], socket.socket] = open_diag) -> None:
        self._connect = connect
        self._diag: socket.socket | None = None

    def read(self, now: float) -> Reading:
        """The fullest queue in percent of what it may hold; absent when nobody listens."""
        try:
            if self._diag is None:
                self._diag = self._connect()
            fills = [100.0 * each.waiting / each.limit for each in listeners(self._diag) if each.limit]
        except (OSError, ValueError) as error:
            self.close()
            reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
            return Reading({}, f"the kernel does not list listening sockets: {reason}")
        return Reading({CHANNEL: max(fills)}) if fills else Reading({})

    def close(self) -> None:
        """Close the socket; a later reading opens it again, which also forgets answers not read."""
        if self._diag is not None:
            self._diag.close()
            self._diag = None


def listeners(diag: socket.socket) -> list[ListeningSocket]:
    """Every listening TCP socket of this network namespace. Raises OSError or ValueError."""
    return [_listener(each) for each in tcp_sockets(diag, _LISTEN)]


def tcp_sockets(diag: socket.socket, states: int) -> Iterator[bytes]:
    """What the kernel tells of each TCP socket in ``states``, bits by their number; see inet_diag(7).

    Raises OSError or ValueError; ``diag`` may then hold answers that were not read.
    """
    for family in (socket.AF_INET, socket.AF_INET6):
        asked = _ASKED.pack(family, socket.IPPROTO_TCP, 0, 0, states)
        size = _HEADER.size + len(asked)
        diag.sendto(_HEADER.pack(size, _SOCK_DIAG_BY_FAMILY, _REQUEST_DUMP, 0, 0) + asked, (0, 0))
        for _ in range(_ANSWERS):
            found, done = _contents(diag.recv(_ANSWER_BYTES))
            yield from found
            if done:
                break
        else:
            raise ValueError("there are too many")


def parse_answer(packet: bytes) -> tuple[list[ListeningSocket], bool]:
    """Each listener in ``packet``, and whether it is the last packet.

    Raises OSError with the kernel's reason when it refused, ValueError when the packet makes no sense.
    """
    found, done = _contents(packet)
    return [_listener(each) for each in found], done


def _listener(content: bytes) -> ListeningSocket:
    _, _, _, _, _, waiting, limit, _, _ = _TOLD.unpack_from(content)
    return ListeningSocket(waiting, limit, socket_cgroup(content))


def _contents(packet: bytes) -> tuple[list[bytes], bool]:
    found: list[bytes] = []
    for kind, content in _messages(packet):
        if kind == _DONE:
            return found, True
        if kind == _ERROR:
            number = -struct.unpack_from("=i", content)[0] if len(content) >= 4 else 0
            raise OSError(number, os.strerror(number))
        if kind == _SOCK_DIAG_BY_FAMILY and len(content) >= _TOLD.size:
            found.append(content)
    return found, False


def socket_cgroup(content: bytes) -> int | None:
    """The inode of the control group in what the kernel tells of a socket; None where it does not say."""
    place = _TOLD.size
    while place + _ATTRIBUTE.size <= len(content):
        length, kind = _ATTRIBUTE.unpack_from(content, place)
        if length < _ATTRIBUTE.size:
            return None
        if kind == _CGROUP_ID and length == _ATTRIBUTE.size + 8 and place + length <= len(content):
            return int.from_bytes(content[place + _ATTRIBUTE.size : place + length], sys.byteorder)
        place += -(-length // 4) * 4
    return None


def _messages(packet: bytes) -> Iterator[tuple[int, bytes]]:
    """Kind and content of each netlink message."""
    place = 0
    while place + _HEADER.size <= len(packet):
        length, kind, _, _, _ = _HEADER.unpack_from(packet, place)
        if not _HEADER.size <= length <= len(packet) - place:
            raise ValueError("an answer that is cut short")
        yield kind, packet[place + _HEADER.size : place + length]
        place += -(-length // 4) * 4
