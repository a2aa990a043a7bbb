# SPDX-License-Identifier: Apache-2.0
"""Failed units over a real message bus, on which a small stand-in speaks for systemd."""

import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
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
from jepa.telemetry.events.units import Units, unit_name

UNIT_PATH = "/org/freedesktop/systemd1/unit/web_2eservice"
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
        while not path.exists():
            assert time.monotonic() < end
            assert daemon.poll() is None
            time.sleep(0.02)
        yield path
        daemon.terminate()


class Manager:
    """Says on the bus what systemd would say."""

    def __init__(self, bus: Path) -> None:
        self._connection = open_dbus_connection(f"unix:path={bus}")
        self._connection.send_and_get_reply(message_bus.RequestName("org.freedesktop.systemd1"))
        self.subscribed = threading.Event()
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
                properties = {"Result": ("s", "exit-code"), "ExecMainStatus": ("i", 7)}
                answer = new_method_return(message, "a{sv}", (properties,))
            else:
                answer = new_method_return(message)
                self.subscribed.set()
            self._connection.send(answer)

    def changed(self, interface: str, **properties: tuple[str, Any]) -> None:
        address = DBusAddress(UNIT_PATH, interface="org.freedesktop.DBus.Properties")
        body = (f"org.freedesktop.systemd1.{interface}", properties, [])
        self._connection.send(new_signal(address, "PropertiesChanged", "sa{sv}as", body))


@pytest.fixture
def manager(bus: Path) -> Manager:
    return Manager(bus)


@pytest.fixture
def units(manager: Manager, bus: Path) -> Iterator[Units]:
    made = Units(bus, wall_ns=lambda: 42)
    assert manager.subscribed.wait(10)
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
    assert [event.kind for event in heard(units, 2)] == ["unit_failed"] * 2
    time.sleep(0.2)
    assert units.ready() == []


def test_an_automatic_restart_is_told_with_its_number(manager: Manager, units: Units) -> None:
    manager.changed("Service", NRestarts=("u", 1))
    manager.changed("Service", NRestarts=("u", 2))
    manager.changed("Service", NRestarts=("u", 0))
    events = heard(units, 2)
    assert [event.kind for event in events] == ["unit_restarted"] * 2
    assert events[1].detail == "restarted automatically, 2 times by now"


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
