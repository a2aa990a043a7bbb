# SPDX-License-Identifier: Apache-2.0
"""Events of the service manager: units that failed or were restarted, as systemd tells them over D-Bus."""

import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jeepney import (
    DBusAddress,
    HeaderFields,
    MatchRule,
    Message,
    MessageType,
    Properties,
    message_bus,
    new_method_call,
)
from jeepney.io.blocking import DBusConnection, open_dbus_connection

from jepa.telemetry.events.event import Event

BUS = Path("/run/dbus/system_bus_socket")
_SYSTEMD = "org.freedesktop.systemd1"
_MANAGER = DBusAddress("/org/freedesktop/systemd1", _SYSTEMD, f"{_SYSTEMD}.Manager")
_UNITS = "/org/freedesktop/systemd1/unit/"
_UNIT, _SERVICE = f"{_SYSTEMD}.Unit", f"{_SYSTEMD}.Service"
_GREETING_S = 10.0
_ESCAPED = re.compile("_([0-9a-f]{2})")


def unit_name(path: str) -> str:
    """The unit of an object path, in which all but letters and digits is ``_`` and two hex digits."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), path.removeprefix(_UNITS))


class Units:
    """A connection to the message bus at ``bus`` that hears of every unit.

    Making one and ``ready`` raise OSError or ValueError when the bus is not there, refuses or goes away.
    """

    name = "units"

    def __init__(self, bus: Path = BUS, wall_ns: Callable[[], int] = time.time_ns) -> None:
        self._wall_ns = wall_ns
        self._restarts: dict[str, int] = {}
        self._failed: set[str] = set()
        self._asked: dict[int, str] = {}
        self._bus: DBusConnection = open_dbus_connection(f"unix:path={bus}", auth_timeout=_GREETING_S)
        try:
            rule = MatchRule(
                type="signal", interface="org.freedesktop.DBus.Properties", path_namespace=_UNITS.rstrip("/")
            )
            self._call(message_bus.AddMatch(rule))
            self._call(new_method_call(_MANAGER, "Subscribe"))
        except BaseException:
            self._bus.close()
            raise

    @property
    def fd(self) -> int:
        """Readable when there is news."""
        return int(self._bus.sock.fileno())

    def ready(self) -> list[Event]:
        """The events of the messages that wait."""
        events: list[Event] = []
        while True:
            try:
                message = self._bus.receive(timeout=0)
            except TimeoutError:
                return events
            events += self._heard(message)

    def close(self) -> None:
        """Leave the bus."""
        self._bus.close()

    def _call(self, message: Message) -> None:
        answer = self._bus.send_and_get_reply(message, timeout=_GREETING_S)
        if answer.header.message_type is MessageType.error:
            raise OSError(f"the message bus refused: {answer.body}")

    def _heard(self, message: Message) -> list[Event]:
        fields = message.header.fields
        answers = self._asked.pop(fields.get(HeaderFields.reply_serial, -1), None)
        if answers is not None:
            explained = message.header.message_type is MessageType.method_return
            return [self._explained(answers, dict(message.body[0]) if explained else {})]
        path = str(fields.get(HeaderFields.path, ""))
        if fields.get(HeaderFields.member) != "PropertiesChanged" or not path.startswith(_UNITS):
            return []
        interface, changed, _ = message.body
        return self._changed(path, interface, {name: value for name, (_, value) in dict(changed).items()})

    def _changed(self, path: str, interface: str, properties: Mapping[str, Any]) -> list[Event]:
        unit = unit_name(path)
        restarts = properties.get("NRestarts")
        if interface == _SERVICE and isinstance(restarts, int):
            before, self._restarts[unit] = self._restarts.get(unit, 0), restarts
            if restarts > before:
                detail = f"restarted automatically, {restarts} times by now"
                return [self._event("unit_restarted", unit, detail, "warning")]
        state = properties.get("ActiveState")
        if interface == _UNIT and state == "failed" and unit not in self._failed:
            self._failed.add(unit)
            self._ask_why(unit, path)
        elif interface == _UNIT and state is not None and state != "failed":
            self._failed.discard(unit)
        return []

    def _ask_why(self, unit: str, path: str) -> None:
        serial = next(self._bus.outgoing_serial)
        self._bus.send(Properties(DBusAddress(path, _SYSTEMD, _SERVICE)).get_all(), serial=serial)
        self._asked[serial] = unit

    def _explained(self, unit: str, properties: Mapping[str, Any]) -> Event:
        told = {name: value for name, (_, value) in properties.items()}
        detail = f"result {told['Result']}" if "Result" in told else "it says no more"
        if "ExecMainStatus" in told:
            detail += f", exit status {told['ExecMainStatus']}"
        return self._event("unit_failed", unit, detail, "error")

    def _event(self, kind: str, unit: str, detail: str, severity: str) -> Event:
        return Event(self._wall_ns(), kind, unit, detail, severity, self.name)
