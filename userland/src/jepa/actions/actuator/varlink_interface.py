# SPDX-License-Identifier: Apache-2.0
"""The methods of ``io.jepa.Actuator`` and of ``org.varlink.service``, from parameters to replies."""

import socket
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any, Final, Protocol

from jepa import __version__
from jepa.actions.actuator.errors import INTERFACE, to_varlink
from jepa.actions.actuator.server import Kind, Send
from jepa.actions.actuator.varlink import SERVICE, Call, VarlinkError
from jepa.actions.change import Caller, Change
from jepa.actions.client import HISTORY_MOST, ActuatorClient
from jepa.actions.messages import ActionRequest
from jepa.errors import JepaError

KINDS: Final[dict[str, Kind]] = {
    "Act": "act",
    "Grant": "act",
    "Undo": "end",
    "Revoke": "end",
    "Expire": "end",
}
"""Methods that change something, and may wait for long: for the machine, or for a person."""
_SERVICE_IDL: Final = """\
# What every Varlink service answers: https://varlink.org/Service
interface org.varlink.service

method GetInfo() -> (vendor: string, product: string, version: string, url: string, interfaces: []string)
method GetInterfaceDescription(interface: string) -> (description: string)

error InterfaceNotFound (interface: string)
error MethodNotFound (method: string)
error MethodNotImplemented (method: string)
error InvalidParameter (parameter: string)
error PermissionDenied ()
error ExpectedMore ()
"""
_TYPES: Final[dict[str, type]] = {"text": str, "number": int, "flag": bool, "object": dict}
_METHODS: Final[dict[str, dict[str, str]]] = {
    "Availability": {},
    "Check": {"request": "object!"},
    "Act": {"request": "object!", "consent": "flag", "interactive": "flag"},
    "Undo": {"change": "text", "task": "text", "interactive": "flag"},
    "History": {"limit": "number"},
    "Grant": {"grant": "object!", "interactive": "flag"},
    "Grants": {},
    "Revoke": {"id": "text!", "interactive": "flag"},
    "Policy": {},
    "Expire": {"change": "text!"},
}
"""The parameters of each method; those with an exclamation mark have to be there."""


class Actuator(ActuatorClient, Protocol):
    """Acts for one caller, in this process."""

    def understand(self, request: Mapping[str, Any]) -> ActionRequest:
        """The request in a message. JepaError (422) when it is none."""

    def expire(self, change: str) -> Change:
        """Take the change back if its time is over."""


class ActsFor(Protocol):
    """Makes what acts for a caller."""

    def __call__(self, caller: Caller, interactive: bool) -> Actuator:
        """``interactive``: the caller may be asked for a password."""


class ActuatorService:
    """What the actuator's socket serves: a ``jepa.actions.actuator.server.Service``."""

    def __init__(
        self,
        acts_for: ActsFor,
        caller_of: Callable[[socket.socket], Caller],
        close: Callable[[Caller], None],
    ) -> None:
        """``caller_of`` tells who is at the other end; ``close`` lets go of what that opened."""
        self._acts_for = acts_for
        self._caller_of = caller_of
        self._close = close

    def open(self, peer: socket.socket) -> "CallerSession":
        """The session of whoever is at the other end."""
        try:
            caller = self._caller_of(peer)
        except JepaError as error:
            raise to_varlink(error) from error
        return CallerSession(caller, self._acts_for, self._close)

    def answer(self, call: Call) -> Mapping[str, Any] | None:
        """Introspection, and calls of methods that there are not."""
        if call.interface == SERVICE:
            return _introspection(call)
        if call.interface != INTERFACE:
            raise VarlinkError(f"{SERVICE}.InterfaceNotFound", {"interface": call.interface[:80]})
        if call.name not in _METHODS:
            raise VarlinkError(f"{SERVICE}.MethodNotFound", {"method": call.name[:80]})
        _check(call.parameters, _METHODS[call.name])
        return None

    def kind(self, call: Call) -> Kind:
        """As in ``KINDS``; all others read."""
        return KINDS.get(call.name, "read")

    def busy(self) -> VarlinkError:
        """Too many calls are at work."""
        return to_varlink(
            JepaError(
                "The actuator has more to do than it takes on at a time.", "Try again later.", status=429
            )
        )


class CallerSession:
    """The calls of one connection."""

    def __init__(self, caller: Caller, acts_for: ActsFor, close: Callable[[Caller], None]) -> None:
        self._caller = caller
        self._acts_for = acts_for
        self._close = close

    def close(self) -> None:
        """Let go of the caller's process."""
        self._close(self._caller)

    def call(self, call: Call, send: Send) -> Mapping[str, Any]:
        """Answer a call whose parameters were checked."""
        given = {name: value for name, value in call.parameters.items() if value is not None}
        try:
            acts = self._acts_for(self._caller, given.pop("interactive", False))
            return self._reply(call.name, given, acts, send)
        except VarlinkError:
            raise
        except JepaError as error:
            raise to_varlink(error) from error
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            problem = JepaError(
                f"The actuator has a fault of its own: {type(error).__name__}.",
                "See `journalctl -u jepa-actuator`; `jepa history` shows what is in force.",
            )
            raise to_varlink(problem) from error

    def _reply(self, method: str, given: dict[str, Any], acts: Actuator, send: Send) -> dict[str, Any]:
        match method:
            case "Availability":
                return {"actions": [asdict(each) for each in acts.availability()]}
            case "Check":
                preview = acts.check(acts.understand(given["request"]))
                return {"preview": {**preview._asdict(), "verdict": preview.verdict._asdict()}}
            case "Act":
                request = acts.understand(given["request"])
                change = acts.act(
                    request, given.get("consent", False), lambda state: send({"change": state.as_dict()})
                )
                return {"change": change.as_dict()}
            case "Undo":
                undone = acts.undo(given.get("change", ""), given.get("task", ""))
                return {"changes": [each.as_dict() for each in undone]}
            case "History":
                limit = given.get("limit", 50)
                if not 1 <= limit <= HISTORY_MOST:
                    raise _invalid("limit")
                return {"changes": [each.as_dict() for each in acts.history(limit)]}
            case "Grant":
                return {"id": acts.grant(given["grant"])}
            case "Grants":
                return {"grants": list(acts.grants())}
            case "Revoke":
                acts.revoke(given["id"])
                return {}
            case "Policy":
                return {"policy": acts.policy()}
            case _:
                return {"change": acts.expire(given["change"]).as_dict()}


@cache
def description() -> str:
    """The definition of ``io.jepa.Actuator``."""
    return Path(__file__).with_name(f"{INTERFACE}.varlink").read_text()


def _introspection(call: Call) -> dict[str, Any]:
    if call.name == "GetInfo":
        return {
            "vendor": "JEPA OS",
            "product": "jepa-actuator",
            "version": __version__,
            "url": "https://github.com/jepa-os/jepa-os",
            "interfaces": [SERVICE, INTERFACE],
        }
    if call.name != "GetInterfaceDescription":
        raise VarlinkError(f"{SERVICE}.MethodNotFound", {"method": call.name[:80]})
    interface = call.parameters.get("interface")
    if interface == INTERFACE:
        return {"description": description()}
    if interface == SERVICE:
        return {"description": _SERVICE_IDL}
    if isinstance(interface, str):
        raise VarlinkError(f"{SERVICE}.InterfaceNotFound", {"interface": interface[:80]})
    raise _invalid("interface")


def _check(given: Mapping[str, Any], known: Mapping[str, str]) -> None:
    """Refuse parameters that are unknown, of a wrong type, or missing."""
    for name, value in given.items():
        if name not in known:
            raise _invalid(name)
        wanted = _TYPES[known[name].removesuffix("!")]
        if value is not None and (not isinstance(value, wanted) or (wanted is int and value is True)):
            raise _invalid(name)
    for name, kind in known.items():
        if kind.endswith("!") and given.get(name) is None:
            raise _invalid(name)


def _invalid(parameter: str) -> VarlinkError:
    return VarlinkError(f"{SERVICE}.InvalidParameter", {"parameter": parameter[:80]})
