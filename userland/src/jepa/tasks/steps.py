# SPDX-License-Identifier: Apache-2.0
"""Carries out the steps of a plan in their order, and takes back those before one that fails.

Who sends them, a person's client or jepad within a grant, makes no difference: every step is one request
to the actuator, which refuses it where the machine is not as the plan found it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from jepa.actions.catalogue import action_type
from jepa.actions.change import Change, State
from jepa.actions.messages import ActionRequest
from jepa.errors import JepaError

STEP_WATCH_S: Final = 3.0
"""How long a step that is not the last is watched: it shows by itself only that it does no harm."""


class StepHands(Protocol):
    """What carrying out needs of the actuator's client."""

    def act(self, request: ActionRequest, consent: bool) -> Change:
        """Make one change. JepaError when it is refused or fails."""

    def undo(self, change: str = "") -> Sequence[Change]:
        """Take one change back."""


@dataclass(frozen=True, slots=True)
class Carried:
    """What came of the steps."""

    changes: tuple[Change, ...] = ()
    """As they are now, in the order of the steps."""
    problem: JepaError | None = None
    """Why a step was not done, or not kept. Those before it were taken back then."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What all steps of one plan have in common."""

    task: str = ""
    why: str = ""
    for_s: float | None = None
    """Each is taken back after so many seconds; None: it stays."""
    watch_s: float = STEP_WATCH_S
    """How long the last step is watched: only then all that was predicted can be seen."""
    horizon_s: int | None = None
    """Of the window that is predicted; None: that by which the plan was chosen."""


def requests(plan: Mapping[str, Any], terms: Terms) -> list[dict[str, Any]]:
    """The fields of one request for each step of ``plan``.

    The last one carries what the plan as a whole is predicted to do: its 90 % intervals.
    """
    imagined, steps = plan["imagined"], plan["steps"]
    horizon_s = imagined["horizon_s"] if terms.horizon_s is None else terms.horizon_s
    predicted = {
        name: tuple(windows[str(horizon_s)]["with"]) for name, windows in imagined["windows"].items()
    }
    return [
        {
            "action": step["action"],
            "target": step["target"],
            "value": step["to"] if action_type(step["action"]).takes_value else None,
            "expected": step["from"],
            "plan": plan["hash"],
            "task": terms.task,
            "why": terms.why,
            "for_s": terms.for_s,
            "watch_s": terms.watch_s if number == len(steps) else min(terms.watch_s, STEP_WATCH_S),
            "predicted": predicted if number == len(steps) else {},
        }
        for number, step in enumerate(steps, 1)
    ]


def carry_out(
    wanted: Sequence[Mapping[str, Any]],
    hands: StepHands,
    make: Callable[..., ActionRequest],
    *,
    consent: bool,
    told: Callable[[Change], None] = lambda change: None,
) -> Carried:
    """Do what ``wanted`` asks for, by ``make`` made into requests; all of it is in force in the end or none.

    ``told`` is called with each change as it was made, and as it was taken back.
    """
    changes: list[Change] = []
    for each in wanted:
        try:
            change = hands.act(make(**each), consent)
        except JepaError as problem:
            return Carried(tuple(_taken_back(changes, hands, told)), problem)
        changes.append(change)
        told(change)
        if change.state is not State.COMMITTED:
            unkept = JepaError(
                f"{change.action} {change.target} did not stay: {change.detail or change.state}.",
                "The steps before it were taken back." if len(changes) > 1 else "Nothing else was changed.",
                status=409,
            )
            return Carried(tuple(_taken_back(changes, hands, told)), unkept)
    return Carried(tuple(changes))


def _taken_back(
    changes: Sequence[Change], hands: StepHands, told: Callable[[Change], None]
) -> Sequence[Change]:
    """The changes, with those in force taken back, the newest first. What cannot be, ends by its timer."""
    now = list(changes)
    for at in reversed(range(len(now))):
        if not now[at].in_force:
            continue
        try:
            (now[at],) = hands.undo(now[at].id)
        except (JepaError, ValueError):
            continue  # its state says that it is in force, and that is what is shown
        told(now[at])
    return now
