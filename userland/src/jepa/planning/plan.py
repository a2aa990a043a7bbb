# SPDX-License-Identifier: Apache-2.0
"""A plan: its steps, what they are imagined to do, a verdict, an expiry, and a hash over all of it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from jepa.actions.catalogue import Value
from jepa.errors import JepaError

if TYPE_CHECKING:
    from jepa.planning.energy import Energy
    from jepa.planning.learning import ForeseenEffect

VALID_S: Final = 60.0
"""How long a plan may be applied: what it rests on is a forecast of the coming minute."""
ID_DIGITS: Final = 12
"""Of the hash, which are the plan's id."""
Decision = Literal["allow", "ask", "deny"]
Interval = tuple[float, float, float]
"""The 5 %, 50 % and 95 % quantile, in the channel's unit."""


@dataclass(frozen=True, slots=True)
class Step:
    """One action."""

    n: int
    """From 1; steps are applied in this order."""
    action: str
    target: str
    old: Value
    new: Value
    inverse: str
    """The action that takes it back, with the old value."""
    tier: str
    reversible: bool

    def as_dict(self) -> dict[str, Any]:
        """As in the plan's JSON."""
        return {
            "n": self.n,
            "action": self.action,
            "target": self.target,
            "from": self.old,
            "to": self.new,
            "inverse": self.inverse,
            "tier": self.tier,
            "reversible": self.reversible,
        }


@dataclass(frozen=True, slots=True)
class Settable:
    """What plans for one spec may set on some units: what a grant for it has to name."""

    action: str
    targets: tuple[str, ...]
    values: tuple[Value, ...]
    """All that are ever tried."""

    def as_dict(self) -> dict[str, Any]:
        """As in the plan's JSON."""
        return {"action": self.action, "targets": list(self.targets), "values": list(self.values)}


@dataclass(frozen=True, slots=True)
class Window:
    """One channel over one coming window (t, t+h], with the plan's steps and without."""

    taken: Interval
    without: Interval

    def as_dict(self) -> dict[str, Interval]:
        """As in the plan's JSON."""
        return {"with": self.taken, "without": self.without}


@dataclass(frozen=True, slots=True)
class Gain:
    """What the steps come to as energy, their own costs included."""

    taken: float
    without: float
    gain: float
    """Energy saved, as expected."""
    lower: float
    """Energy saved at least in nine of ten moments, as far as is known; above 0 where a limit is set."""
    released: float | None = None
    """The energy, at most in nine of ten moments, were everything that is set there taken back; None where
    nothing is set, or it may not be taken back."""


@dataclass(frozen=True, slots=True)
class CourseVerdict:
    """What becomes of it."""

    decision: Decision
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What ``jepa plan`` shows."""

    boot_id: str
    made_ns: int
    expires_ns: int
    expires_s: float
    """CLOCK_BOOTTIME in seconds, which is what counts: the wall clock may be set."""
    pack: str
    spec: dict[str, Any]
    steps: tuple[Step, ...]
    horizon_s: int
    windows: dict[str, dict[int, Window]]
    """By channel and horizon."""
    energy: Gain
    verdict: CourseVerdict
    units: dict[str, str] = field(default_factory=dict)
    """Of the channels."""
    settable: tuple[Settable, ...] = ()
    goal: "Energy | None" = field(default=None, compare=False)
    """What is wanted, in the channels' own units: what was observed is judged by it. No part of the JSON."""
    foreseen: "tuple[ForeseenEffect, ...]" = field(default=(), compare=False)
    """What is imagined of its one change, to learn from it; empty where it has several. As the goal."""

    def as_dict(self) -> dict[str, Any]:
        """The plan as JSON has it; ``hash`` is the SHA-256 of everything but itself and ``id``."""
        content: dict[str, Any] = {
            "boot_id": self.boot_id,
            "made": self.made_ns,
            "expires": self.expires_ns,
            "expires_s": self.expires_s,
            "pack": self.pack,
            "spec": self.spec,
            "steps": [step.as_dict() for step in self.steps],
            "imagined": {
                "horizon_s": self.horizon_s,
                "channels": {
                    name: windows[self.horizon_s].as_dict() for name, windows in self.windows.items()
                },
                "windows": {
                    name: {str(horizon): window.as_dict() for horizon, window in windows.items()}
                    for name, windows in self.windows.items()
                },
                "unit": self.units,
                "energy": {
                    "with": self.energy.taken,
                    "without": self.energy.without,
                    "gain": self.energy.gain,
                    "gain_lower": self.energy.lower,
                    "released": self.energy.released,
                },
            },
            "settable": [each.as_dict() for each in self.settable],
            "verdict": {"decision": self.verdict.decision, "reasons": list(self.verdict.reasons)},
        }
        found = plan_hash(content)
        return {"id": found[:ID_DIGITS], "hash": found, **content}


def plan_hash(content: Mapping[str, Any]) -> str:
    """SHA-256, in hex, over the canonical JSON of a plan without ``id`` and ``hash``."""
    bare = {name: value for name, value in content.items() if name not in ("id", "hash")}
    text = json.dumps(bare, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def verify(plan: Mapping[str, Any], boot_id: str, now_s: float) -> None:
    """Refuse to apply a ``plan`` that is not what was made, here and in the last minute.

    ``now_s`` is CLOCK_BOOTTIME. JepaError (409) when it was altered, is of an earlier boot or has expired.
    """
    found, again = plan_hash(plan), "Make the plan anew."
    if plan.get("hash") != found or plan.get("id") != found[:ID_DIGITS]:
        raise JepaError("The plan was altered after it was made.", again, status=409)
    if plan["boot_id"] != boot_id:
        raise JepaError("The plan was made before this machine was last started.", again, status=409)
    late_s = now_s - float(plan["expires_s"])
    if late_s > 0:
        raise JepaError(f"The plan expired {late_s:.0f} s ago.", again, status=409)
