# SPDX-License-Identifier: Apache-2.0
"""Messages of Varlink: JSON objects that end with a NUL byte (https://varlink.org/Method-Call).

The library there is costs the actuator its promise of 30 MiB: asyncvarlink 0.3.3 takes 10 MiB more than this
and 100 ms longer to import, most of it for asyncio.
"""

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, NoReturn

REQUEST_MOST: Final = 64 * 1024
"""Bytes of one call: twice what the longest grant takes."""
SERVICE: Final = "org.varlink.service"


class ProtocolError(ValueError):
    """What was sent is no Varlink: the connection is of no use any more."""


class VarlinkError(Exception):
    """An error reply."""

    def __init__(self, name: str, parameters: Mapping[str, Any]) -> None:
        super().__init__(name)
        self.name = name
        self.parameters = parameters


class Call(NamedTuple):
    """A method call."""

    method: str
    parameters: Mapping[str, Any] = {}
    more: bool = False
    """Whether the caller takes several replies."""
    oneway: bool = False
    """Whether the caller takes none."""

    @property
    def interface(self) -> str:
        """The part of the method's name before the last dot."""
        return self.method.rpartition(".")[0]

    @property
    def name(self) -> str:
        """The part of the method's name after the last dot."""
        return self.method.rpartition(".")[2]


class Splitter:
    """Cuts what arrives into messages."""

    def __init__(self, most: int = REQUEST_MOST) -> None:
        self._most = most
        self._buffer = bytearray()

    @property
    def pending(self) -> bool:
        """Whether a message has begun and not ended."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that are whole now. ProtocolError for one that is too long."""
        self._buffer += data
        *whole, rest = self._buffer.split(b"\0")
        if len(rest) > self._most or any(len(each) > self._most for each in whole):
            raise ProtocolError(f"a message of more than {self._most} bytes")
        self._buffer = rest
        return [bytes(each) for each in whole]


def parse(message: bytes) -> dict[str, Any]:
    """The object that ``message`` is. ProtocolError when it is none."""
    try:
        content = _DECODER.decode(message.decode())
    except (ValueError, RecursionError) as error:
        raise ProtocolError("no JSON") from error
    if not isinstance(content, dict):
        raise ProtocolError("no JSON object")
    return content


def parse_call(message: bytes) -> Call:
    """The call that ``message`` is. ProtocolError when it is none."""
    content = parse(message)
    method = content.get("method")
    parameters = content.get("parameters")
    parameters = {} if parameters is None else parameters
    flags = [content.get(name) or False for name in ("more", "oneway", "upgrade")]
    if not isinstance(method, str) or not isinstance(parameters, dict):
        raise ProtocolError("no method call")
    if not all(isinstance(flag, bool) for flag in flags) or flags[2]:
        raise ProtocolError("no method call of a kind that is answered here")
    return Call(method, parameters, more=flags[0], oneway=flags[1])


def call(method: str, parameters: Mapping[str, Any], more: bool = False) -> bytes:
    """The message that calls ``method``."""
    return _message({"method": method, "parameters": parameters, **({"more": True} if more else {})})


def reply(parameters: Mapping[str, Any], continues: bool = False) -> bytes:
    """The message that answers a call."""
    return _message({"parameters": parameters, **({"continues": True} if continues else {})})


def error_reply(error: VarlinkError) -> bytes:
    """The message that answers a call with ``error``."""
    return _message({"error": error.name, "parameters": error.parameters})


def _message(content: Mapping[str, Any]) -> bytes:
    """ValueError for numbers that are not finite: JSON has none."""
    return _ENCODER.encode(content).encode() + b"\0"


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


# json.loads and json.dumps would make one of these for each message.
_DECODER: Final = json.JSONDecoder(parse_constant=_no_number)
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
