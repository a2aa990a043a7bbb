# SPDX-License-Identifier: Apache-2.0
"""The actuator behind its socket: an ``ActuatorClient`` that imports little and waits in place."""

import _socket as socket  # what ``socket`` adds, enums of every constant, takes a command 2 ms of 28
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Final

from jepa.actions.actuator.errors import INTERFACE, from_varlink
from jepa.actions.actuator.varlink import ProtocolError, Splitter, call, parse
from jepa.actions.messages import ActionRequest, Preview, Verdict
from jepa.errors import JepaError

if TYPE_CHECKING:
    from jepa.actions.change import Change
    from jepa.actions.client import Availability, Progress

SOCKET: Final = "/run/jepa-actuator/actuator.sock"
REPLY_MOST: Final = 16 << 20
"""Bytes of one reply."""
READ_S: Final = 120.0
"""For an answer to a question, when the actuator has to be started first on a machine that is short of all;
one that hangs is killed by its watchdog before. What changes the machine takes as long as it takes."""
Agent = Callable[[], AbstractContextManager[object]]
"""Has the person asked for a password where it is needed, while it is entered."""


class RemoteActuator:
    """Asks over one connection, made at the first call and made anew when the actuator ended in between."""

    def __init__(self, path: str | os.PathLike[str], agent: Agent | None = None) -> None:
        """``agent`` is entered around calls that may take a password; without one nobody is asked."""
        self._path = os.fspath(path)
        self._agent = agent
        self._socket: socket.socket | None = None

    def availability(self) -> "Sequence[Availability]":
        """Every action of the catalogue."""
        from jepa.actions.client import Availability

        return [Availability(**each) for each in self._ask("Availability")["actions"]]

    def check(self, request: ActionRequest) -> Preview:
        """What ``request`` would do and whether it is allowed; changes nothing."""
        told = self._ask("Check", request=request._asdict())["preview"]
        verdict = Verdict(told["verdict"]["decision"], tuple(told["verdict"]["reasons"]))
        return Preview(told["action"], told["target"], told["old"], told["new"], verdict)

    def act(self, request: ActionRequest, consent: bool, progress: "Progress | None" = None) -> "Change":
        """Do it and return what came of it."""

        def tell(told: Mapping[str, Any]) -> None:
            if progress is not None:
                progress(_change(told["change"]))

        return _change(
            self._change("Act", {"request": request._asdict(), "consent": consent}, tell)["change"]
        )

    def undo(self, change: str = "", task: str = "") -> "Sequence[Change]":
        """Take back one change, those of a task, or the last of the caller's own."""
        told = self._change("Undo", {"change": change, "task": task})
        return [_change(each) for each in told["changes"]]

    def history(self, limit: int = 50) -> "Sequence[Change]":
        """The newest changes, newest first."""
        return [_change(each) for each in self._ask("History", limit=limit)["changes"]]

    def grant(self, grant: Mapping[str, Any]) -> str:
        """Keep a grant and return its id."""
        return str(self._change("Grant", {"grant": grant})["id"])

    def grants(self) -> Sequence[Mapping[str, Any]]:
        """The grants in force."""
        found: list[Mapping[str, Any]] = self._ask("Grants")["grants"]
        return found

    def revoke(self, grant: str) -> None:
        """End a grant."""
        self._change("Revoke", {"id": grant})

    def policy(self) -> Mapping[str, Any]:
        """The policy in force."""
        found: Mapping[str, Any] = self._ask("Policy")["policy"]
        return found

    def expire(self, change: str) -> "Change":
        """Have a change taken back whose time is over; only root may."""
        return _change(self._call("Expire", {"change": change})["change"])

    def close(self) -> None:
        """End the connection; the next call makes another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._call(method, parameters, timeout_s=READ_S)

    def _change(
        self,
        method: str,
        parameters: Mapping[str, Any],
        tell: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> dict[str, Any]:
        with self._person() as interactive:
            return self._call(method, {**parameters, "interactive": interactive}, tell)

    def _person(self) -> AbstractContextManager[bool]:
        """Whether a person can be asked for a password, and who asks; root need not give one."""
        if self._agent is None or os.geteuid() == 0:
            return nullcontext(False)
        return _Entered(self._agent())

    def _call(
        self,
        method: str,
        parameters: Mapping[str, Any],
        tell: Callable[[Mapping[str, Any]], None] | None = None,
        timeout_s: float | None = None,
    ) -> dict[str, Any]:
        """The last reply; ``tell`` takes those before. JepaError: the actuator's, or it is not there."""
        connection = self._connected()
        connection.settimeout(timeout_s)
        done = False
        try:
            connection.sendall(call(f"{INTERFACE}.{method}", parameters, more=tell is not None))
            for content in _replies(connection):
                told: dict[str, Any] = content.get("parameters") or {}
                if content.get("continues"):
                    if tell is not None:
                        tell(told)
                    continue
                done = True
                if "error" in content:
                    raise from_varlink(str(content["error"]), told)
                return told
            raise ConnectionError("it ended")
        except (OSError, ProtocolError) as error:
            raise JepaError(
                f"The actuator did not answer: {_reason(error)}.",
                "`jepa history` shows what was done; see `systemctl status jepa-actuator`.",
                status=503,
            ) from error
        finally:
            if not done:  # replies that nobody took would be those of the next call
                self.close()

    def _connected(self) -> socket.socket:
        if self._socket is not None and not _ended(self._socket):
            return self._socket
        self.close()
        fresh = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            fresh.settimeout(READ_S)
            fresh.connect(self._path)
        except OSError as error:
            fresh.close()
            raise JepaError(
                f"The actuator cannot be reached at {self._path}: {_reason(error)}.",
                "Start it with `systemctl start jepa-actuator.socket`, or act yourself with --local.",
                status=503,
            ) from error
        self._socket = fresh
        return fresh


class _Entered:
    """Enters an agent, and says whether there is one."""

    def __init__(self, agent: AbstractContextManager[object]) -> None:
        self._agent = agent

    def __enter__(self) -> bool:
        return bool(self._agent.__enter__())

    def __exit__(self, *error: Any) -> None:
        self._agent.__exit__(*error)


def _change(row: Mapping[str, Any]) -> "Change":
    from jepa.actions.change import Change  # takes long to import, and a dry run gets none

    return Change.from_dict(row)


def _replies(connection: socket.socket) -> Iterator[dict[str, Any]]:
    splitter = Splitter(REPLY_MOST)
    while data := connection.recv(1 << 18):
        yield from map(parse, splitter.feed(data))


def _ended(connection: socket.socket) -> bool:
    """Whether the other end has closed, which it does between calls alone."""
    try:
        connection.settimeout(0)
        return not connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
