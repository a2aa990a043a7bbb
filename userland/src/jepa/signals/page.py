# SPDX-License-Identifier: Apache-2.0
"""Fetches a page over HTTP from this machine itself, within a time and a size."""

import socket
import time
from typing import Final

import h11

from jepa.signals.signal import Unreachable

LARGEST: Final = 4 << 20
"""Bytes of a page."""
_HEAD_BYTES: Final = 1 << 16
_CHUNK: Final = 1 << 16


def fetch(line: socket.socket, host: str, target: str, deadline: float) -> bytes:
    """The page ``target`` over a connected ``line``, until ``deadline`` on the monotonic clock.

    Unreachable when the answer is no page, too large or late. Raises OSError. Redirects are not followed.
    """
    http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_BYTES)
    asked = h11.Request(
        method="GET",
        target=target,
        headers=[("Host", host), ("Accept", "text/plain;version=0.0.4"), ("Connection", "close")],
    )
    body: list[bytes] = []
    size = 0
    try:
        line.settimeout(left(deadline))
        line.sendall((http.send(asked) or b"") + (http.send(h11.EndOfMessage()) or b""))
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                line.settimeout(left(deadline))
                http.receive_data(line.recv(_CHUNK))
            elif isinstance(event, h11.Response) and event.status_code != 200:
                raise Unreachable(f"it answers {event.status_code}")
            elif isinstance(event, h11.Data):
                body.append(bytes(event.data))
                size += len(event.data)
                if size > LARGEST:
                    raise Unreachable(f"its page is larger than {LARGEST >> 20} MiB")
            elif isinstance(event, h11.EndOfMessage):
                return b"".join(body)
            elif isinstance(event, h11.ConnectionClosed):
                raise Unreachable("it ended before the page did")
    except h11.ProtocolError:
        raise Unreachable("its answer is no HTTP") from None


def left(deadline: float) -> float:
    """Seconds until ``deadline``; Unreachable when it has passed."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise Unreachable("it does not answer in time")
    return seconds
