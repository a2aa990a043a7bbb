# SPDX-License-Identifier: Apache-2.0
"""Names of units are checked before systemd is asked, and a bus that is not there is one clear error."""

import socket
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.actions.systemd_bus import SystemdBus, full_name
from jepa.errors import JepaError


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("nginx", "nginx.service"),
        ("nginx.service", "nginx.service"),
        ("user.slice", "user.slice"),
        ("getty@tty1", "getty@tty1.service"),
        ("session-1.scope", "session-1.scope"),
        ("a.b", "a.b.service"),
        (r"dev-disk\x2dby.mount", r"dev-disk\x2dby.mount"),
    ],
)
def test_a_name_without_a_type_is_a_service(name: str, full: str) -> None:
    assert full_name(name) == full


@pytest.mark.parametrize(
    "name", ["", "*", "ssh*", "a/b", "../a", "getty@", "getty@.service", "a b", "sshd\n", "ѕshd"]
)
def test_patterns_paths_templates_and_look_alikes_are_no_names(name: str) -> None:
    with pytest.raises(JepaError) as error:
        full_name(name)
    assert error.value.status == 422


@given(st.text(max_size=300))
def test_whatever_is_asked_for_is_a_name_or_refused(name: str) -> None:
    try:
        full = full_name(name)
    except JepaError:
        return
    assert full.isascii() and "/" not in full and "*" not in full and full_name(full) == full


def test_without_a_bus_systemd_is_not_available(tmp_path: Path) -> None:
    manager = SystemdBus(bus=tmp_path / "bus")
    assert not manager.available
    with pytest.raises(JepaError, match="cannot be reached over the message bus") as error:
        manager.unit("a.service")
    assert error.value.status == 503


def test_a_bus_that_hangs_up_is_not_reachable(tmp_path: Path) -> None:
    path = tmp_path / "bus"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen(4)
        threading.Thread(target=_hang_up, args=(server,), daemon=True).start()
        with pytest.raises(JepaError, match="cannot be reached"):
            SystemdBus(bus=path).services()


def _hang_up(server: socket.socket) -> None:
    for _ in range(2):
        server.accept()[0].close()
