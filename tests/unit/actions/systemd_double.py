# SPDX-License-Identifier: Apache-2.0
"""A stand-in for systemd that speaks its D-Bus interface over real sockets, for errors that are rare."""

import contextlib
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Self

from jeepney import (
    DBusAddress,
    HeaderFields,
    Message,
    MessageType,
    Parser,
    message_bus,
    new_error,
    new_method_return,
    new_signal,
)
from jeepney.io.blocking import open_dbus_connection

_SYSTEMD: Final = "org.freedesktop.systemd1"
_MANAGER: Final = DBusAddress("/org/freedesktop/systemd1", _SYSTEMD, f"{_SYSTEMD}.Manager")
_OWN_UID: Final = str(os.geteuid()).encode().hex().encode()
_SIGNATURES: Final = {int: "t", str: "s", bytes: "ay", list: "as"}


class Refusal(Exception):
    """An error of systemd: its short name, and what it says."""


class Systemd:
    """Units by name with their properties, and what becomes of each job."""

    def __init__(self) -> None:
        self.units: dict[str, dict[str, Any]] = {}
        self.results: dict[str, str] = {}
        """By unit: how its jobs end; ``done`` where none is given, never where it is empty."""
        self.refusals: dict[str, tuple[str, str]] = {}
        """By method."""
        self.calls: list[str] = []
        self._jobs = 0

    def add(self, name: str, **properties: Any) -> None:
        """A service that runs, but for what ``properties`` say."""
        usual = {
            "Id": name,
            "Names": [name],
            "LoadState": "loaded",
            "ActiveState": "active",
            "SubState": "running",
            "InvocationID": bytes(16),
            "ControlGroup": f"/system.slice/{name}",
            "MainPID": 0,
        }
        self.units[name] = usual | properties

    def answer(self, message: Message) -> list[Message]:
        """The reply, and the signal that comes after it."""
        fields = message.header.fields
        method = fields[HeaderFields.member]
        self.calls.append(method)
        try:
            if method in self.refusals:
                raise Refusal(*self.refusals[method])
            signature, body, signals = self._do(method, fields[HeaderFields.path], message.body)
        except Refusal as refusal:
            name, text = refusal.args
            return [new_error(message, f"{_SYSTEMD}.{name}", "s", (text,))]
        return [new_method_return(message, signature, body), *signals]

    def _do(self, method: str, path: str, body: Any) -> tuple[str | None, tuple[Any, ...], list[Message]]:
        match method:
            case "LoadUnit":
                return "o", (_path(body[0]),), []
            case "GetAll":
                unit = self._at(path)
                return "a{sv}", ({name: (_SIGNATURES[type(v)], v) for name, v in unit.items()},), []
            case "Get":
                value = self._at(path)[body[1]]
                return "v", ((_SIGNATURES[type(value)], value),), []
            case "SetProperties":
                self._at(path).update({name: value for name, (_, value) in body[1]})
            case "StartUnit" | "StopUnit" | "RestartUnit":
                return self._job(body[0])
        return None, (), []

    def _at(self, path: str) -> dict[str, Any]:
        found = next((unit for name, unit in self.units.items() if _path(name) == path), None)
        none: dict[str, Any] = {"Id": "none.service", "LoadState": "not-found", "ActiveState": "inactive"}
        return none | {"SubState": "dead"} if found is None else found

    def _job(self, unit: str) -> tuple[str, tuple[Any, ...], list[Message]]:
        self._jobs += 1
        job = f"/org/freedesktop/systemd1/job/{self._jobs}"
        result = self.results.get(unit, "done")
        other = f"/org/freedesktop/systemd1/job/{self._jobs + 1000}"
        ended = [(other, "other.service", "failed"), (job, unit, result)] if result else []
        return (
            "o",
            (job,),
            [
                new_signal(_MANAGER, "JobRemoved", "uoss", (self._jobs, path, name, how))
                for path, name, how in ended
            ],
        )


def _path(unit: str) -> str:
    return "/org/freedesktop/systemd1/unit/" + "".join(c if c.isalnum() else f"_{ord(c):x}" for c in unit)


class Bus:
    """A real dbus-daemon on which a ``Systemd`` has its name."""

    def __init__(self, folder: Path, systemd: Systemd) -> None:
        self.path = folder / "bus"
        self._systemd = systemd
        self._daemon: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """As at boot, or after a crash."""
        self.path.unlink(missing_ok=True)
        command = ["dbus-daemon", "--session", "--nofork", "--nopidfile", "--nosyslog"]
        self._daemon = subprocess.Popen([*command, f"--address=unix:path={self.path}"])
        connection = _patiently(lambda: open_dbus_connection(f"unix:path={self.path}"))
        connection.send_and_get_reply(message_bus.RequestName(_SYSTEMD))

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    message = connection.receive()
                    if message.header.message_type is MessageType.method_call:
                        for each in self._systemd.answer(message):
                            connection.send(each)

        threading.Thread(target=serve, daemon=True).start()

    def kill(self) -> None:
        """As when it crashes: connections end, and the socket's file stays."""
        if self._daemon is not None:
            self._daemon.kill()
            self._daemon.wait()
            self._daemon = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()


@contextlib.contextmanager
def direct_socket(path: Path, systemd: Systemd) -> Iterator[Path]:
    """systemd's own socket, without a bus between."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen(4)

        def serve() -> None:
            connection, _ = server.accept()
            with connection, contextlib.suppress(BrokenPipeError):
                # systemd lets wait what comes in one read with BEGIN, so all of this has to come at once
                assert connection.recv(4096) == b"\0AUTH EXTERNAL %b\r\nBEGIN\r\n" % _OWN_UID
                connection.sendall(b"OK 0123456789abcdef0123456789abcdef\r\n")
                parser = Parser()
                serial = 0
                news = new_signal(_MANAGER, "UnitNew", "so", ("other.service", _path("other.service")))
                while data := connection.recv(4096):
                    for message in parser.feed(data):
                        for each in (news, *systemd.answer(message), news):  # systemd tells all of it
                            serial += 1
                            connection.sendall(each.serialise(serial=serial))

        threading.Thread(target=serve, daemon=True).start()
        yield path


def _patiently(connect: Callable[[], Any], seconds: float = 5.0) -> Any:
    until = time.monotonic() + seconds
    while True:
        try:
            return connect()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.01)
