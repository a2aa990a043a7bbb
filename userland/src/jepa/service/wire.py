# SPDX-License-Identifier: Apache-2.0
"""Messages to JSON and back; the dataclasses of `jepa.service.api` are what is read and written."""

import json
from functools import cache
from typing import Any, TypeVar, cast

import msgspec

Message = TypeVar("Message")


def encode(message: object) -> str:
    """``message`` (dataclasses, lists, dicts, plain values) as a line of JSON; NaN is null.

    A name that is no UTF-8, which Python holds in lone surrogates, is escaped.
    """
    try:
        return msgspec.json.encode(message, enc_hook=_plain).decode()
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(message, enc_hook=_plain), separators=(",", ":"))


def decode(kind: type[Message], text: str | bytes) -> Message:
    """The message of type ``kind`` in ``text``.

    Fields that ``kind`` does not have are passed over, so that an older client reads a newer daemon.
    ValueError names the field that is missing or of the wrong type.
    """
    try:
        return cast(Message, _decoder(cast(Any, kind)).decode(text))
    except msgspec.DecodeError as error:
        raise ValueError(f"{getattr(kind, '__name__', kind)}: {error}") from None


@cache
def _decoder(kind: Any) -> "msgspec.json.Decoder[object]":
    return msgspec.json.Decoder(kind)


def _plain(value: object) -> object:
    if isinstance(value, float):  # of NumPy
        return float(value)
    raise TypeError(f"{type(value).__name__} is no message")
