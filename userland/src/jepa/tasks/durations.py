# SPDX-License-Identifier: Apache-2.0
"""How long a task spec's ``until`` is: ISO 8601 durations of weeks, days and times, as seconds and words."""

import re
from typing import Final

from jepa.errors import JepaError

_PARTS: Final = re.compile(
    r"P(?:(?P<w>\d{1,6})W|(?=\d|T\d)(?:(?P<d>\d{1,6})D)?"
    r"(?:T(?=\d)(?:(?P<h>\d{1,6})H)?(?:(?P<m>\d{1,6})M)?(?:(?P<s>\d{1,6})S)?)?)",
    re.ASCII,
)
_UNITS_S: Final = {"w": 604_800, "d": 86_400, "h": 3600, "m": 60, "s": 1}
_WORDS: Final = {"w": "weeks", "d": "d", "h": "h", "m": "min", "s": "s"}


def seconds(text: str) -> float:
    """The seconds of an ISO 8601 duration such as PT30M. JepaError (422) for none, or one of no time."""
    found = _PARTS.fullmatch(text)
    total = sum(int(found[unit] or 0) * each for unit, each in _UNITS_S.items()) if found else 0
    if not total:
        raise JepaError(
            f"{text[:40]!r} is no span of time.", "Write it as in ISO 8601, such as PT30M.", status=422
        )
    return float(total)


def in_words(text: str) -> str:
    """An ISO 8601 duration as a person reads it, such as "1 h 30 min"; ``text`` itself where it is none."""
    found = _PARTS.fullmatch(text)
    parts = (f"{found[unit]} {word}" for unit, word in _WORDS.items() if found[unit]) if found else ()
    return " ".join(parts) or text
