# SPDX-License-Identifier: Apache-2.0
"""A signal, its name and its source, and what a reading of it says. Imports nothing that takes time."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from jepa.errors import JepaError

State = Literal["ok", "stale", "constant", "absurd", "unreachable"]
"""Only a signal that is ``ok`` is planned with or judged by."""
NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,47}", re.ASCII)
"""No dot is in it, and every channel has one: so none of them can be taken for the other."""
LONGEST_SOURCE: Final = 512


@dataclass(frozen=True, slots=True)
class Signal:
    """A name that a person gave to a source."""

    name: str
    source: str


@dataclass(frozen=True, slots=True)
class SignalReading:
    """The newest value of a signal, and whether it can be trusted."""

    state: State
    value: float | None = None
    """The last one that was read, whatever the state; None when there was none that is a number."""
    reason: str = ""
    """Why the state is not ok, in one clause."""
    forecast: Mapping[int, Mapping[str, tuple[float, float, float]]] = field(default_factory=dict)
    """By horizon in seconds, the 5 %, 50 % and 95 % quantile of the coming window's ``mean`` and ``p90``."""


class NoNews(Exception):
    """The source is there, but says nothing new; the argument says so in one clause."""


class Unreachable(Exception):
    """The source cannot be read; the argument says why in one clause."""


def check_name(name: str) -> str:
    """``name``; JepaError (422) when no signal can be called so."""
    if not NAME.fullmatch(name):
        raise JepaError(
            f"{name[:60]!r} cannot be the name of a signal.",
            "Take 1 to 48 lower-case letters, digits and underscores, a letter first, as in checkout_p99.",
            status=422,
        )
    return name
