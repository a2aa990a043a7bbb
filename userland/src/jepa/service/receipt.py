# SPDX-License-Identifier: Apache-2.0
"""What jepa did since a time: predictions and what came, changes and what they brought, the cost.

A summary of what the API gives already; nothing more is kept for it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from jepa.service.api import AlertKind, EventOut
from jepa.service.unit_costs import UnitCost

LONGEST_S: Final = 86_400
"""Seconds that it may cover: within a day at most one alert of a kind is false, so outcomes can be told."""
_ALERTS: Final = ("anomaly", "event_predicted")

Outcome = Literal["right", "false", "open", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """An alert that was raised."""

    ts_ns: int
    kind: str
    """As `jepa alerts list` has it."""
    detail: str
    outcome: Outcome
    """What it came to; open while its time is not over, unknown where that is no longer kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """What a task brought: the energy of its goal with its changes and without; low is wanted."""

    task: str
    intent: str
    targets: list[str]
    state: str
    energy_with: float | None
    energy_without: float | None
    windows: int
    """Hold-out windows, in which the changes were taken back."""
    saved: tuple[float, float] | None
    """The 90 % interval of what is saved; null before there were enough windows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """All of it."""

    since_ns: int
    """Wall-clock time, nanoseconds since the epoch; so is at_ns."""
    at_ns: int
    predicted: list[Prediction]
    """Oldest first."""
    changes: list[dict[str, Any]]
    """Those made since, newest first, each as ChangeOut."""
    brought: list[Brought]
    """The tasks that stand, and those that ended since."""
    in_force: list[dict[str, Any]]
    """What is changed now, newest first, each as ChangeOut; most often nothing."""
    cost: list[UnitCost]
    limits: list[str] = field(default_factory=list)
    """What could not be looked at, a sentence each."""


def since(midnight_ns: int, now_ns: int) -> int:
    """The time from which a receipt of the day can be made."""
    return max(midnight_ns, now_ns - LONGEST_S * 1_000_000_000)


def receipt(
    since_ns: int,
    at_ns: int,
    *,
    events: Sequence[EventOut],
    kinds: Sequence[AlertKind],
    changes: Sequence[dict[str, Any]],
    tasks: Sequence[Mapping[str, Any]],
    cost: Sequence[UnitCost],
    limits: Sequence[str] = (),
) -> Receipt:
    """``changes`` and ``tasks`` are rows of `/v1/history`, newest first, and `/v1/tasks`."""
    return Receipt(
        since_ns=since_ns,
        at_ns=at_ns,
        predicted=_predicted([each for each in events if each.ts_ns >= since_ns], kinds),
        changes=[each for each in changes if each["ts"] >= since_ns],
        brought=[
            _brought(each)
            for each in tasks
            if each["state"] == "active" or (each["ended"] is not None and each["ended"] >= since_ns)
        ],
        in_force=[each for each in changes if _in_force(each)],
        cost=list(cost),
        limits=list(limits),
    )


def in_one_line(found: Receipt) -> str:
    """What a person who logs in is told."""
    outcomes = Counter(each.outcome for each in found.predicted)
    if found.predicted:
        said = [f"{_many(len(found.predicted), 'alert')}, {outcomes['right']} came true"]
        if outcomes["false"]:
            said[0] += f", {outcomes['false']} did not"
    else:
        said = ["no alert"]
    said.append(_many(len(found.changes), "change") if found.changes else "nothing changed")
    if found.changes or found.in_force:
        said.append(f"{len(found.in_force) or 'none'} in force now")
    if cost := total(found.cost):
        said.append(cost)
    return f"jepa today: {'; '.join(said)}."


def total(cost: Sequence[UnitCost]) -> str:
    """What all units cost together, in words; empty where nothing is known."""
    if not cost:
        return ""
    cpu = sum(each.cpu_percent for each in cost)
    return f"it used {cpu:.1f} % of a core and {sum(each.memory_mib for each in cost):.0f} MiB"


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


def _predicted(events: Sequence[EventOut], kinds: Sequence[AlertKind]) -> list[Prediction]:
    known = {each.kind: each for each in kinds}
    found: list[Prediction] = []
    alerts = [each for each in events if each.kind in _ALERTS]
    left = {each.kind: each.right for each in kinds}
    for event in reversed(alerts):  # the newest outcomes are the ones that are counted last
        kind = event.kind if event.kind == "anomaly" else event.unit or ""
        outcome = _outcome(event.ts_ns, known.get(kind))
        if outcome == "right":
            left[kind] -= 1
            if left[kind] < 0:  # the count was begun anew since
                outcome = "unknown"
        found.append(Prediction(ts_ns=event.ts_ns, kind=kind, detail=event.detail or "", outcome=outcome))
    return found[::-1]


def _outcome(ts_ns: int, kind: AlertKind | None) -> Outcome:
    """After a false alarm none of its kind is raised for a day: what is neither that nor open was right."""
    if kind is None:
        return "unknown"
    if ts_ns == kind.open_ns:
        return "open"
    return "false" if ts_ns == kind.last_false_ns else "right"


def _in_force(change: Mapping[str, Any]) -> bool:
    """Whether there may be something to take back, as `jepa.actions.change.Change.in_force`."""
    return change["state"] == "applied" or (change["state"] == "committed" and bool(change["reversible"]))


def _brought(task: Mapping[str, Any]) -> Brought:
    benefit = task["benefit"]
    interval = benefit["interval"]
    return Brought(
        task=task["id"],
        intent=task["spec"]["intent"],
        targets=list(task["spec"].get("targets") or ()),
        state=task["state"],
        energy_with=benefit["with"],
        energy_without=benefit["without"],
        windows=benefit["windows"],
        saved=None if interval is None else (interval[0], interval[1]),
    )
