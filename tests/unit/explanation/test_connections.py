# SPDX-License-Identifier: Apache-2.0
"""Real processes that ask for connections are counted, also where each is refused."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from jepa.explanation.connections import Connections

TAKEN = """
import socket, time
server = socket.create_server(("127.0.0.1", 0), backlog=64)
while True:
    connection = socket.create_connection(server.getsockname())
    taken = server.accept()[0]
    time.sleep(0.07)
    connection.close(); taken.close()
"""
REFUSED = """
import socket
server = socket.create_server(("127.0.0.1", 0))
address = server.getsockname()
server.close()
while True:
    asks = socket.socket()
    asks.connect_ex(address)
    asks.close()
"""


@pytest.mark.parametrize(
    ("program", "root"), [(TAKEN, None), (REFUSED, Path("/"))], ids=["taken", "refused"]
)
def test_who_asks_is_counted(program: str, root: Path | None) -> None:
    asks = subprocess.Popen([sys.executable, "-c", program])
    try:
        with Connections(root) as connections:
            for _ in range(25):
                time.sleep(0.08)
                connections.look()
    finally:
        asks.kill()
        asks.wait()
    if root is None:
        assert connections.seen >= 10
        assert connections.by_unit(_Any(), {})["any.scope"] >= 10
    else:
        assert connections.by_unit({}, {asks.pid: "asks.service"})["asks.service"] >= 6


class _Any(dict[int, str]):
    """Every control group is of one unit: on a host without units it is that of the whole machine."""

    def get(self, key: int, default: object = None) -> str:  # type: ignore[override]
        return "any.scope"


def test_what_was_there_before_is_not_counted() -> None:
    with Connections(Path("/")) as connections:
        assert connections.by_unit(_Any(), _Any()) == {}
