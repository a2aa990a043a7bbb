# SPDX-License-Identifier: Apache-2.0
"""A task spec in one line of plain words: what was understood."""

from collections.abc import Mapping
from typing import Any, Final

from jepa.tasks.durations import in_words

_VERBS: Final = {
    "status": "tell how the machine is",
    "query": "show",
    "explain": "explain",
    "forecast": "forecast",
    "prioritize": "prioritize",
    "limit": "limit",
    "reclaim": "reclaim",
    "watch": "watch",
    "device": "device:",
    "power": "power:",
    "goal_capture": "remember the present state as",
    "goal_reach": "reach the goal",
    "undo": "undo the last change",
    "history": "show what was changed",
    "autonomy": "autonomy",
    "packs": "packs:",
    "help": "help",
}
_CONDITIONS: Final = {
    "on_battery": "while on battery",
    "on_ac": "while plugged in",
    "failed": "when it fails",
    "idle": "while idle",
}


def understood(spec: Mapping[str, Any]) -> str:
    """What ``spec`` says, such as "limit cpu of gcc to 40 %, for 30 min, without touching database"."""
    intent, operation = spec["intent"], spec["operation"]
    names = " and ".join(spec["targets"])
    if intent == "service" or (intent == "watch" and operation):
        parts = [f"{operation} {names}"]
    else:
        parts = [
            " ".join(filter(None, (_VERBS.get(intent, intent), operation, spec["resource"], spec["goal"])))
        ]
        if names:
            parts[0] += f" {'of ' if spec['resource'] and intent != 'prioritize' else ''}{names}"
    if spec["amount"]:
        parts[0] += f" {'to' if intent == 'limit' else 'by'} {_amount(spec['amount'])}"
    if spec["condition"]:
        parts.append(_condition(spec["condition"]))
    if spec["until"]:
        parts.append(f"for {in_words(spec['until'])}")
    if spec["protect"]:
        parts.append(f"without touching {' and '.join(spec['protect'])}")
    if spec["notify"]:
        parts.append("and tell you")
    return ", ".join(parts)


def is_it(spec: Mapping[str, Any]) -> str:
    """The question whether ``spec`` is what is wanted."""
    return f"Is this what is to be done: {understood(spec)}?"


def _amount(amount: Mapping[str, Any]) -> str:
    return f"{amount['value']:g} {amount['unit']}"


def _condition(condition: Mapping[str, Any]) -> str:
    kind = condition["kind"]
    if kind in ("above", "below"):
        what = condition.get("resource") or " and ".join(condition.get("targets", ())) or "it"
        return f"when {what} is {kind} {_amount(condition)}"
    if kind == "time":
        return (
            f"at {condition['at']}" if "at" in condition else f"after {condition.get('after', '')}".rstrip()
        )
    if "targets" in condition:
        verb = "fails" if kind == "failed" else "is plugged in"
        return f"when {' and '.join(condition['targets'])} {verb}"
    return _CONDITIONS.get(kind, f"when {kind}")
