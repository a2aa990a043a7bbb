# SPDX-License-Identifier: Apache-2.0
"""`jepa today`: what was predicted and came, what was done and brought, what stands, what jepa cost."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from jepa.actions.catalogue import catalogue
from jepa.actions.client import HISTORY_MOST
from jepa.actions.rows import change_row
from jepa.actions.values import shown
from jepa.errors import JepaError
from jepa.service.events import KEPT
from jepa.service.receipt import Brought, Outcome, Prediction, Receipt, receipt, since, total
from jepa.service.unit_costs import UnitCost, unit_costs
from jepa.shell.durations import duration
from jepa.shell.output import Colour, Output
from jepa.shell.request import Request
from jepa.telemetry.clocks import boot_s

MOST: Final = 10
"""Alerts and changes that are shown to a person, the newest."""
_OUTCOMES: "Final[dict[Outcome, tuple[str, Colour]]]" = {
    "right": ("came true", "green"),
    "false": ("did not come", "red"),
    "open": ("not known yet", "yellow"),
    "unknown": ("no longer known", "dim"),
}


def run(request: Request) -> int:
    """Show the day so far."""
    now_ns = time.time_ns()
    today = time.localtime(now_ns / 1e9)
    midnight = time.mktime((*today[:3], 0, 0, 0, 0, 0, -1))
    found = _collect(request, since(int(midnight) * 1_000_000_000, now_ns), now_ns)
    if request.out.json:
        request.out.data(found)
    else:
        show(request.out, found)
    return 0


def _collect(request: Request, since_ns: int, now_ns: int) -> Receipt:
    client = request.client
    limits: list[str] = []
    events = client.events(since_ns=since_ns, limit=KEPT)
    if len(events) == KEPT:
        limits.append(f"Only the newest {KEPT} events are kept: there may have been more alerts.")
    changes: list[dict[str, Any]] = []
    try:
        changes = [change_row(each) for each in request.actuator.history(HISTORY_MOST)]
    except JepaError as error:
        limits.append(f"What was changed is not known: {error.problem}")
    if len(changes) == HISTORY_MOST and changes[-1]["ts"] >= since_ns:
        limits.append(f"Only the newest {HISTORY_MOST} changes were looked at.")
    tasks: list[dict[str, Any]] = []
    try:
        tasks = client.tasks()
    except JepaError as error:
        limits.append(f"Tasks are not known: {error.problem}")
    cost = unit_costs(Path("/"), boot_s())
    if not cost:
        limits.append(
            "What jepa cost is not known: no unit of it runs, or control groups are not of version 2."
        )
    return receipt(
        since_ns,
        now_ns,
        events=events,
        kinds=client.alerts(),
        changes=changes,
        tasks=tasks,
        cost=cost,
        limits=limits,
    )


def show(out: Output, found: Receipt) -> None:
    """The receipt, for a person."""
    out.line(time.strftime("%A, %Y-%m-%d, since %H:%M", time.localtime(found.since_ns / 1e9)))
    _section(out, "predicted", _of_alerts(found.predicted), [_alert(out, each) for each in found.predicted])
    _section(out, "done", _of_changes(found.changes), [_change(each) for each in found.changes[::-1]])
    if found.brought:
        _section(out, "brought", "", [_benefit(each) for each in found.brought])
    standing = [f"{_change(each)}{_left(each)}" for each in found.in_force]
    _section(out, "stands", "" if standing else "nothing is changed now", standing)
    if found.cost:
        _section(out, "cost", total(found.cost), list(_costs(found.cost)))
    for limit in found.limits:
        out.line(limit)


def _section(out: Output, name: str, summary: str, lines: Sequence[str]) -> None:
    out.line(f"{name:<10}{summary}".rstrip())
    if len(lines) > MOST:
        out.line(f"  {len(lines) - MOST} earlier ones")
    for line in lines[-MOST:]:
        out.line(f"  {line}")


def _of_alerts(predicted: Sequence[Prediction]) -> str:
    if not predicted:
        return "no alert"
    count = Counter(each.outcome for each in predicted)
    said = ", ".join(f"{count[each]} {word}" for each, (word, _) in _OUTCOMES.items() if count[each])
    return f"{len(predicted)} alert{'s' * (len(predicted) != 1)}: {said}"


def _alert(out: Output, alert: Prediction) -> str:
    word, colour = _OUTCOMES[alert.outcome]
    kind = "unusual: " if alert.kind == "anomaly" else ""
    return f"{_clock(alert.ts_ns)}  {kind}{alert.detail}  {out.coloured(word, colour)}"


def _of_changes(changes: Sequence[dict[str, Any]]) -> str:
    if not changes:
        return "nothing was changed"
    count = Counter(each["state"] for each in changes)
    states = ", ".join(f"{number} {state}" for state, number in sorted(count.items()))
    return f"{len(changes)} change{'s' * (len(changes) != 1)}: {states}"


def _change(change: dict[str, Any]) -> str:
    kind = catalogue().get(change["action"])
    old, new = shown(kind, change["from"]), shown(kind, change["to"])
    task = f"  for task {change['task']}" if change["task"] else ""
    what = f"{change['action']} {change['target']}".rstrip()
    return f"{_clock(change['ts'])}  {change['id']}  {what}: {old} -> {new}  {change['state']}{task}"


def _left(change: dict[str, Any]) -> str:
    return "" if change["left_s"] is None else f", for {duration(change['left_s'])}"


def _benefit(brought: Brought) -> str:
    what = f"task {brought.task}, {brought.intent} {' '.join(brought.targets)}".rstrip()
    if brought.energy_with is None or brought.energy_without is None:
        return f"{what}: not measured yet"
    means = f"energy {brought.energy_with:.3f} with, {brought.energy_without:.3f} without"
    saved = "too few hold-outs for an interval"
    if brought.saved is not None:
        saved = f"saves {brought.saved[0]:.3f} .. {brought.saved[1]:.3f} (90 %)"
    return f"{what}: {means}, {saved}, {brought.windows} hold-outs"


def _costs(cost: Sequence[UnitCost]) -> Iterator[str]:
    width = max(len(each.unit) for each in cost)
    for each in cost:
        woke = "" if each.wakeups_per_s is None else f", {each.wakeups_per_s:.1f} wake-ups a second"
        yield (
            f"{each.unit:<{width}}  {each.cpu_percent:.2f} % of a core, {each.memory_mib:.0f} MiB{woke}, "
            f"over {duration(each.since_s)}"
        )


def _clock(ns: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(ns / 1e9))
