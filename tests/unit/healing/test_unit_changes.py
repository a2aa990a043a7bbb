# SPDX-License-Identifier: Apache-2.0
"""Over a real dbus-daemon: what the service manager says is a change, and so is its absence."""

import time
from pathlib import Path

from jeepney import DBusAddress, message_bus, new_signal
from jeepney.io.blocking import open_dbus_connection

from jepa.actions.systemd_bus import SystemdBus
from jepa.healing.unit_changes import UnitChanges
from tests.unit.actions.systemd_double import Bus, Systemd


def wait_for(changes: UnitChanges, expected: bool) -> None:
    until = time.monotonic() + 5
    while changes() is not expected:
        assert time.monotonic() < until


def test_units_have_changed_when_the_manager_says_so_and_while_nobody_can_tell(tmp_path: Path) -> None:
    systemd = Systemd()
    systemd.add("web.service")
    changes = UnitChanges(tmp_path / "bus")
    assert changes() and changes()
    with Bus(tmp_path, systemd) as bus:
        assert changes()
        wait_for(changes, expected=False)
        manager = SystemdBus(bus=bus.path)
        manager.restart("web")
        wait_for(changes, expected=True)
        wait_for(changes, expected=False)
        assert not changes()
        bus.kill()
        wait_for(changes, expected=True)
        assert changes()
        bus.start()
        wait_for(changes, expected=False)
        manager.close()
        manager.restart("web")
        wait_for(changes, expected=True)
        manager.close()
    changes.close()


def test_what_others_say_in_the_name_of_the_manager_is_no_change(tmp_path: Path) -> None:
    with Bus(tmp_path, Systemd()) as bus:
        changes = UnitChanges(bus.path)
        changes()
        wait_for(changes, expected=False)
        liar = DBusAddress("/org/freedesktop/systemd1", interface="org.freedesktop.systemd1.Manager")
        with open_dbus_connection(f"unix:path={bus.path}") as other:
            other.send(new_signal(liar, "UnitNew", "so", ("web.service", "/")))
            other.send_and_get_reply(message_bus.GetId())  # by then the bus has passed it on
        assert not changes()
        changes.close()
