# SPDX-License-Identifier: Apache-2.0
"""A task: an accepted task spec that stands until its end, and what came of it so far."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Final

from jepa.tasks.benefit import Benefit, benefit
from jepa.tasks.intents import ASKED

NOTES: Final = 20
"""Sentences that are kept of each task, the newest."""
WINDOWS: Final = 40
"""Windows with and without, each, of which the energy is kept: older ones say less of this machine."""


Outcomes = Mapping[str, tuple[float, float]]
"""By channel, in its own unit: what was observed with a plan in force, and what was forecast without it."""


GOAL_PREFIX: Final = "goal-"
"""With which the ids of tasks for standing goals begin; then come the goal's name and four digits."""


def goal_of(task_id: str) -> str | None:
    """The standing goal that a task is for, by its id; None for any other task."""
    name = task_id.removeprefix(GOAL_PREFIX).rpartition("-")[0]
    return name if task_id.startswith(GOAL_PREFIX) and name else None


class TaskState(StrEnum):
    """How far a task has come."""

    ACTIVE = "active"
    """It stands."""
    ENDED = "ended"
    """It stood for a while."""
    REFUSED = "refused"
    """It ended since no plan could be made for it, or none of its steps was allowed."""


@dataclass(frozen=True, slots=True)
class Task:
    """One task. Times are wall clock, in nanoseconds: they are kept over a reboot."""

    id: str
    spec: Mapping[str, Any]
    """As it was accepted; see the reference of task specs."""
    grant: str
    """The id of the grant, which the actuator keeps."""
    uid: int
    """Who gave it."""
    since_ns: int
    until_ns: int | None = None
    """None: until somebody ends it."""
    state: TaskState = TaskState.ACTIVE
    ended_ns: int | None = None
    why: str = ""
    """Why it has ended, in one sentence."""
    plans: int = 0
    """Plans that were made for it."""
    changes: int = 0
    """Changes that were made for it."""
    taken: tuple[float, ...] = ()
    """The energy of each window in which its changes were in force."""
    without: tuple[float, ...] = ()
    """The energy of each hold-out window, in which they were not."""
    left: tuple[tuple[str, str], ...] = ()
    """Settings with their targets that somebody else set meanwhile: they are left alone from then on."""
    notes: tuple[str, ...] = ()
    """What happened to it, the newest last."""

    @property
    def active(self) -> bool:
        """Whether it stands."""
        return self.state is TaskState.ACTIVE

    @property
    def benefit(self) -> Benefit:
        """The energy with and without its changes, as far as it was seen."""
        return benefit(self.taken, self.without)

    @property
    def holds_out(self) -> bool:
        """Whether its benefit is measured: what a person named holds whatever it brings."""
        intent = self.spec["intent"]
        return intent not in ASKED and not (intent == "limit" and self.spec.get("amount") is not None)

    def noted(self, text: str) -> "Task":
        """With one sentence more; what was just said is not said again."""
        if self.notes[-1:] == (text,):
            return self
        return replace(self, notes=(*self.notes, text)[-NOTES:])

    def with_window(self, energy: float, *, without: bool) -> "Task":
        """With the energy of one window more."""
        if without:
            return replace(self, without=(*self.without, energy)[-WINDOWS:])
        return replace(self, taken=(*self.taken, energy)[-WINDOWS:])

    def ended(self, why: str, now_ns: int, *, refused: bool = False) -> "Task":
        """At its end; ``refused`` where it was never allowed or able to do anything."""
        state = TaskState.REFUSED if refused else TaskState.ENDED
        return replace(self, state=state, why=why, ended_ns=now_ns)

    def as_row(self) -> dict[str, Any]:
        """What is kept of it."""
        return asdict(self)

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Task":
        """What ``as_row`` gave, also of JSON. KeyError, TypeError or ValueError when it is not that."""
        return cls(
            **{
                **row,
                "state": TaskState(row["state"]),
                "spec": {"intent": row["spec"]["intent"], **row["spec"]},
                "taken": tuple(map(float, row["taken"])),
                "without": tuple(map(float, row["without"])),
                "left": tuple((str(setting), str(target)) for setting, target in row["left"]),
                "notes": tuple(map(str, row["notes"])),
            }
        )
