# SPDX-License-Identifier: Apache-2.0
"""systemd over D-Bus: units, their resources, jobs. See org.freedesktop.systemd1(5)."""

import contextlib
import os
import re
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from jeepney import (
    DBusAddress,
    HeaderFields,
    MatchRule,
    Message,
    MessageType,
    Parser,
    Properties,
    message_bus,
    new_method_call,
)
from jeepney.io.blocking import DBusConnection, DBusConnectionBase, open_dbus_connection
from jeepney.io.common import MessageFilters
from jeepney.low_level import calc_msg_size

from jepa.actions.service_manager import Unit, Variant
from jepa.errors import JepaError

_SYSTEMD: Final = "org.freedesktop.systemd1"
_MANAGER: Final = DBusAddress("/org/freedesktop/systemd1", _SYSTEMD, f"{_SYSTEMD}.Manager")
_SYSTEM_BUS: Final = Path("/run/dbus/system_bus_socket")
_DIRECT: Final = Path("/run/systemd/private")
"""systemd's own socket, for root, which needs no message bus."""
_JOB_ENDED: Final = "JobRemoved"
_HEADER_BYTES: Final = 16
"""Of a message that say its kind and size."""
_CALL_S: Final = 25.0
_JOB_S: Final = 120.0
"""A unit that takes longer to start or stop goes on; whoever waits is told so."""
_WITH_CGROUP: Final = {
    "service": "Service",
    "scope": "Scope",
    "slice": "Slice",
    "socket": "Socket",
    "mount": "Mount",
}
_KINDS: Final = frozenset(
    {
        "service",
        "scope",
        "slice",
        "socket",
        "mount",
        "timer",
        "target",
        "path",
        "swap",
        "device",
        "automount",
    }
)
_NAME = re.compile(r"[A-Za-z0-9:_.\\@-]{1,255}", re.ASCII)
"""What systemd takes in a unit's name (unit_name_is_valid); patterns and paths are none."""


def full_name(name: str) -> str:
    """``name`` with its type, ``.service`` without one. JepaError (422) for what can be no name."""
    if not _NAME.fullmatch(name):
        raise JepaError(
            f"{name[:80]!r} is no name of a unit.",
            "Give it as `systemctl` shows it, without patterns and paths.",
            status=422,
        )
    stem, dot, kind = name.rpartition(".")
    full = name if dot and kind in _KINDS else f"{name}.service"
    stem = full.rpartition(".")[0]
    if not stem or stem.endswith("@"):
        raise JepaError(
            f"{full} is a template, which never runs.",
            "Name an instance of it, such as getty@tty1.",
            status=422,
        )
    return full


class SystemdParser(Parser):  # type: ignore[misc]  # jeepney has no types
    """Passes over signals that nobody waits for, which takes a tenth of the time of reading them."""

    def __init__(self) -> None:
        super().__init__()
        self.signals = 0
        """How many have come."""

    def get_next_message(self) -> Message | None:
        """The next reply or end of a job; None until it is there as a whole."""
        while self.buf.bytes_buffered >= _HEADER_BYTES:
            begin = self.buf.peek(_HEADER_BYTES)
            size = calc_msg_size(begin)
            if begin[1] != MessageType.signal.value or self.buf.bytes_buffered < size:
                break
            self.signals += 1
            if _JOB_ENDED.encode() in self.buf.peek(size):
                break
            self.buf.read(size)
            self.next_msg_size = None
        return super().get_next_message()


class _DirectConnection(DBusConnection):  # type: ignore[misc]
    """A connection to systemd itself, where nobody gives out names and signals need no match.

    systemd sends it every signal, a dozen for each unit that is loaded and let go of again.
    """

    def __init__(self, path: Path) -> None:
        DBusConnectionBase.__init__(self, _authenticated(path))
        self.parser = SystemdParser()
        self._filters = MessageFilters()


def _authenticated(path: Path) -> socket.socket:
    """A connection to systemd's own socket, ready for messages. OSError when it does not let us in.

    All of the handshake is sent at once, as systemd's clients do: a message that systemd reads together with
    BEGIN, as after jeepney's step by step, waits there until another one comes.
    """
    found = socket.socket(socket.AF_UNIX)
    try:
        found.settimeout(_CALL_S)
        found.connect(str(path))
        found.sendall(f"\0AUTH EXTERNAL {str(os.geteuid()).encode().hex()}\r\nBEGIN\r\n".encode())
        answer = b""
        while not answer.endswith(b"\r\n"):
            more = found.recv(1024)
            if not more:
                raise ConnectionResetError
            answer += more
        if not answer.startswith(b"OK "):
            raise ConnectionRefusedError
        found.settimeout(None)
    except OSError:
        found.close()
        raise
    return found


class SystemdBus:
    """systemd of the system, or with ``user`` the person's own; a connection for each thread.

    Root, and the person whose systemd it is, talk to systemd itself, as systemctl does. So what is in force
    can be taken back early at boot, and while the message bus is gone or does not answer.
    """

    def __init__(self, user: bool = False, bus: Path | None = None, direct: Path | None = None) -> None:
        folder = _user_folder()
        own = folder / "systemd/private" if user else _DIRECT if os.geteuid() == 0 else None
        self._bus = bus or (folder / "bus" if user else _SYSTEM_BUS)
        self._direct = own if bus is None else direct
        self.available = self._bus.exists() or (self._direct is not None and self._direct.exists())
        """Whether there is a message bus, or systemd's own socket."""
        self._local = threading.local()

    def unit(self, name: str) -> Unit:
        """The unit ``name``, loaded if need be; JepaError (404, 409) when there is none or it is masked.

        What runs is there, also when its file was masked or removed since.
        """
        full = full_name(name)
        path = self._path(full)
        found = self._get_all(path, "Unit")
        state = str(found["LoadState"])
        if state != "loaded" and str(found["ActiveState"]) in ("inactive", "failed"):
            raise _not_loaded(full, state)
        kind = str(found["Id"]).rpartition(".")[2]
        return Unit(
            id=str(found["Id"]),
            load_state=state,
            active_state=str(found["ActiveState"]),
            sub_state=str(found["SubState"]),
            invocation=bytes(found.get("InvocationID") or b"").hex(),
            # A service has hundreds of properties, and to read them all takes longer than all the rest.
            cgroup=str(self._get(path, _WITH_CGROUP[kind], "ControlGroup")) if kind in _WITH_CGROUP else "",
            freezer_state=str(found.get("FreezerState", "running")),
            names=tuple(found.get("Names", ())),
            unit_file_state=str(found.get("UnitFileState", "")),
            fragment=str(found.get("FragmentPath", "")),
            main_pid=int(self._get(path, "Service", "MainPID")) if kind == "service" else 0,
        )

    def services(self) -> Sequence[Unit]:
        """All services that are loaded, with their states alone: nothing that each has to be asked for."""
        # Two thirds of the units are devices, mounts and targets: a third of healing's CPU time was theirs.
        (listed,) = self._read(new_method_call(_MANAGER, "ListUnitsByPatterns", "asas", ([], ["*.service"])))
        return [Unit(each[0], each[2], each[3], each[4]) for each in listed]

    def unit_of_pid(self, pid: int) -> str:
        """The id of the unit that a process belongs to."""
        (path,) = self._read(new_method_call(_MANAGER, "GetUnitByPID", "u", (pid,)))
        address = DBusAddress(path, _SYSTEMD, f"{_SYSTEMD}.Unit")
        return str(self._read(Properties(address).get("Id"))[0][1])

    def get(self, unit: str, interface: str, name: str) -> Any:
        """One property: interface ``Service``, ``Slice``, ``Scope``, ``Timer`` or ``Unit``."""
        return self._get(self._path(full_name(unit)), interface, name)

    def set_properties(self, unit: str, assignments: Sequence[tuple[str, Variant]]) -> None:
        """Assign resource properties in one step and in order, until the machine stops (runtime)."""
        # The manager's own method refuses a unit that runs while its file is masked or gone.
        address = DBusAddress(self._path(full_name(unit)), _SYSTEMD, f"{_SYSTEMD}.Unit")
        self._call(new_method_call(address, "SetProperties", "ba(sv)", (True, list(assignments))))

    def start(self, unit: str) -> None:
        """Start it and return when the job is done; JepaError (500) when it fails."""
        self._job("StartUnit", "ss", (full_name(unit), "replace"))

    def stop(self, unit: str) -> None:
        """Stop it and return when the job is done."""
        self._job("StopUnit", "ss", (full_name(unit), "replace"))

    def restart(self, unit: str) -> None:
        """Restart it and return when the job is done. A failure of before does not count any more."""
        full = full_name(unit)
        self.reset_failed(full)  # else the limit of starts would refuse it
        self._job("RestartUnit", "ss", (full, "replace"))

    def reload(self, unit: str) -> None:
        """Let it read its configuration anew."""
        self._job("ReloadUnit", "ss", (full_name(unit), "replace"))

    def reset_failed(self, unit: str) -> None:
        """Forget that it failed, and its count of starts."""
        self._call(new_method_call(_MANAGER, "ResetFailedUnit", "s", (full_name(unit),)))

    def freeze(self, unit: str) -> None:
        """Stop all its processes where they are."""
        self._call(new_method_call(_MANAGER, "FreezeUnit", "s", (full_name(unit),)))

    def thaw(self, unit: str) -> None:
        """Let them run on."""
        self._call(new_method_call(_MANAGER, "ThawUnit", "s", (full_name(unit),)))

    def enable(self, unit: str) -> None:
        """Start it at boot from now on."""
        self._call(new_method_call(_MANAGER, "EnableUnitFiles", "asbb", ([full_name(unit)], False, False)))
        self.daemon_reload()

    def disable(self, unit: str) -> None:
        """No longer start it at boot."""
        self._call(new_method_call(_MANAGER, "DisableUnitFiles", "asb", ([full_name(unit)], False)))
        self.daemon_reload()

    def daemon_reload(self) -> None:
        """Read all unit files and drop-ins anew."""
        self._call(new_method_call(_MANAGER, "Reload"), _JOB_S)

    def start_transient(
        self,
        unit: str,
        properties: Mapping[str, Variant],
        auxiliary: Sequence[tuple[str, Mapping[str, Variant]]] = (),
    ) -> None:
        """Make and start a unit that exists until it stops; ``auxiliary`` is what a timer starts."""
        others = [(name, list(more.items())) for name, more in auxiliary]
        body = (full_name(unit), "fail", list(properties.items()), others)
        self._job("StartTransientUnit", "ssa(sv)a(sa(sv))", body)

    def close(self) -> None:
        """End the connection of this thread."""
        connection: DBusConnection | None = self._local.__dict__.pop("connection", None)
        if connection is not None:
            connection.close()

    def _path(self, unit: str) -> str:
        return str(self._read(new_method_call(_MANAGER, "LoadUnit", "s", (unit,)))[0])

    def _get(self, path: str, interface: str, name: str) -> Any:
        address = DBusAddress(path, _SYSTEMD, f"{_SYSTEMD}.{interface}")
        return self._read(Properties(address).get(name))[0][1]

    def _get_all(self, path: str, interface: str) -> dict[str, Any]:
        address = DBusAddress(path, _SYSTEMD, f"{_SYSTEMD}.{interface}")
        (found,) = self._read(Properties(address).get_all())
        return {name: value for name, (_, value) in dict(found).items()}

    def _job(self, method: str, signature: str, body: tuple[Any, ...]) -> None:
        """Queue a job and wait for its end, which systemd says to all that have subscribed."""
        bus = self._connection()
        rule = MatchRule(type="signal", interface=f"{_SYSTEMD}.Manager", member=_JOB_ENDED, sender=_SYSTEMD)
        if not getattr(self._local, "subscribed", False):
            if bus.unique_name is not None:
                self._call(message_bus.AddMatch(rule))
            self._call(new_method_call(_MANAGER, "Subscribe"))
            self._local.subscribed = True
        # The bus names a sender by its connection, not by the name that was asked for.
        heard = MatchRule(type="signal", interface=f"{_SYSTEMD}.Manager", member=_JOB_ENDED)
        with bus.filter(heard) as ended:
            (job,) = self._call(new_method_call(_MANAGER, method, signature, body))
            until = time.monotonic() + _JOB_S
            while True:
                left = until - time.monotonic()
                if left <= 0:
                    raise JepaError(
                        f"{body[0]} takes longer than {_JOB_S:.0f} s.",
                        f"See `systemctl status {body[0]}`.",
                        status=504,
                    )
                try:
                    signal = bus.recv_until_filtered(ended, timeout=left)
                except TimeoutError:
                    continue
                except OSError as error:
                    self.close()
                    raise _gone(error) from error
                _, path, unit, result = signal.body
                if path == job:
                    break
        if result not in ("done", "skipped"):
            raise JepaError(
                f"{method.removesuffix('Unit')} of {unit} ended with {result}.",
                f"See `systemctl status {unit}`.",
            )

    def _read(self, message: Message) -> tuple[Any, ...]:
        """The answer to a question; asked again over a new connection when the bus was restarted."""
        try:
            return self._call(message)
        except JepaError as error:
            if error.status != 503:
                raise
        return self._call(message)

    def _call(self, message: Message, timeout: float = _CALL_S) -> tuple[Any, ...]:
        bus = self._connection()
        try:
            answer = bus.send_and_get_reply(message, timeout=timeout)
        except (OSError, TimeoutError) as error:
            self.close()
            raise _gone(error) from error
        if answer.header.message_type is MessageType.error:
            name = str(answer.header.fields.get(HeaderFields.error_name, ""))
            raise _refused(name, str(answer.body[0]) if answer.body else name, message)
        return tuple(answer.body)

    def _connection(self) -> DBusConnection:
        connection: DBusConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect()
            self._local.subscribed = False
        return connection

    def _connect(self) -> DBusConnection:
        if self._direct is not None:
            with contextlib.suppress(OSError):
                return _DirectConnection(self._direct)
        try:
            return open_dbus_connection(f"unix:path={self._bus}", auth_timeout=_CALL_S)
        except (OSError, ValueError, TimeoutError) as error:
            raise _gone(error) from error


def _user_folder() -> Path:
    return Path(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}")


def _not_loaded(unit: str, state: str) -> JepaError:
    if state == "masked":
        return JepaError(f"The unit {unit} is masked.", "`systemctl unmask` it first.", status=409)
    if state == "not-found":
        remedy = "`systemctl list-units` shows those there are."
        return JepaError(f"The unit {unit} does not exist.", remedy, status=404)
    return JepaError(
        f"The unit {unit} has {state} as load state.", f"See `systemctl status {unit}`.", status=409
    )


def _gone(error: Exception) -> JepaError:
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return JepaError(
        f"systemd cannot be reached over the message bus: {reason}.",
        "See `systemctl status dbus.service`; `jepa history` shows what is in force.",
        status=503,
    )


_STATUS: Final = {
    "NoSuchUnit": (404, "`systemctl list-units` shows those there are."),
    "NoUnitForPID": (404, "The process may just have ended."),
    "LoadFailed": (404, "`systemctl status` says why it cannot be loaded."),
    "UnitMasked": (409, "`systemctl unmask` it first."),
    "UnitInactive": (409, "Start it first."),
    "UnitGenerated": (422, "It is made from another file at boot."),
    "AccessDenied": (403, "Act as root, or ask the actuator without --local."),
    "InteractiveAuthorizationRequired": (403, "Act as root, or ask the actuator without --local."),
    "InvalidArgs": (422, "See systemd.resource-control(5) for what it takes."),
    "PropertyReadOnly": (422, "systemd sets it only in unit files."),
    "NotSupported": (501, "The unit, or the kernel, cannot do this."),
    "OnlyByDependency": (422, "It is started and stopped by others only."),
}


def _refused(name: str, text: str, message: Message) -> JepaError:
    status, remedy = _STATUS.get(name.rpartition(".")[2], (500, "See `journalctl -u init.scope`."))
    method = message.header.fields.get(HeaderFields.member, "the request")
    return JepaError(f"systemd refuses {method}: {text.rstrip('.')}.", remedy, status=status)
