# SPDX-License-Identifier: Apache-2.0
"""Failed units over a real message bus, on which a small stand-in speaks for systemd."""

import socket
import string
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jeepney import (
    DBusAddress,
    HeaderFields,
    MessageType,
    message_bus,
    new_method_return,
    new_signal,
)
from jeepney.io.blocking import open_dbus_connection

from jepa.telemetry.events.event import Event
from jepa.telemetry.events.hub import user_bus
from jepa.telemetry.events.units import Units, unit_name, unit_of_cgroup

UNIT_PATH = "/org/freedesktop/systemd1/unit/web_2eservice"
RESULTS: dict[str, dict[str, tuple[str, Any]]] = {
    "Service": {"Result": ("s", "exit-code"), "ExecMainStatus": ("i", 7)},
    "Timer": {"Result": ("s", "resources")},
    "Mount": {"Result": ("s", "exit-code")},
    "Swap": {"Result": ("s", "timeout")},
    "Socket": {"Result": ("s", "service-start-limit-hit")},
    "Scope": {"Result": ("s", "oom-kill")},
    "Path": {"Result": ("s", "unit-start-limit-hit")},
    "Automount": {"Result": ("s", "mount-start-limit-hit")},
}
CONFIG = """<busconfig><type>system</type><listen>unix:path={path}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>
<allow own="*"/></policy></busconfig>"""


@pytest.fixture
def bus(place: Path) -> Iterator[Path]:
    """A message bus of our own."""
    path = place / "bus"
    (place / "bus.conf").write_text(CONFIG.format(path=path))
    command = ["dbus-daemon", "--nofork", f"--config-file={place}/bus.conf"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as daemon:
        end = time.monotonic() + 20
        while not listens(path):
            assert time.monotonic() < end
            assert daemon.poll() is None
            time.sleep(0.02)
        yield path
        daemon.terminate()


def listens(path: Path) -> bool:
    """Whether somebody accepts connections at ``path``; its name appears a moment before."""
    with socket.socket(socket.AF_UNIX) as asking:
        return asking.connect_ex(str(path)) == 0


class Manager:
    """Says on the bus what systemd would say."""

    def __init__(self, bus: Path, failed: tuple[str, ...] = ()) -> None:
        rest = ("", "loaded", "failed", "failed", "", UNIT_PATH, 0, "", "/")
        self._failed = [(name, *rest) for name in failed]
        self._connection = open_dbus_connection(f"unix:path={bus}")
        self._connection.send_and_get_reply(message_bus.RequestName("org.freedesktop.systemd1"))
        self.asked = threading.Event()
        self._thread = threading.Thread(target=self._answer, daemon=True)
        self._thread.start()

    def _answer(self) -> None:
        while True:
            try:
                message = self._connection.receive()
            except (OSError, ValueError):
                return
            if message.header.message_type is not MessageType.method_call:
                continue
            member = message.header.fields[HeaderFields.member]
            if member == "GetAll":
                (interface,) = message.body
                properties = RESULTS[interface.rpartition(".")[2]]
                answer = new_method_return(message, "a{sv}", (properties,))
            elif member == "ListUnitsFiltered":
                assert message.body == (["failed"],)
                answer = new_method_return(message, "a(ssssssouso)", (self._failed,))
                self.asked.set()
            else:
                answer = new_method_return(message)
            self._connection.send(answer)

    def changed(self, interface: str, path: str = UNIT_PATH, **properties: tuple[str, Any]) -> None:
        address = DBusAddress(path, interface="org.freedesktop.DBus.Properties")
        body = (f"org.freedesktop.systemd1.{interface}", properties, [])
        self._connection.send(new_signal(address, "PropertiesChanged", "sa{sv}as", body))

    def says(self, member: str, unit: str) -> None:
        address = DBusAddress("/org/freedesktop/systemd1", interface="org.freedesktop.systemd1.Manager")
        self._connection.send(new_signal(address, member, "so", (unit, UNIT_PATH)))

    def close(self) -> None:
        self._connection.sock.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def manager(bus: Path) -> Manager:
    return Manager(bus)


@pytest.fixture
def units(manager: Manager, bus: Path) -> Iterator[Units]:
    made = Units(bus, wall_ns=lambda: 42)
    assert manager.asked.wait(10)
    yield made
    made.close()


def heard(units: Units, count: int) -> list[Event]:
    events: list[Event] = []
    end = time.monotonic() + 10
    while len(events) < count and time.monotonic() < end:
        events += units.ready()
        time.sleep(0.01)
    return events


def test_a_failed_unit_is_told_with_its_reason(manager: Manager, units: Units) -> None:
    manager.changed("Unit", ActiveState=("s", "failed"))
    (event,) = heard(units, 1)
    assert event == Event(
        42, "unit_failed", "web.service", "result exit-code, exit status 7", "error", "units"
    )


def test_one_failure_is_told_once_and_the_next_again(manager: Manager, units: Units) -> None:
    for state in ("failed", "failed", "activating", "failed"):
        manager.changed("Unit", ActiveState=("s", state))
    kinds = [event.kind for event in heard(units, 3)]
    assert sorted(kinds) == ["unit_failed", "unit_failed", "unit_recovered"]
    time.sleep(0.2)
    assert units.ready() == []


@pytest.mark.parametrize(
    ("unit", "path", "detail"),
    [
        ("backup.timer", "backup_2etimer", "result resources"),
        ("srv-data.mount", "srv_2ddata_2emount", "result exit-code"),
        (r"dev-disk-by\x2duuid-1.swap", "dev_2ddisk_2dby_5cx2duuid_2d1_2eswap", "result timeout"),
        ("web.socket", "web_2esocket", "result service-start-limit-hit"),
        ("run-u7.scope", "run_2du7_2escope", "result oom-kill (killed for lack of memory)"),
        ("spool.path", "spool_2epath", "result unit-start-limit-hit"),
        ("net.automount", "net_2eautomount", "result mount-start-limit-hit"),
        ("web@1.service", "web_401_2eservice", "result exit-code, exit status 7"),
        ("multi-user.target", "multi_2duser_2etarget", "it says no more"),
    ],
)
def test_units_of_every_type_say_why_they_failed(
    manager: Manager, units: Units, unit: str, path: str, detail: str
) -> None:
    manager.changed("Unit", f"/org/freedesktop/systemd1/unit/{path}", ActiveState=("s", "failed"))
    (event,) = heard(units, 1)
    assert (event.kind, event.unit, event.detail) == ("unit_failed", unit, detail)


def test_a_failure_ends_when_it_is_reset_or_the_unit_is_gone(manager: Manager, units: Units) -> None:
    manager.changed("Unit", ActiveState=("s", "failed"))
    heard(units, 1)
    manager.changed("Unit", ActiveState=("s", "inactive"))
    (event,) = heard(units, 1)
    assert event == Event(42, "unit_recovered", "web.service", "the unit is inactive", "info", "units")
    manager.changed("Unit", ActiveState=("s", "failed"))
    heard(units, 1)
    manager.says("UnitRemoved", "web.service")
    (event,) = heard(units, 1)
    assert (event.kind, event.unit) == ("unit_recovered", "web.service")


def test_what_failed_before_is_not_told_but_its_end_is(bus: Path) -> None:
    manager = Manager(bus, failed=("web.service",))
    units = Units(bus)
    manager.changed("Unit", ActiveState=("s", "failed"))
    manager.changed("Unit", ActiveState=("s", "active"))
    assert [event.kind for event in heard(units, 1)] == ["unit_recovered"]
    units.close()


def test_signals_of_others_than_the_service_manager_are_passed_over(
    manager: Manager, units: Units, bus: Path
) -> None:
    with open_dbus_connection(f"unix:path={bus}") as other:
        address = DBusAddress(UNIT_PATH, interface="org.freedesktop.DBus.Properties")
        body = ("org.freedesktop.systemd1.Unit", {"ActiveState": ("s", "failed")}, [])
        other.send(new_signal(address, "PropertiesChanged", "sa{sv}as", body))
        directed = new_signal(address, "PropertiesChanged", "sa{sv}as", body)
        directed.header.fields[HeaderFields.destination] = units._bus.unique_name
        other.send(directed)
        time.sleep(0.2)
    assert units.ready() == []


def test_what_systemd_oomd_kills_is_told_by_its_unit(manager: Manager, units: Units, bus: Path) -> None:
    with open_dbus_connection(f"unix:path={bus}") as oomd:
        oomd.send_and_get_reply(message_bus.RequestName("org.freedesktop.oom1"))
        address = DBusAddress("/org/freedesktop/oom1", interface="org.freedesktop.oom1.Manager")
        cgroup = "/user.slice/user-1000.slice/user@1000.service/app.slice/app-firefox-7.scope"
        oomd.send(new_signal(address, "Killed", "ss", (cgroup, "memory-pressure")))
        (event,) = heard(units, 1)
    assert (event.kind, event.unit, event.severity) == ("oom_kill", "app-firefox-7.scope", "error")
    assert event.detail == f"systemd-oomd: memory-pressure of {cgroup}"


def test_when_the_service_manager_leaves_the_bus_the_source_is_broken(
    manager: Manager, units: Units
) -> None:
    manager.close()
    with pytest.raises(OSError, match="left the message bus"):
        heard(units, 1)


def test_an_automatic_restart_is_told_with_its_number(manager: Manager, units: Units) -> None:
    manager.says("UnitNew", "web.service")
    manager.changed("Service", NRestarts=("u", 1))
    manager.changed("Service", NRestarts=("u", 2))
    manager.changed("Service", NRestarts=("u", 0))
    events = heard(units, 2)
    assert [event.kind for event in events] == ["unit_restarted"] * 2
    assert events[1].detail == "restarted automatically, 2 times by now"


def test_restarts_from_before_are_no_news(manager: Manager, units: Units) -> None:
    manager.changed("Service", NRestarts=("u", 4), MainPID=("u", 12))
    manager.changed("Service", NRestarts=("u", 5))
    (event,) = heard(units, 1)
    assert event.detail == "restarted automatically, 5 times by now"
    time.sleep(0.1)
    assert units.ready() == []


def test_other_changes_are_no_events(manager: Manager, units: Units) -> None:
    manager.changed("Unit", ActiveState=("s", "active"))
    manager.changed("Service", MainPID=("u", 12))
    time.sleep(0.2)
    assert units.ready() == []


def test_without_a_bus_it_is_an_error_with_a_reason(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        Units(tmp_path / "bus")


def test_names_are_as_people_write_them() -> None:
    assert unit_name("/org/freedesktop/systemd1/unit/dev_2dvda_2edevice") == "dev-vda.device"
    assert unit_name("/org/freedesktop/systemd1/unit/a_") == "a_"


@given(st.text(string.ascii_letters + string.digits + r":_.\@-", min_size=1))
def test_any_name_is_read_back_from_its_object_path(name: str) -> None:
    path = "".join(c if c.isalnum() else f"_{ord(c):02x}" for c in name)
    assert unit_name(f"/org/freedesktop/systemd1/unit/{path}") == name


@pytest.mark.parametrize(
    ("path", "unit"),
    [
        ("/system.slice/web.service", "web.service"),
        ("/system.slice/docker-1.scope/init", "docker-1.scope"),
        ("/system.slice/_cpu.service", "cpu.service"),
        ("/lxc/one", "/lxc/one"),
        ("/user.slice/user-1.slice/user@1.service/a.slice/app-k-7.scope/tab(9).scope", "app-k-7.scope"),
        ("/user.slice/user-1.slice/session-3.scope", "session-3.scope"),
        ("/user.slice/user-1.slice/user@1.service/init.scope", "init.scope"),
        ("/system.slice", "system.slice"),
        ("/", "/"),
    ],
)
def test_a_control_group_is_called_by_its_unit(path: str, unit: str) -> None:
    assert unit_of_cgroup(path) == unit


def test_the_persons_own_service_manager_is_found_where_it_runs(tmp_path: Path) -> None:
    assert user_bus({}) is None
    assert user_bus({"XDG_RUNTIME_DIR": str(tmp_path)}) is None
    (tmp_path / "systemd").mkdir()
    assert user_bus({"XDG_RUNTIME_DIR": str(tmp_path)}) == tmp_path / "bus"
