# SPDX-License-Identifier: Apache-2.0
"""The panel of what stands changed: tasks with the time they have left, predicted beside observed."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from jepa.actions.catalogue import catalogue
from jepa.actions.values import shown as shown_value
from jepa.language.saying import understood
from jepa.shell.channel_names import label
from jepa.shell.durations import duration
from jepa.shell.formatting import quantity
from jepa.shell.tui.model.line import Line, Role, Span, apart, cut, line

Change = Mapping[str, Any]
"""As JSON has a ChangeOut."""
MOST_SEEN: Final = 2
"""Channels of a change that are compared."""
STANDING: Final = ("applied", "committed")


def panel(
    tasks: Sequence[Mapping[str, Any]],
    changes: Sequence[Change],
    units: Mapping[str, str],
    now_ns: int,
    width: int,
    rows: int,
    unicode: bool = True,
) -> list[Line]:
    """What stands, in ``rows`` lines: tasks first, then changes that somebody made by hand."""
    alone = [change for change in changes if _stands(change) and not change["task"]]
    active = [task for task in tasks if task["state"] == "active"]
    if not active and not alone:
        last = next(iter(changes), None)
        quiet = [apart(line(Span("CHANGED NOW  ", "muted"), "nothing"), (), width)]
        if last is not None and rows > 1:
            said = f"last: {_what(last['action'], last['target'])} {_to(last, unicode)}, {last['state']}"
            quiet.append(cut(line(Span(said, "muted")), width))
        return quiet[:rows]
    made = [
        apart(
            line(Span("CHANGED NOW", "muted")),
            line(Span("F8", "key"), Span(" take back", "muted")),
            width,
        )
    ]
    for task in active:
        made += _task(task, changes, units, now_ns, width, unicode)
    for change in alone:
        made += _change(change, units, width, unicode, indent="")
    return made[:rows]


def newest(tasks: Sequence[Mapping[str, Any]], changes: Sequence[Change]) -> str:
    """The line that takes back what was done last; empty where nothing stands."""
    active = [task for task in tasks if task["state"] == "active"]
    alone = [change for change in changes if _stands(change) and not change["task"]]
    last_task = max(active, key=lambda task: int(task["since"]), default=None)
    last = max(alone, key=lambda change: change["ts"], default=None)
    if last is not None and (last_task is None or last["ts"] > last_task["since"]):
        return f"undo {last['id']}"
    return "" if last_task is None else f"tasks end {last_task['id']}"


def _task(
    task: Mapping[str, Any],
    changes: Sequence[Change],
    units: Mapping[str, str],
    now_ns: int,
    width: int,
    unicode: bool,
) -> Iterator[Line]:
    left = "until ended" if task["until"] is None else f"{_left((task['until'] - now_ns) / 1e9)} left"
    state = "hold-out" if task["hold_out"] else left
    yield apart(line(Span(_said(task["spec"]), "strong")), line(Span(state, "accent")), width)
    benefit = task["benefit"]
    if benefit["windows"] and benefit["interval"] is not None:
        low, high = benefit["interval"]
        role: Role = "good" if low > 0 else "text"
        yield cut(line(Span("  saves ", "muted"), Span(f"{low:.3f} .. {high:.3f}", role)), width)
    held = [change for change in changes if change["task"] == task["id"] and _stands(change)]
    for change in held:
        yield from _change(change, units, width, unicode, indent="  ")
    if not held:
        for each in task["in_force"]:
            yield cut(line(Span(f"  {_what(each['action'], each['target'])}", "text")), width)


def _change(
    change: Change, units: Mapping[str, str], width: int, unicode: bool, indent: str
) -> Iterator[Line]:
    what = line(
        f"{indent}{_what(change['action'], change['target'])} ", Span(_to(change, unicode), "strong")
    )
    left = () if change["left_s"] is None else line(Span(f"{_left(change['left_s'])} left", "accent"))
    yield apart(what, left, width)
    for name in list(change["predicted"])[:MOST_SEEN]:
        low, middle, high = change["predicted"][name]
        unit, came = units.get(name, ""), change["observed"].get(name)
        said = f"predicted {quantity(middle, unit)} ({quantity(low, unit)}..{quantity(high, unit)})"
        head = f"{indent}  {label(name)}: "
        if came is None:
            yield cut(line(Span(f"{head}{said}", "muted")), width)
        else:
            role: Role = "good" if low <= came <= high else "warn"
            observed = Span(quantity(came, unit), role)
            yield cut(line(Span(f"{head}came ", "muted"), observed, Span(f", {said}", "muted")), width)


def _stands(change: Change) -> bool:
    return change["state"] in STANDING and change["left_s"] != 0


def _said(spec: Mapping[str, Any]) -> str:
    try:
        return understood({**_EMPTY, **spec})
    except (KeyError, TypeError):
        return str(spec.get("intent", "task"))


_EMPTY: Final[Mapping[str, Any]] = {
    "operation": None,
    "resource": None,
    "targets": (),
    "amount": None,
    "condition": None,
    "until": None,
    "protect": (),
    "notify": False,
    "goal": None,
}


def _what(action: str, target: str) -> str:
    return f"{action} {target.removesuffix('.service')}".rstrip()


def _to(change: Change, unicode: bool) -> str:
    kind = catalogue().get(change["action"])
    arrow = "→" if unicode else "->"
    return f"{shown_value(kind, change['from'])} {arrow} {shown_value(kind, change['to'])}"


def _left(seconds: float) -> str:
    """How long from now, in one unit, so that the line changes seldom."""
    seconds = max(seconds, 0.0)
    return (
        duration(seconds)
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else (f"{seconds / 3600:.0f} h")
    )
