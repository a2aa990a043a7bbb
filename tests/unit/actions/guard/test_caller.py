# SPDX-License-Identifier: Apache-2.0
"""Callers are known by what the kernel says of a real socket's other end."""

import os
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.actions.change import Caller
from jepa.actions.guard import caller as callers
from jepa.actions.guard.caller import alive, caller_of, is_person, own_caller, units
from jepa.errors import JepaError

CONNECT = """
import os, socket, sys, time
if len(sys.argv) > 2: os.setuid(int(sys.argv[2]))
peer = socket.socket(socket.AF_UNIX); peer.connect(sys.argv[1]); peer.recv(1)
"""


def connected(path: Path, *words: str) -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """A connection from a process of its own, as the listener gets it."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        path.chmod(0o666)
        listening.listen()
        process = subprocess.Popen([sys.executable, "-c", CONNECT, str(path), *words])
        return listening.accept()[0], process


@pytest.fixture
def socket_path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # other users can reach it, which they cannot in tmp_path
        yield Path(folder) / "socket"


def test_the_peer_is_the_process_that_connected(socket_path: Path) -> None:
    peer, process = connected(socket_path)
    with peer, process:
        found = caller_of(peer)
        assert (found.pid, found.uid) == (process.pid, os.geteuid())
        assert found.pidfd is not None and alive(found.pidfd)
        process.kill()
        process.wait()
        assert not alive(found.pidfd)
        os.close(found.pidfd)


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_the_user_is_the_one_that_connected(socket_path: Path) -> None:
    peer, process = connected(socket_path, "1234")
    with peer, process:
        found = caller_of(peer)
        assert found.uid == 1234 and is_person(found)
        assert found.pidfd is not None
        os.close(found.pidfd)
        process.kill()


def test_a_peer_that_ended_is_nobody_though_its_socket_is_still_open(socket_path: Path) -> None:
    peer, process = connected(socket_path)
    with peer:
        process.kill()
        process.wait()
        with pytest.raises(JepaError, match="cannot be told") as refused:
            caller_of(peer)
        assert refused.value.status == 403


def test_a_pid_that_another_process_took_is_not_looked_at(socket_path: Path, tmp_path: Path) -> None:
    """What /proc says of the PID is a daemon's by now; the pidfd says that the caller has ended."""
    peer, process = connected(socket_path)
    with peer:
        fake = tmp_path / "proc" / str(process.pid)
        fake.mkdir(parents=True)
        (fake / "cgroup").write_text("0::/jepa.slice/jepad.service\n")
        process.kill()
        process.wait()
        with pytest.raises(JepaError):
            caller_of(peer, tmp_path)


class Peer:
    """A socket that answers with these credentials."""

    def __init__(self, pid: int, uid: int) -> None:
        self._answer = struct.pack("@iII", pid, uid, 0)

    def getsockopt(self, level: int, option: int, size: int = 0) -> bytes | int:
        return self._answer if option == socket.SO_PEERCRED else os.pidfd_open(os.getpid())


@pytest.mark.parametrize("uid", [2**32 - 1, 2**32 - 2, 2**31])
def test_a_user_beyond_31_bits_is_nobody(uid: int) -> None:
    """Read as unsigned they would be large users; polkit takes a signed number (CVE-2026-78422)."""
    with pytest.raises(JepaError):
        caller_of(Peer(os.getpid(), uid))  # type: ignore[arg-type]


def test_a_process_of_another_pid_namespace_is_nobody() -> None:
    with pytest.raises(JepaError):
        caller_of(Peer(0, 1000))  # type: ignore[arg-type]


def test_no_file_descriptor_is_left_open(socket_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for uid in (2**32 - 1, 2**31):
        with pytest.raises(JepaError):
            caller_of(Peer(os.getpid(), uid))  # type: ignore[arg-type]
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_own_caller_is_this_process() -> None:
    assert (own_caller().pid, own_caller().uid) == (os.getpid(), os.geteuid())


@pytest.mark.parametrize(
    ("cgroup", "system", "own"),
    [
        ("/jepa.slice/jepad.service", "jepad.service", ""),
        ("/user.slice/user-1000.slice/session-3.scope", "session-3.scope", "session-3.scope"),
        (
            "/user.slice/user-1000.slice/user@1000.service/app.slice/app-term.scope",
            "user@1000.service",
            "app-term.scope",
        ),
        (
            "/user.slice/user-1000.slice/user@1000.service/app.slice/jepad.service",
            "user@1000.service",
            "jepad.service",
        ),
        ("/user.slice/jepa-console@hvc0.service", "jepa-console@hvc0.service", "jepa-console@hvc0.service"),
        ("/system.slice/docker-1.scope/user.slice/user-1.slice/session-1.scope", "docker-1.scope", ""),
        ("/system.slice/docker-1.scope/jepa.slice/jepad.service", "docker-1.scope", ""),
        ("/system.slice/nginx.service/jepad.service", "nginx.service", ""),
        ("/", "", ""),
        ("", "", ""),
        ("/jepa.slice", "", ""),
    ],
)
def test_the_unit_is_the_first_of_the_system(cgroup: str, system: str, own: str) -> None:
    assert units(cgroup) == (system, own)


def test_a_persons_unit_of_our_daemons_name_is_none_of_ours() -> None:
    system, own = units("/user.slice/user-1000.slice/user@1000.service/app.slice/jepad.service")
    assert not Caller(uid=1000, unit=system, session=own).autonomous


@given(
    st.lists(
        st.sampled_from(["a.slice", "user@5.service", "jepad.service", "x.scope", "tab(1).scope"]),
        max_size=5,
    )
)
def test_whoever_sits_below_another_unit_is_not_autonomous(parts: list[str]) -> None:
    system, _ = units("/" + "/".join(parts))
    first = next((part for part in parts if not part.endswith(".slice")), "")
    assert system == first


@pytest.mark.parametrize(
    ("uid", "unit", "person"),
    [
        (0, "cron.service", True),
        (1000, "user@1000.service", True),
        (60513, "", True),
        (1_200_000_500, "session-1.scope", True),
        (33, "apache2.service", False),
        (999, "", False),
        (61184, "x.service", False),
        (65519, "x.service", False),
        (65534, "", False),
        (0, "jepa-healing.service", False),
        (1000, "jepad.service", False),
    ],
)
def test_persons_are_told_from_services(uid: int, unit: str, person: bool) -> None:
    assert is_person(Caller(uid=uid, unit=unit)) is person


def test_a_system_user_at_the_console_is_a_person() -> None:
    system, own = units("/user.slice/jepa-console@hvc0.service")
    assert is_person(Caller(uid=998, unit=system, session=own))
    assert not is_person(Caller(uid=61200, unit=system, session=own))
    system, own = units("/system.slice/apache2.service")
    assert not is_person(Caller(uid=33, unit=system, session=own))


def test_the_hierarchy_of_cgroup_v1_counts_where_systemd_uses_it(tmp_path: Path) -> None:
    folder = tmp_path / "proc/7"
    folder.mkdir(parents=True)
    (folder / "cgroup").write_text("9:name=systemd:/system.slice/x.service\n4:memory:/y\n0::/\n")
    assert callers.cgroup_of(7, tmp_path) == "/system.slice/x.service"
    (folder / "cgroup").write_text("0::/jepa.slice/jepad.service\n")
    assert callers.cgroup_of(7, tmp_path) == "/jepa.slice/jepad.service"
    assert callers.cgroup_of(8, tmp_path) == ""
