# SPDX-License-Identifier: Apache-2.0
"""What the reader says of all signals: one small file that it replaces every second.

A file, not a socket: whoever reads it can neither be held up nor sent more than fits, and needs no network.
It ages by the boot clock, so that a reader that died is known. Imports nothing that takes time.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, get_args

from jepa.durable import replace_file
from jepa.signals.signal import NAME, Signal, SignalReading, State

FILE: Final = Path("/run/jepa-signals/signals.json")
OLD_S: Final = 5.0
"""A file older than that is of a reader that no longer reads."""
_LARGEST: Final = 1 << 18
_STATES: Final = get_args(State)


@dataclass(frozen=True, slots=True)
class Published:
    """All signals as the reader saw them last."""

    readings: Mapping[str, SignalReading] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    fault: str = ""
    """Why nothing is known, in one sentence; empty when all is well."""

    def values(self) -> dict[str, float]:
        """Those that can be trusted."""
        found = self.readings.items()
        return {name: each.value for name, each in found if each.state == "ok" and each.value is not None}

    def why_not(self, name: str) -> str:
        """Why ``name`` has no value that can be trusted, in one clause; empty for what is no signal."""
        if self.fault:
            return self.fault if NAME.fullmatch(name) else ""
        reading = self.readings.get(name)
        return "" if reading is None else f"the signal is {reading.state}: {reading.reason}"


def listing(signals: Sequence[Signal], published: Published) -> list[tuple[Signal, SignalReading]]:
    """Each of the ``signals`` that a person has named, with what is known of it."""
    why = published.fault or "jepa-signals has not taken it up yet"
    unread = SignalReading("unreachable", None, why)
    return [
        (each, published.readings.get(each.name, unread) if _same(each, published) else unread)
        for each in signals
    ]


def _same(signal: Signal, published: Published) -> bool:
    return published.sources.get(signal.name) == signal.source


def publish(
    path: Path, sources: Mapping[str, str], readings: Mapping[str, SignalReading], now_s: float
) -> None:
    """Replace ``path``; ``now_s`` on the boot clock. Raises OSError."""
    rows = {
        name: {
            "source": sources[name],
            "state": each.state,
            "value": each.value,
            "reason": each.reason,
            "forecast": each.forecast,
        }
        for name, each in readings.items()
    }
    replace_file(path, json.dumps({"at_s": now_s, "signals": rows}))


def read_published(path: Path, now_s: float) -> Published:
    """What ``path`` says; it never raises, since to know nothing is an answer."""
    try:
        with path.open("rb") as file:
            content = json.loads(file.read(_LARGEST))
        age_s = now_s - float(content["at_s"])
        rows = {str(name): row for name, row in content["signals"].items()}
        readings = {name: _reading(row) for name, row in rows.items()}
        sources = {name: str(row["source"]) for name, row in rows.items()}
    except FileNotFoundError:
        return Published(fault="no signal is read here: jepa-signals is not running")
    except OSError as error:
        return Published(fault=f"signals cannot be read: {error.strerror}")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Published(fault="what jepa-signals says cannot be read")
    if not -OLD_S <= age_s <= OLD_S:
        return Published(fault=f"jepa-signals has read nothing for {abs(age_s):.0f} s")
    return Published(readings, sources)


def _reading(row: Mapping[str, Any]) -> SignalReading:
    value = row["value"]
    number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    if row["state"] not in _STATES:
        raise ValueError("unknown state")
    if number is not None and not math.isfinite(number):
        raise ValueError("no number")
    forecast = {
        int(horizon): {str(name): _interval(each) for name, each in window.items()}
        for horizon, window in row.get("forecast", {}).items()
    }
    return SignalReading(row["state"], number, str(row["reason"]), forecast)


def _interval(given: Sequence[Any]) -> tuple[float, float, float]:
    low, middle, high = map(float, given)
    if not all(map(math.isfinite, (low, middle, high))):
        raise ValueError("no numbers")
    return low, middle, high
