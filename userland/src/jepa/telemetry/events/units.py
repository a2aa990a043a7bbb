# SPDX-License-Identifier: Apache-2.0
"""Events of a service manager: units that failed, recovered or were restarted, and kills by systemd-oomd."""

import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
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
_DBUS = "org.freedesktop.DBus"
_SYSTEMD = "org.freedesktop.systemd1"
_OOMD = "org.freedesktop.oom1"
_MANAGER = DBusAddress("/org/freedesktop/systemd1", _SYSTEMD, f"{_SYSTEMD}.Manager")
_UNITS = "/org/freedesktop/systemd1/unit/"
_UNIT, _SERVICE = f"{_SYSTEMD}.Unit", f"{_SYSTEMD}.Service"
_WITH_RESULT = frozenset({"automount", "mount", "path", "scope", "service", "socket", "swap", "timer"})
"""Types of unit that have a property Result; the others say no more than that they failed."""
_TYPES = _WITH_RESULT | {"device", "slice", "target"}
_GREETING_S = 10.0
_ESCAPED = re.compile("_([0-9a-f]{2})")


def unit_name(path: str) -> str:
    """The unit of an object path, in which all but letters and digits is ``_`` and two hex digits.

    The name is as systemctl shows it: in ``dev-disk-by\\x2duuid.device`` the escape is part of the name.
    """
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), path.removeprefix(_UNITS))


def unit_of_cgroup(path: str) -> str:
    """The unit that a control group belongs to: the person's own, where it is below their manager.

    It is the first that is no slice: what a program makes below its own unit may look like one, as the
    ``tab(42253).scope`` of a terminal does. The last slice, or the whole path, where there is none.
    """
    unit = path
    for part in PurePosixPath(path).parts:
        # A leading "_" marks a name that the kernel could take for one of its own files.
        name = part.removeprefix("_")
        kind = name.rpartition(".")[2]
        if kind not in _TYPES:
            continue
        unit = name
        if kind != "slice" and not (name.startswith("user@") and kind == "service"):
            break
    return unit


class Units:
    """A connection to the message bus at ``bus`` that receives changes of every unit of its service manager.

    Making one and ``ready`` raise OSError or ValueError when the bus is not there, refuses or goes away, and
    when the service manager connects to it anew (daemon-reexec), which ends the subscription.
    """

    def __init__(
        self, bus: Path = BUS, wall_ns: Callable[[], int] = time.time_ns, name: str = "units"
    ) -> None:
        self.name = name
        self._wall_ns = wall_ns
        self._restarts: dict[str, int] = {}
        self._failed: set[str] = set()
        self._asked: dict[int, str] = {}
        self._owners: dict[str, str] = {}
        self._bus: DBusConnection = open_dbus_connection(f"unix:path={bus}", auth_timeout=_GREETING_S)
        try:
            for rule in _match_rules():
                self._call(message_bus.AddMatch(rule))
            self._call(new_method_call(_MANAGER, "Subscribe"))
            self._owners[_SYSTEMD] = self._call(message_bus.GetNameOwner(_SYSTEMD))[0]
            self._owners[_OOMD] = self._owner(_OOMD)
            # What failed before is not news, but its end is.
            failed = self._call(new_method_call(_MANAGER, "ListUnitsFiltered", "as", (["failed"],)))
            self._failed = {unit[0] for unit in failed[0]}
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

    def _call(self, message: Message) -> tuple[Any, ...]:
        answer = self._bus.send_and_get_reply(message, timeout=_GREETING_S)
        if answer.header.message_type is MessageType.error:
            raise OSError(f"the message bus refused: {answer.body}")
        return tuple(answer.body)

    def _owner(self, name: str) -> str:
        try:
            return str(self._call(message_bus.GetNameOwner(name))[0])
        except OSError:
            return ""  # nobody is called so at present

    def _heard(self, message: Message) -> list[Event]:
        fields = message.header.fields
        sender = fields.get(HeaderFields.sender)
        answered = self._asked.pop(fields.get(HeaderFields.reply_serial, -1), None)
        if answered is not None:
            explained = message.header.message_type is MessageType.method_return
            return [self._explained(answered, dict(message.body[0]) if explained else {})]
        if message.header.message_type is not MessageType.signal:
            return []
        member = fields.get(HeaderFields.member)
        if sender == _DBUS and member == "NameOwnerChanged":
            self._owner_changed(*message.body)
        # Everybody on the bus may send a signal of any name; only the bus itself says from whom it came.
        elif sender == self._owners[_OOMD] and member == "Killed":
            return [self._killed(*message.body)]
        elif sender == self._owners[_SYSTEMD]:
            return self._said(str(member), str(fields.get(HeaderFields.path, "")), message.body)
        return []

    def _owner_changed(self, name: str, _before: str, now: str) -> None:
        if name == _SYSTEMD and now != self._owners[_SYSTEMD]:
            raise OSError("the service manager left the message bus")
        if name in self._owners:
            self._owners[name] = now

    def _said(self, member: str, path: str, body: tuple[Any, ...]) -> list[Event]:
        if member == "UnitNew":
            self._restarts[body[0]] = 0
        elif member == "UnitRemoved":
            self._restarts.pop(body[0], None)
            return self._no_longer_failed(body[0], "the unit is not loaded any more")
        elif member == "PropertiesChanged" and path.startswith(_UNITS):
            interface, changed, _ = body
            properties = {name: value for name, (_, value) in dict(changed).items()}
            return self._changed(path, interface, properties)
        return []

    def _changed(self, path: str, interface: str, properties: Mapping[str, Any]) -> list[Event]:
        unit = unit_name(path)
        restarts = properties.get("NRestarts")
        if interface == _SERVICE and isinstance(restarts, int):
            # The count comes with every change of a service: the first one received is no restart.
            before, self._restarts[unit] = self._restarts.get(unit, restarts), restarts
            if restarts > before:
                detail = f"restarted automatically, {restarts} times by now"
                return [self._event("unit_restarted", unit, detail, "warning")]
        state = properties.get("ActiveState")
        if interface == _UNIT and state == "failed" and unit not in self._failed:
            self._failed.add(unit)
            return self._ask_why(unit, path)
        if interface == _UNIT and state is not None and state != "failed":
            return self._no_longer_failed(unit, f"the unit is {state}")
        return []

    def _no_longer_failed(self, unit: str, detail: str) -> list[Event]:
        if unit not in self._failed:
            return []
        self._failed.discard(unit)
        return [self._event("unit_recovered", unit, detail, "info")]

    def _ask_why(self, unit: str, path: str) -> list[Event]:
        kind = unit.rpartition(".")[2]
        if kind not in _WITH_RESULT:
            return [self._explained(unit, {})]
        serial = next(self._bus.outgoing_serial)
        interface = f"{_SYSTEMD}.{kind.capitalize()}"
        self._bus.send(Properties(DBusAddress(path, _SYSTEMD, interface)).get_all(), serial=serial)
        self._asked[serial] = unit
        return []

    def _explained(self, unit: str, properties: Mapping[str, Any]) -> Event:
        result = {name: value for name, (_, value) in properties.items()}
        detail = f"result {result['Result']}" if "Result" in result else "it says no more"
        if result.get("Result") == "oom-kill":
            detail += " (killed for lack of memory)"
        if "ExecMainStatus" in result:
            detail += f", exit status {result['ExecMainStatus']}"
        return self._event("unit_failed", unit, detail, "error")

    def _killed(self, cgroup: str, reason: str) -> Event:
        return self._event(
            "oom_kill", unit_of_cgroup(cgroup), f"systemd-oomd: {reason} of {cgroup}", "error"
        )

    def _event(self, kind: str, unit: str, detail: str, severity: str) -> Event:
        return Event(self._wall_ns(), kind, unit, detail, severity, self.name)


def _match_rules() -> list[MatchRule]:
    changed = MatchRule(
        type="signal", interface=f"{_DBUS}.Properties", path_namespace=_UNITS.rstrip("/"), sender=_SYSTEMD
    )
    units = MatchRule(type="signal", interface=f"{_SYSTEMD}.Manager", sender=_SYSTEMD)
    kills = MatchRule(type="signal", interface=f"{_OOMD}.Manager", member="Killed", sender=_OOMD)
    rules = [changed, units, kills]
    for name in (_SYSTEMD, _OOMD):
        owner = MatchRule(type="signal", interface=_DBUS, member="NameOwnerChanged", sender=_DBUS)
        owner.add_arg_condition(0, name)
        rules.append(owner)
    return rules
