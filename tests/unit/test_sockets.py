# SPDX-License-Identifier: Apache-2.0
"""Sockets of daemons: for everybody, in place of stale ones, never in place of anything else."""

import socket
import stat
from pathlib import Path

import pytest

from jepa.errors import JepaError
from jepa.sockets import listen

KINDS = pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_SEQPACKET])


@KINDS
def test_a_stale_socket_is_replaced(place: Path, kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_UNIX, kind) as gone:
        gone.bind(str(place / "s"))
    with listen(place / "s", kind, "jepad") as listener:
        assert listener.getsockname() == str(place / "s")


@KINDS
def test_the_socket_is_for_everybody(place: Path, kind: socket.SocketKind) -> None:
    with listen(place / "s", kind, "jepad"):
        assert stat.S_IMODE((place / "s").stat().st_mode) == 0o666


@KINDS
def test_a_socket_in_use_is_kept_and_its_owner_named(place: Path, kind: socket.SocketKind) -> None:
    with (
        listen(place / "s", kind, "jepa-telemetry"),
        pytest.raises(JepaError, match="Another jepa-telemetry is listening"),
    ):
        listen(place / "s", kind, "jepa-telemetry")


def test_a_socket_for_a_group_is_for_nobody_else_and_a_second_owner_is_refused(place: Path) -> None:
    with listen(place / "s", socket.SOCK_DGRAM, "jepa-telemetry", 0o660):
        assert stat.S_IMODE((place / "s").stat().st_mode) == 0o660
        with pytest.raises(JepaError, match="Another jepa-telemetry"):
            listen(place / "s", socket.SOCK_DGRAM, "jepa-telemetry", 0o660)


def test_a_file_in_the_place_of_the_socket_is_kept(place: Path) -> None:
    (place / "s").write_text("mine")
    with pytest.raises(JepaError, match="is not a socket"):
        listen(place / "s", socket.SOCK_STREAM, "jepad")
    assert (place / "s").read_text() == "mine"
