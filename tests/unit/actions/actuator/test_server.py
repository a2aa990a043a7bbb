# SPDX-License-Identifier: Apache-2.0
"""The server by itself, with a service whose calls take as long as a test wants."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from jepa.actions.actuator import varlink
from jepa.actions.actuator.server import Kind, Send, ServerLimits, VarlinkServer
from jepa.actions.actuator.varlink import Call, VarlinkError
from jepa.sockets import listen

SOON_S = 2.0


class Echo:
    """Answers with what it was given. `slow` waits, `many` sends three replies first, `boom` has a fault."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.closed = 0

    def open(self, peer: socket.socket) -> "Echo":
        return self

    def close(self) -> None:
        self.closed += 1

    def answer(self, call: Call) -> Mapping[str, Any] | None:
        return {"at": "once"} if call.name == "inline" else None

    def kind(self, call: Call) -> Kind:
        return "act" if call.name == "slow" else "end" if call.name == "end" else "read"

    def busy(self) -> VarlinkError:
        return VarlinkError("x.Busy", {})

    def call(self, call: Call, send: Send) -> Mapping[str, Any]:
        if call.name == "slow":
            self.go.wait(10)
        if call.name == "many":
            for number in range(3):
                send({"number": number})
        if call.name == "boom":
            raise RuntimeError("a fault of the service")
        if call.name == "error":
            raise VarlinkError("x.Wrong", {"what": "this"})
        return call.parameters


class Running:
    def __init__(self, path: Path, limits: ServerLimits, ends_when_idle: bool = False) -> None:
        self.service = Echo()
        self.path = path
        self.server = VarlinkServer(
            listen(path, socket.SOCK_STREAM, "test"), self.service, limits, ends_when_idle=ends_when_idle
        )
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()

    def connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(5)
        connection.connect(str(self.path))
        return connection

    def end(self) -> None:
        self.service.go.set()
        self.server.stop()
        self.thread.join(10)
        assert not self.thread.is_alive()


Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    made: list[Running] = []

    def run(ends_when_idle: bool = False, **limits: Any) -> Running:
        made.append(Running(tmp_path / f"{len(made)}.sock", ServerLimits(**limits), ends_when_idle))
        return made[-1]

    yield run
    for each in made:
        each.end()


def ask(connection: socket.socket, method: str, **more: Any) -> None:
    connection.sendall(varlink.call(f"x.{method}", more.pop("parameters", {"a": 1}), **more))


def take(connection: socket.socket, replies: int = 1) -> list[dict[str, Any]]:
    data = b""
    while data.count(b"\0") < replies:
        got = connection.recv(65536)
        if not got:
            raise EOFError(data)
        data += got
    return [json.loads(each) for each in data.split(b"\0")[:replies]]


def ended(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_replies_come_in_the_order_of_the_calls(start: Start) -> None:
    with closing(start().connect()) as connection:
        for number in range(5):
            ask(connection, "inline" if number % 2 else "echo", parameters={"number": number})
        assert [each["parameters"] for each in take(connection, 5)] == [
            {"number": 0},
            {"at": "once"},
            {"number": 2},
            {"at": "once"},
            {"number": 4},
        ]


def test_more_brings_each_state_and_the_last_reply_says_so(start: Start) -> None:
    with closing(start().connect()) as connection:
        ask(connection, "many", more=True)
        replies = take(connection, 4)
        assert [each.get("continues", False) for each in replies] == [True, True, True, False]
        ask(connection, "many")
        assert take(connection) == [{"parameters": {"a": 1}}]


def test_errors_are_replies_and_the_connection_goes_on(start: Start) -> None:
    with closing(start().connect()) as connection:
        ask(connection, "error")
        assert take(connection) == [{"error": "x.Wrong", "parameters": {"what": "this"}}]
        ask(connection, "echo")
        assert take(connection) == [{"parameters": {"a": 1}}]


def test_a_oneway_call_is_done_and_not_answered(start: Start) -> None:
    with closing(start().connect()) as connection:
        connection.sendall(json.dumps({"method": "x.echo", "oneway": True}).encode() + b"\0")
        ask(connection, "inline")
        assert take(connection) == [{"parameters": {"at": "once"}}]


def test_a_fault_of_the_service_ends_that_connection_alone(start: Start, capfd: Any) -> None:
    running = start()
    with closing(running.connect()) as one, closing(running.connect()) as other:
        ask(one, "boom")
        assert ended(one)
        ask(other, "echo")
        assert take(other)
    assert "a fault of the service" in capfd.readouterr().err


@pytest.mark.parametrize(
    "garbage", [b"\0", b"GET / HTTP/1.1\r\n\r\n\0", b"[1]\0", b"x" * (1 << 20), b"{}\0"]
)
def test_garbage_ends_that_connection_alone(start: Start, garbage: bytes) -> None:
    running = start()
    with closing(running.connect()) as one, closing(running.connect()) as other:
        with suppress(BrokenPipeError, ConnectionResetError):  # closed before all of it was taken
            one.sendall(garbage)
        assert ended(one)
        ask(other, "echo")
        assert take(other)


def test_half_a_message_and_no_message_time_out(start: Start) -> None:
    running = start(message_s=0.2, begin_s=0.4)
    with closing(running.connect()) as silent, closing(running.connect()) as half:
        begin = time.monotonic()
        half.sendall(b'{"method":')
        assert ended(half)
        assert 0.15 < time.monotonic() - begin < SOON_S
        assert ended(silent)


def test_a_connection_that_has_called_may_stay(start: Start) -> None:
    running = start(message_s=0.1, begin_s=0.1)
    with closing(running.connect()) as connection:
        ask(connection, "echo")
        take(connection)
        time.sleep(0.4)
        ask(connection, "echo")
        assert take(connection)


def test_whoever_does_not_read_is_closed(start: Start) -> None:
    running = start(message_s=0.2, unsent_bytes=1 << 18)
    with closing(running.connect()) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):
            for _ in range(16):
                ask(connection, "echo", parameters={"a": "x" * 60_000})
        deadline = time.monotonic() + SOON_S
        while not running.service.closed and time.monotonic() < deadline:
            time.sleep(0.02)
        assert running.service.closed == 1


def test_long_calls_do_not_hold_up_others(start: Start) -> None:
    running = start(acting=4, acting_of_user=4)
    slow = [running.connect() for _ in range(4)]
    for each in slow:
        ask(each, "slow")
    with closing(running.connect()) as connection:
        begin = time.monotonic()
        ask(connection, "echo")
        assert take(connection)
        assert time.monotonic() - begin < SOON_S
        ask(connection, "slow")  # one more than it takes on
        assert take(connection) == [{"error": "x.Busy", "parameters": {}}]
        ask(connection, "end")  # what takes back has its own threads
        assert take(connection) == [{"parameters": {"a": 1}}]
    running.service.go.set()
    for each in slow:
        assert take(each) == [{"parameters": {"a": 1}}]
        each.close()


def test_more_calls_than_are_begun_are_answered_all_the_same(start: Start) -> None:
    running = start(begun=3, reading=2)
    connections = [running.connect() for _ in range(30)]
    for number, each in enumerate(connections):
        ask(each, "echo", parameters={"number": number})
    for number, each in enumerate(connections):
        assert take(each) == [{"parameters": {"number": number}}]
        each.close()


def test_one_user_cannot_take_all_connections(start: Start) -> None:
    running = start(connections_of_user=2)
    kept = [running.connect() for _ in range(2)]
    for each in kept:
        ask(each, "echo")
        take(each)
    with closing(running.connect()) as refused:
        assert take(refused) == [{"error": "x.Busy", "parameters": {}}]
        assert ended(refused)
    kept[0].close()
    deadline = time.monotonic() + SOON_S
    while time.monotonic() < deadline:
        with closing(running.connect()) as again:
            ask(again, "echo")
            if "parameters" in take(again)[0]:
                return
    pytest.fail("the place of a connection that ended is not free again")


def test_calls_ahead_are_bounded(start: Start) -> None:
    running = start(pipelined=4)
    with closing(running.connect()) as connection:
        connection.sendall(varlink.call("x.slow", {}) + varlink.call("x.echo", {}) * 20)
        assert ended(connection)


def test_it_ends_when_nobody_was_connected_for_long_and_not_before(start: Start) -> None:
    running = start(ends_when_idle=True, idle_s=0.3)
    with closing(running.connect()) as connection:
        ask(connection, "echo")
        take(connection)
        time.sleep(0.6)
        assert running.thread.is_alive()
    running.thread.join(SOON_S)
    assert not running.thread.is_alive()


def test_calls_at_work_are_answered_when_it_is_told_to_stop(start: Start) -> None:
    running = start(drain_s=5.0)
    with closing(running.connect()) as connection:
        ask(connection, "slow")
        deadline = time.monotonic() + SOON_S
        while not running.server.working and time.monotonic() < deadline:
            time.sleep(0.01)
        running.server.stop()
        time.sleep(0.1)
        running.service.go.set()
        assert take(connection) == [{"parameters": {"a": 1}}]
