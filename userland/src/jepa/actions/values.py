# SPDX-License-Identifier: Apache-2.0
"""Values as people write them, and back: ``40%``, ``512M``, ``vda:10M``, ``max``."""

import math
import re
from typing import Final

from jepa.actions.catalogue import ActionType, Value, ValueType
from jepa.errors import JepaError

_SUFFIX: Final = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
_NUMBER: Final = r"[+-]?[0-9]{1,18}(\.[0-9]{1,6})?"
_BYTES: Final = r"([0-9]{1,19}(?:\.[0-9]{1,6})?)([KMGT]?)(?:i?B)?(?:/s)?"
_DEVICE: Final = r"(?:/dev/)?([A-Za-z0-9_!-]{1,32}):(.+)"
_TEXT_MOST = 256
_USUAL: Final = {"cpu.weight": 100, "io.weight": 100}
"""What the kernel has where nothing is set (cgroup-v2): there "default" is the same."""


def parse(action: ActionType, written: Value, memory_bytes: int = 0) -> Value:
    """``written`` as the value of ``action``, within its range and on its step.

    Percentages of memory are of ``memory_bytes``. JepaError (422) says what the action takes instead.
    """
    if not action.takes_value:
        if written not in (None, ""):
            raise _refuse(action, f"{action.name} takes no value")
        return action.constant
    text = str(written).strip() if written is not None else ""
    if isinstance(written, bool) or not text:
        raise _refuse(action, f"{action.name} needs a value")
    if text in action.words:
        return text
    match action.type:
        case ValueType.INTEGER | ValueType.NUMBER:
            return _within(action, _number(action, text))
        case ValueType.PERCENT:
            return _within(action, _number(action, text.removesuffix("%")))
        case ValueType.BYTES:
            return int(_within(action, _bytes(action, text, memory_bytes)))
        case ValueType.RATE:
            device, rate = found.groups() if (found := re.fullmatch(_DEVICE, text)) else ("", text)
            amount = rate if rate in action.words else int(_within(action, _bytes(action, rate, 0)))
            return f"{device}:{amount}" if device else amount
        case ValueType.CHOICE:
            if text not in action.choices:
                raise _refuse(action, f"{text[:80]!r} is none of the choices")
            return text
        case _:
            if len(text) > _TEXT_MOST or not text.isprintable():
                raise _refuse(action, f"the value is longer than {_TEXT_MOST} characters or not printable")
            return text


def same(setting: str, one: Value, other: Value) -> bool:
    """Whether two values of ``setting`` come to the same in the kernel."""
    usual = _USUAL.get(setting, "default")
    return one == other or {one, other} == {usual, "default"}


def takes(action: ActionType) -> str:
    """What ``action`` takes, in words: ``0..200``, ``1%..800% or max``, ``one of: a, b``."""
    words = list(action.words)
    if action.type is ValueType.CHOICE:
        return f"one of {', '.join([*action.choices, *words])}"
    if action.type is ValueType.NONE:
        return "nothing"
    if action.minimum is None or action.maximum is None:
        span = {"bytes": "bytes, such as 512M or 10%", "rate": "bytes a second, such as 10M or vda:10M"}.get(
            action.type, "text"
        )
    else:
        sign = "%" if action.type is ValueType.PERCENT else f" {action.unit}" if action.unit else ""
        ends = [_end(action, end) for end in (action.minimum, action.maximum)]
        span = f"{ends[0]}..{ends[1]}{sign}"
    return " or ".join([span, *words])


def _end(action: ActionType, number: float) -> str:
    if action.type in (ValueType.BYTES, ValueType.RATE):
        return _size(int(number)) + ("/s" if action.type is ValueType.RATE else "")
    return f"{number:.15g}"


def shown(action: ActionType | None, value: Value) -> str:
    """``value`` as a person writes it."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if action is not None and isinstance(value, int | float):
        if action.type is ValueType.PERCENT:
            return f"{value:g}%"
        if action.type in (ValueType.BYTES, ValueType.RATE):
            return _size(int(value)) + ("/s" if action.type is ValueType.RATE else "")
    return f"{value:g}" if isinstance(value, float) else str(value)


def _size(count: int) -> str:
    for suffix in ("T", "G", "M", "K"):
        tenths, rest = divmod(count * 10, _SUFFIX[suffix])
        if tenths >= 10 and not rest:
            return f"{tenths // 10}{f'.{tenths % 10}' if tenths % 10 else ''}{suffix}"
    return f"{count}"


def _number(action: ActionType, text: str) -> float:
    if not re.fullmatch(_NUMBER, text):
        raise _refuse(action, f"{text[:80]!r} is no number")
    number = float(text)
    if action.type is not ValueType.NUMBER and number != int(number) and action.step is None:
        raise _refuse(action, f"{text} is no whole number")
    return number


def _bytes(action: ActionType, text: str, memory_bytes: int) -> int:
    if memory_bytes and text.endswith("%"):
        share = _number_of_percent(text)
        if share is None or not 0 <= share <= 100:
            raise _refuse(action, f"{text[:80]!r} is no part of the memory")
        return int(share / 100 * memory_bytes) // 4096 * 4096
    found = re.fullmatch(_BYTES, text)
    if not found:
        raise _refuse(action, f"{text[:80]!r} is no number of bytes")
    from decimal import Decimal  # only where bytes are read: showing values does not need it

    return int(Decimal(found[1]) * _SUFFIX[found[2]])


def _number_of_percent(text: str) -> float | None:
    return float(text[:-1]) if re.fullmatch(_NUMBER, text[:-1]) else None


def _within(action: ActionType, number: float) -> float:
    low = -math.inf if action.minimum is None else action.minimum
    high = math.inf if action.maximum is None else action.maximum
    if not low <= number <= high:
        raise _refuse(action, f"{number:.15g} is out of range")
    if action.step:
        number = low + round((number - low) / action.step) * action.step if low > -math.inf else number
    return int(number) if number == int(number) else number


def _refuse(action: ActionType, problem: str) -> JepaError:
    return JepaError(
        f"{problem[0].upper()}{problem[1:]}.",
        f"{action.name} takes {takes(action)}, for instance `{action.example}`.",
        status=422,
    )
