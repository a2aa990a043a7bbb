# SPDX-License-Identifier: Apache-2.0
"""TCP connections that programs here have asked for, by the control group that asked."""

import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from jepa.telemetry.sources.listeners import socket_cgroup, tcp_sockets

_LISTEN: Final = 10
_STATES: Final = sum(1 << state for state in (1, 2, 3, 4, 5, 8, _LISTEN))
"""Established, being opened and being closed; what waits for its time to be over belongs to nobody."""
_PORT: Final = slice(4, 6)
_COOKIE: Final = slice(44, 52)
"""Places in struct inet_diag_msg."""


@dataclass(frozen=True, slots=True)
class Connection:
    """One end of a connection, the one that asked for it."""

    cookie: int
    """The kernel's number of the socket, never used again."""
    cgroup: int | None
    """The inode of the control group of whoever made it; None when the kernel does not say."""


def asked_for(diag: socket.socket) -> Iterator[Connection]:
    """Each connection that was asked for here and not taken in: those from no port that somebody listens on.

    Of this network namespace. Raises OSError or ValueError.
    """
    told = list(tcp_sockets(diag, _STATES))
    listening = {each[_PORT] for each in told if each[1] == _LISTEN}
    for each in told:
        if each[1] != _LISTEN and each[_PORT] not in listening:
            yield Connection(int.from_bytes(each[_COOKIE], sys.byteorder), socket_cgroup(each))
