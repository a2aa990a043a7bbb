# SPDX-License-Identifier: Apache-2.0
"""The records that pass between the parts of the actuator: who asks, what is proposed, what was changed."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from jepa.actions.catalogue import ActionType, Tier, Value
from jepa.actions.messages import ActionRequest

if TYPE_CHECKING:
    from jepa.actions.family import Resource

DAEMONS: Final = ("jepad.service", "jepa-healing.service")
"""The units of ours that ask for changes by themselves, and may do only what a grant allows."""
TIME_OVER: Final = "its time was over"
"""The ``detail`` of a change that was taken back as agreed, not because of what it did."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as the kernel says and not as they say."""

    uid: int
    pid: int = 0
    unit: str = ""
    """The unit the process belongs to: a daemon is known by it, not by its name."""
    session: str = ""
    """The logind session, or the scope of the person."""
    pidfd: int | None = None
    """Refers to the process as long as the call lasts, whoever gets its PID later."""

    @property
    def autonomous(self) -> bool:
        """Whether no person stands behind the request: a daemon of ours may do only what a grant allows."""
        return self.unit in DAEMONS


@dataclass(frozen=True, slots=True)
class Proposal:
    """A request as it is understood: what would be changed, from what, to what."""

    action: ActionType
    resource: "Resource"
    old: Value
    new: Value
    request: ActionRequest
    caller: Caller


class State(StrEnum):
    """How far a change has come."""

    INTENDED = "intended"
    """Journalled, with the old value; perhaps applied."""
    APPLIED = "applied"
    """In force and being watched; taken back when the process that watches it dies."""
    COMMITTED = "committed"
    """In force until its time is over or it is undone."""
    REVERTED = "reverted"
    """Taken back by a timer, the assessor or after a crash."""
    UNDONE = "undone"
    """Taken back because somebody said so."""
    FAILED = "failed"
    """Never in force, or changed by somebody else before it was to be taken back: ``detail`` says which."""

    @property
    def in_force(self) -> bool:
        """Whether the machine may hold the new value."""
        return self in (State.INTENDED, State.APPLIED, State.COMMITTED)


def undone_by(uid: int) -> str:
    """The ``detail`` of a change that a user took back."""
    return f"undone by user {uid}"


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one setting, from intention to outcome; a row of ``jepa history``."""

    id: str
    """Twelve hex digits."""
    ts_ns: int
    """Wall clock, for people only."""
    boot_id: str
    uid: int
    action: str
    target: str
    """The canonical name of the resource."""
    setting: str
    identity: str
    old: Value
    new: Value
    tier: Tier
    state: State
    inverse: Value = None
    """What taking it back puts in force: ``old``, until a change that it was made upon is taken back."""
    ending: State | None = None
    """The state it is being brought to. Written before it is taken back, so that a crash does not forget
    it."""
    until_s: float | None = None
    """CLOCK_BOOTTIME in seconds at which it is taken back, unless it is committed, or kept longer, by
    then."""
    applied_s: float | None = None
    """CLOCK_BOOTTIME in seconds at which it was applied."""
    persistent: bool = False
    """Whether it outlives a reboot."""
    reversible: bool = True
    """Whether it can be taken back."""
    why: str = ""
    task: str = ""
    plan: str = ""
    request: str = ""
    """The id of the request."""
    unit: str = ""
    """The unit of the caller."""
    detail: str = ""
    """What came of it, in one sentence."""
    predicted: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    observed: dict[str, float] = field(default_factory=dict)

    @property
    def in_force(self) -> bool:
        """Whether there may be something to take back. What cannot be, is over once it is committed."""
        return self.state.in_force and (self.reversible or self.state is not State.COMMITTED)

    def as_dict(self) -> dict[str, Any]:
        """The row of ``jepa history --json``: ``old`` and ``new`` are called ``from`` and ``to`` there."""
        row = asdict(self)
        row["from"], row["to"] = row.pop("old"), row.pop("new")
        return row

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> "Change":
        """What ``as_dict`` wrote. KeyError, TypeError or ValueError when it is not that."""
        given = {**row, "old": row["from"], "new": row["to"]}
        del given["from"], given["to"]
        predicted = {name: (low, mid, high) for name, (low, mid, high) in row.get("predicted", {}).items()}
        ending = State(row["ending"]) if row.get("ending") else None
        return cls(
            **{
                **given,
                "tier": Tier(row["tier"]),
                "state": State(row["state"]),
                "ending": ending,
                "predicted": predicted,
            }
        )
