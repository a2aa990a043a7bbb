# SPDX-License-Identifier: Apache-2.0
"""Formats changes of the machine for people: what takes one back, a row of the history, all about one."""

import time

from jepa.actions.catalogue import catalogue
from jepa.actions.change import Change, State
from jepa.actions.rows import left_s, state
from jepa.actions.values import shown as shown_value
from jepa.shell.durations import duration
from jepa.shell.output import Colour
from jepa.shell.previews import what

STATE_COLOURS: dict[State, Colour] = {
    State.APPLIED: "yellow",
    State.COMMITTED: "green",
    State.REVERTED: "yellow",
    State.UNDONE: "dim",
    State.FAILED: "red",
}


def taken_back(change: Change) -> str:
    """The same, of the way back."""
    kind = catalogue().get(change.action)
    if kind is None:  # of an earlier version
        return f"{change.action} {change.target}".rstrip()
    return what(kind, change.target, change.new, change.old)


def who(change: Change) -> str:
    """The person, or the daemon that acted by itself."""
    import pwd

    try:
        name = pwd.getpwuid(change.uid).pw_name
    except KeyError:
        name = str(change.uid)
    unit = change.unit.removesuffix(".service")
    return unit if change.unit.startswith("jepa") and unit != change.unit else name


def when(change: Change) -> str:
    """The time of day, with the date unless it is today's."""
    at = time.localtime(change.ts_ns / 1e9)
    today = at[:3] == time.localtime()[:3]
    return time.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M", at)


def table_row(change: Change) -> list[str]:
    """Cells under `HEAD`."""
    kind = catalogue().get(change.action)
    left = left_s(change)
    return [
        change.id,
        when(change),
        who(change),
        f"{change.action} {change.target}".rstrip(),
        shown_value(kind, change.old),
        shown_value(kind, change.new),
        state(change),
        "" if left is None else duration(left),
        change.why,
    ]


HEAD = ["id", "when", "who", "what", "from", "to", "state", "left", "why"]
"""Columns of the history."""


def description(change: Change) -> list[tuple[str, str]]:
    """Everything about one change, as names and values."""
    kind = catalogue().get(change.action)
    left = left_s(change)
    facts = [
        ("id", change.id),
        ("when", time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(change.ts_ns / 1e9))),
        ("who", f"{who(change)} (uid {change.uid})" + (f", {change.unit}" if change.unit else "")),
        ("why", change.why),
        ("action", change.action),
        ("target", change.target),
        ("from", shown_value(kind, change.old)),
        ("to", shown_value(kind, change.new)),
        ("state", state(change)),
        ("what came of it", change.detail),
        ("taken back in", "" if left is None else duration(left)),
        ("task", change.task),
        ("plan", change.plan),
    ]
    for name, (low, middle, high) in change.predicted.items():
        seen = change.observed.get(name)
        came = "" if seen is None else f", came {seen:g}"
        facts.append((name, f"predicted {middle:g} ({low:g}..{high:g}){came}"))
    facts += [
        (name, f"came {value:g}") for name, value in change.observed.items() if name not in change.predicted
    ]
    return [(name, str(value)) for name, value in facts if value]
