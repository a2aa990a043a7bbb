# SPDX-License-Identifier: Apache-2.0
"""A task spec from what a sentence said: its slots, its modifiers, and what follows from both."""

from typing import Any, Final

from jepa.language.reading import Modifier
from jepa.language.template import Capture
from jepa.language.tokens import Token

TIER: Final = "templates"
READS: Final = frozenset(("status", "query", "explain", "forecast", "history", "help", "none"))
"""Intents that change nothing."""
_OF_NOW: Final = ("time", "on_battery", "on_ac", "idle")
"""Conditions that a question cannot have."""
_FIELDS: Final = {
    "target": "targets",
    "known": "targets",
    "device": "targets",
    "store": "resource",
    "room": "resource",
    "part": "targets",
}
"""Slots that fill a field of another name."""


def empty(intent: str) -> dict[str, Any]:
    """A task spec that says nothing but its intent."""
    return {
        "intent": intent,
        "operation": None,
        "resource": None,
        "targets": [],
        "amount": None,
        "condition": None,
        "until": None,
        "protect": [],
        "notify": False,
        "goal": None,
        "confidence": None,
        "tier": TIER,
        "spans": None,
        "question": None,
    }


def fill(
    spec: dict[str, Any], spans: dict[str, list[list[int]]], capture: Capture, tokens: tuple[Token, ...]
) -> None:
    """Put what a slot was filled with into ``spec``."""
    name, value = capture.name, capture.value
    if name in ("beside", "clock", "duration", "degrees", "after", "words"):
        return
    if name == "goal" and spec["intent"] == "packs":
        name, value = "target", (value,)
    if name == "part":
        value = (value,)
    name = _FIELDS.get(name, name)
    if name == "targets":
        spec["targets"] += [each.lower() for each in value if each.lower() not in spec["targets"]]
    elif name == "resource" and spec["resource"] is not None:
        return
    else:
        spec[name] = value
    mark(spans, name, tokens[capture.start : capture.end])


def modify(spec: dict[str, Any], spans: dict[str, list[list[int]]], modifier: Modifier) -> None:
    """Put what a wish carries beside itself into ``spec``."""
    values = {capture.name: capture.value for capture in modifier.captures}
    mark(spans, modifier.kind, modifier.tokens)
    match modifier.kind:
        case "protect":
            for capture in modifier.captures:
                spec["protect"] += [
                    each.lower() for each in capture.value if each.lower() not in spec["protect"]
                ]
        case "until":
            spec["until"] = values.get("duration") or values["clock"]  # a time of day is a span in the end
        case "notify":
            spec["notify"] = True
        case "condition":
            condition: dict[str, Any] = {"kind": modifier.fields["kind"]}
            if "amount" in values:
                condition |= values["amount"]
            if "degrees" in values:
                condition |= {"value": values["degrees"], "unit": "°C", "resource": "temperature"}
            if "resource" in values:
                condition["resource"] = values["resource"]
            for name in ("target", "device"):
                if name in values:
                    condition["targets"] = [each.lower() for each in values[name]]
            if "clock" in values:
                condition["at"] = values["clock"]
            if "after" in values:
                condition["after"] = values["after"]
            spec["condition"] = condition


def mark(spans: dict[str, list[list[int]]], name: str, tokens: tuple[Token, ...]) -> None:
    """Note that ``tokens`` gave the field ``name``."""
    if tokens:
        spans.setdefault(name, []).append([tokens[0].start, tokens[-1].end])


def infer(spec: dict[str, Any]) -> None:
    """What follows from the rest: a condition's subject, a resource, who is restarted when it fails."""
    condition, amount = spec["condition"], spec["amount"]
    if spec["intent"] in READS:
        spec["notify"], spec["until"] = False, None
        if condition is not None and condition["kind"] in _OF_NOW:  # what is asked is told now
            spec["condition"] = condition = None
    if condition is not None:
        subject = condition.get("targets", [])
        if spec["intent"] == "watch":
            spec["targets"] = spec["targets"] or subject
            spec["resource"] = spec["resource"] or condition.get("resource")
        restart = (spec["intent"], spec["operation"]) == ("service", "restart")
        if restart and condition["kind"] == "failed" and subject in ([], spec["targets"]):
            spec["intent"] = "watch"
        if subject == spec["targets"]:
            condition.pop("targets", None)
    if amount is not None and spec["intent"] in ("limit", "prioritize") and spec["resource"] is None:
        spec["resource"] = {"cores": "cpu", "MiB": "memory", "GiB": "memory", "MiB/s": "io"}.get(
            amount["unit"]
        )
    if amount is not None and amount["unit"] == "MiB/s" and spec["resource"] == "disk":
        spec["resource"] = "io"
    if (
        spec["intent"] in ("limit", "prioritize")
        and spec["resource"] == "disk"
        and (amount is None or amount["unit"] == "MiB/s")
    ):
        spec["resource"] = "io"
