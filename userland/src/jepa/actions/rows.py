# SPDX-License-Identifier: Apache-2.0
"""What programs read of actions: a row of the history, and an action with what this machine lacks."""

import time
from typing import Any

from jepa.actions.catalogue import ActionType
from jepa.actions.change import Change, State
from jepa.actions.client import Availability
from jepa.actions.values import takes


def change_row(change: Change) -> dict[str, Any]:
    """One change, as ``jepa history --json`` and GET /v1/history give it; ``ts`` in ns since the epoch."""
    return {
        "id": change.id,
        "ts": change.ts_ns,
        "uid": change.uid,
        "unit": change.unit,
        "task": change.task,
        "plan": change.plan,
        "action": change.action,
        "target": change.target,
        "from": change.old,
        "to": change.new,
        "state": state(change),
        "why": change.why,
        "detail": change.detail,
        "tier": change.tier,
        "reversible": change.reversible,
        "persistent": change.persistent,
        "left_s": left_s(change),
        "predicted": change.predicted,
        "observed": change.observed,
    }


def state(change: Change) -> State:
    """As it is shown: what was intended may be in force, and is taken back if it is."""
    return State.APPLIED if change.state is State.INTENDED else change.state


def left_s(change: Change) -> float | None:
    """Seconds until it is taken back; None where it is not in force, or has no end."""
    if not change.in_force or change.until_s is None:
        return None
    return round(max(0.0, change.until_s - time.clock_gettime(time.CLOCK_BOOTTIME)), 1)


def action_row(action: ActionType, here: Availability | None) -> dict[str, Any]:
    """One action, as ``jepa actions --json`` and GET /v1/actions give it; ``here`` None: nobody knows."""
    return {
        "name": action.name,
        "summary": action.summary,
        "description": action.description.strip(),
        "example": action.example,
        "target": action.target,
        "type": action.type,
        "takes": takes(action),
        "unit": action.unit,
        "minimum": action.minimum,
        "maximum": action.maximum,
        "step": action.step,
        "choices": [*action.choices, *action.words],
        "tier": action.tier,
        "reversible": action.reversible,
        "inverse": action.inverse,
        "persistence": action.persistence,
        "rate_per_hour": action.rate_per_hour,
        "dwell_s": action.dwell_s,
        "excludes": list(action.excludes),
        "available": None if here is None else here.missing is None,
        "missing": here.missing if here else None,
        "holder": here.holder if here else "",
    }
