# SPDX-License-Identifier: Apache-2.0
"""Messages to JSON and back, with nothing but the standard library."""

import json
import types
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

Message = TypeVar("Message")


def encode(message: object) -> str:
    """``message`` (dataclasses, lists, dicts, plain values) as a line of JSON; ValueError for NaN."""
    return json.dumps(message, default=_as_dict, allow_nan=False, separators=(",", ":"), ensure_ascii=False)


def decode(kind: type[Message], text: str | bytes) -> Message:
    """The message of type ``kind`` in ``text``.

    Fields that ``kind`` does not have are passed over, so that an older client reads a newer daemon.
    ValueError names the field that is missing or of the wrong type.
    """
    return cast(Message, _value(kind, json.loads(text), getattr(kind, "__name__", str(kind))))


def _as_dict(value: object) -> dict[str, Any]:
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    raise TypeError(f"{type(value).__name__} is no message")


@cache
def _shape(kind: type) -> tuple[tuple[str, Any, bool], ...]:
    hints = get_type_hints(kind)
    return tuple(
        (field.name, hints[field.name], field.default is MISSING) for field in fields(cast(Any, kind))
    )


def _value(kind: Any, value: Any, where: str) -> Any:
    origin = get_origin(kind)
    if is_dataclass(kind):
        return _message(cast(type, kind), value, where)
    if origin is Literal:
        if value in get_args(kind):
            return value
    elif origin is types.UnionType:
        if value is None and types.NoneType in get_args(kind):
            return None
        (option,) = (each for each in get_args(kind) if each is not types.NoneType)
        return _value(option, value, where)
    elif origin is list:
        if isinstance(value, list):
            (item,) = get_args(kind)
            return [_value(item, each, where) for each in value]
    elif origin is tuple:
        items = get_args(kind)
        if isinstance(value, list) and len(value) == len(items):
            return tuple(_value(item, each, where) for item, each in zip(items, value, strict=True))
    elif origin is dict:
        if isinstance(value, dict):
            item = get_args(kind)[1]
            return {name: _value(item, each, where) for name, each in value.items()}
    elif kind is float:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
    elif type(value) is kind:
        return value
    raise ValueError(f"{where} is {value!r:.80}, not {kind}")


def _message(kind: type, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise ValueError(f"{where} is {value!r:.80}, not an object")
    given = {}
    for name, hint, required in _shape(kind):
        if name in value:
            given[name] = _value(hint, value[name], f"{where}.{name}")
        elif required:
            raise ValueError(f"{where}.{name} is missing")
    return kind(**given)
