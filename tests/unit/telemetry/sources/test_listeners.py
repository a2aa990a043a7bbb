# SPDX-License-Identifier: Apache-2.0
"""Accept queues: of real servers on this machine, and of answers that make no sense."""

import os
import socket
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.telemetry.sources.listeners import CHANNEL, ListenerSource, parse_answer

BACKLOG = 8


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_connections_that_nobody_accepts_fill_the_queue_and_leave_it_when_taken(host: str) -> None:
    source = ListenerSource()
    before = source.read(0).values.get(CHANNEL, 0.0)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family, backlog=BACKLOG) as server:
        waiting = [socket.create_connection(server.getsockname()[:2]) for _ in range(6)]
        assert source.read(1).values[CHANNEL] == pytest.approx(max(before, 75.0))
        taken = [server.accept()[0] for _ in range(6)]
        assert source.read(2).values[CHANNEL] == pytest.approx(before)
        for each in (*waiting, *taken):
            each.close()
    source.close()


def test_reading_a_thousand_times_leaves_no_descriptor() -> None:
    source = ListenerSource()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for second in range(1000):
        source.read(second)
    source.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_kernel_that_refuses_is_one_reason() -> None:
    def connect() -> socket.socket:
        raise OSError(93, os.strerror(93))

    reading = ListenerSource(connect).read(0)
    assert reading.values == {}
    assert "Protocol not supported" in reading.reason


def test_a_refusal_in_the_answer_carries_its_reason() -> None:
    with pytest.raises(OSError, match="No such file"):
        parse_answer(struct.pack("=IHHIIi", 20, 2, 0, 0, 0, -2))


def test_silence_is_told_and_the_next_reading_asks_anew() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ours.setblocking(False)
    source = ListenerSource(lambda: _Deaf(ours))
    assert source.read(0).reason
    assert ours.fileno() == -1
    theirs.close()


class _Deaf(socket.socket):
    """A socket that says nothing back."""

    def __init__(self, inner: socket.socket) -> None:
        super().__init__(fileno=os.dup(inner.fileno()))
        self.setblocking(False)
        self._inner = inner

    def sendto(self, *arguments: object) -> int:
        return 0

    def close(self) -> None:
        self._inner.close()
        super().close()


@given(st.binary(max_size=200))
def test_garbage_is_an_answer_or_refused(packet: bytes) -> None:
    try:
        parse_answer(packet)
    except (OSError, ValueError):
        return
