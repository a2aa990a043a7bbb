# SPDX-License-Identifier: Apache-2.0
"""Hears from the service manager that units changed, so that it need not be asked every second."""

import contextlib
from pathlib import Path
from typing import Final

from jeepney import DBusAddress, MatchRule, Message, MessageFlag, MessageType, message_bus, new_method_call
from jeepney.io.blocking import DBusConnection, DBusConnectionBase, prep_socket
from jeepney.io.common import MessageFilters

from jepa.actions.systemd_bus import SystemdParser

_BUS: Final = Path("/run/dbus/system_bus_socket")
_SYSTEMD: Final = "org.freedesktop.systemd1"
_MANAGER: Final = DBusAddress("/org/freedesktop/systemd1", _SYSTEMD, f"{_SYSTEMD}.Manager")
_ANSWER_S: Final = 10.0


class UnitChanges:
    """A subscription to what the service manager says of its units over the message bus at ``bus``.

    What changed is not read: whoever wants to know asks the manager, and is then told the newest.
    """

    def __init__(self, bus: Path = _BUS) -> None:
        self._bus = bus
        self._connection: _Connection | None = None

    def __call__(self) -> bool:
        """Whether a unit may have changed since the last call; always while the bus is away."""
        try:
            if self._connection is None:
                self._connection = _Connection(self._bus)
                return True
            changed = self._connection.heard()
            if changed:
                self._connection.subscribe()
        except (OSError, ValueError):
            self.close()
            return True
        return changed

    def close(self) -> None:
        """Leave the bus."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


class _Connection(DBusConnection):  # type: ignore[misc]  # jeepney has no types
    """To the bus, receiving what the manager says of its units. OSError or ValueError without one."""

    def __init__(self, bus: Path) -> None:
        DBusConnectionBase.__init__(self, prep_socket(str(bus), timeout=_ANSWER_S))
        self._filters = MessageFilters()
        self.parser = SystemdParser()
        self._signals = 0
        try:
            self._ask(message_bus.Hello())
            for rule in _match_rules():
                self._ask(message_bus.AddMatch(rule))
            self._ask(new_method_call(_MANAGER, "Subscribe"))  # what is asked next is no older than that
        except BaseException:
            self.close()
            raise

    def heard(self) -> bool:
        """Whether any signal has come since the last call."""
        with contextlib.suppress(TimeoutError):
            while True:
                self.receive(timeout=0)
        before, self._signals = self._signals, self.parser.signals
        return bool(self._signals != before)

    def subscribe(self) -> None:
        """Have the manager send signals again, should it have executed itself anew and forgotten that."""
        request = new_method_call(_MANAGER, "Subscribe")
        request.header.flags |= MessageFlag.no_reply_expected
        self.send(request)

    def _ask(self, request: Message) -> None:
        answer = self.send_and_get_reply(request, timeout=_ANSWER_S)
        if answer.header.message_type is MessageType.error:
            raise OSError(f"the message bus refused: {answer.body}")


def _match_rules() -> list[MatchRule]:
    properties = "org.freedesktop.DBus.Properties"
    units = f"{_MANAGER.object_path}/unit"
    unit = MatchRule(type="signal", interface=properties, path_namespace=units, sender=_SYSTEMD)
    manager = MatchRule(type="signal", interface=f"{_SYSTEMD}.Manager", sender=_SYSTEMD)
    owner = MatchRule(type="signal", interface="org.freedesktop.DBus", member="NameOwnerChanged")
    owner.add_arg_condition(0, _SYSTEMD)
    return [unit, manager, owner]
