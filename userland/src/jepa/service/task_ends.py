# SPDX-License-Identifier: Apache-2.0
"""What tasks in jepad plan with and act through: the planner and the frames on one side, the actuator on the
other."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jepa.actions.change import Change
from jepa.actions.client import ActuatorClient
from jepa.actions.clock import HostClock
from jepa.actions.messages import ActionRequest
from jepa.errors import JepaError
from jepa.service.actuator_view import ActuatorView
from jepa.service.learning import Learning
from jepa.service.plans import Plans
from jepa.service.ring import Ring
from jepa.tasks.granting import DAEMON
from jepa.tasks.task import Outcomes, Task
from jepa.telemetry.schema import Schema

if TYPE_CHECKING:
    from jepa.actions.guard.grants import Grant
    from jepa.planning.energy import Energy
    from jepa.planning.learning import ForeseenEffect
    from jepa.planning.surroundings import Surroundings

ADVICE_S = 30.0
"""How much of the past says whether a standing goal is short of anything."""
_LOOKED_AT = 200
"""Changes among which those of a task are looked for when jepad starts."""


class TaskPlanning:
    """Plans for tasks, and the energy of their goals as it was observed."""

    def __init__(self, plans: Plans, ring: Ring, schema: Schema, learning: Learning) -> None:
        self._plans, self._ring, self._schema, self._learning = plans, ring, schema, learning
        self._foreseen: dict[str, tuple[str, tuple[ForeseenEffect, ...]]] = {}
        """By task, the id of the plan made last, and what was imagined of its change."""
        self._wanted: dict[str, Energy | None] = {}
        """By standing goal, of the plan made last for advice."""
        self._goals: dict[str, Energy | None] = {}
        """By task, of the plan made last, or of the one that it begins with."""

    def plan(self, task: Task, measured: Sequence[Outcomes] = ()) -> Mapping[str, Any]:
        """See ``jepa.tasks.standing.Planning``."""
        plan = self._plans.plan(json.dumps(dict(task.spec)).encode(), task.left, measured)
        self._goals[task.id] = plan.goal
        made = plan.as_dict()
        self._foreseen[task.id] = made["id"], plan.foreseen
        return made

    def done(self, task: Task, plan: Mapping[str, Any], change: Change) -> None:
        """See ``jepa.tasks.standing.Planning``."""
        made, foreseen = self._foreseen.get(task.id, ("", ()))
        if made != plan["id"]:  # the one that a person was shown
            try:
                foreseen = self._plans.foreseen(plan["id"])
            except JepaError:
                return
        self._learning.expect(foreseen, plan["pack"], change.ts_ns)

    def begin_with(self, task: Task, goal: "Energy | None") -> None:
        """``task`` carries out a plan that a person was shown: so what it wants is known."""
        self._goals[task.id] = goal

    def observed(self, task: Task, seconds: float) -> float | None:
        """See ``jepa.tasks.standing.Planning``."""
        return self._energy(self._goals.get(task.id), seconds)

    def advice(self, name: str, spec: Mapping[str, Any]) -> Mapping[str, Any]:
        """See ``jepa.service.advising.AdvicePlanning``."""
        plan = self._plans.plan(json.dumps(dict(spec)).encode(), waited_for=False)
        self._wanted[name] = plan.goal
        return plan.as_dict()

    def needed(self, name: str) -> float | None:
        """See ``jepa.service.advising.AdvicePlanning``."""
        return self._energy(self._wanted.get(name), ADVICE_S)

    def _energy(self, goal: "Energy | None", seconds: float) -> float | None:
        entries = self._ring.newest()
        if goal is None or not entries:
            return None
        from jepa.planning.measured import observed_energy  # a task without a plan needs no numbers

        since_ns = entries[-1].frame.ts_ns - int(seconds * 1e9)
        frames = [entry.frame for entry in entries if entry.frame.ts_ns > since_ns]
        return observed_energy(goal, self._schema, frames)

    def forget(self, task: str) -> None:
        """A task that is over."""
        self._goals.pop(task, None)
        self._foreseen.pop(task, None)


class ActuatorTaskHands:
    """Asks the actuator, within a grant; for one thread."""

    def __init__(
        self,
        connect: Callable[[], ActuatorClient],
        view: ActuatorView,
        clock: HostClock,
        wall_ns: Callable[[], int],
        root: Path = Path("/"),
    ) -> None:
        self._connect, self._view, self._clock, self._wall_ns, self._root = (
            connect,
            view,
            clock,
            wall_ns,
            root,
        )
        self._client: ActuatorClient | None = None
        self._surroundings: Surroundings | None = None

    def act(self, request: ActionRequest, consent: bool) -> Change:
        """Make one change."""
        return self._actuator.act(request, consent)

    def undo(self, change: str = "") -> Sequence[Change]:
        """Take one change back."""
        return self._actuator.undo(change)

    def in_force(self, task: str) -> Sequence[Change]:
        """The changes of a task that are in force, the oldest first."""
        newest = self._actuator.history(_LOOKED_AT)
        return [each for each in reversed(newest) if each.task == task and each.in_force]

    def ended(self, changes: Sequence[Change]) -> Sequence[Change]:
        """Those that are over, as the actuator published: it is not woken to be asked."""
        if not changes:
            return ()
        return [each for each in self._view.now([change.id for change in changes]) if not each.in_force]

    def holds(self, change: Change) -> bool:
        """Whether the machine, or the control group, says what ``change`` set; True of what is gone."""
        if not change.target:
            from jepa.service.machine_settings import ReadSettings

            try:
                return ReadSettings(self._root).value(change.action) == change.new
            except JepaError:
                return True
        if self._surroundings is None:
            from jepa.planning.surroundings import Surroundings

            self._surroundings = Surroundings(self._root)
        action = "unit.freeze" if change.setting == "freezer" else change.action
        try:
            groups = [each for each in self._surroundings.groups() if each.unit == change.target]
            return not groups or self._surroundings.value(groups[0], action) == change.new
        except (JepaError, KeyError):
            return True

    def remaining_s(self, task: Task) -> float | None:
        """How long the task's grant will be in force."""
        try:
            found = self.grant(task.grant)
        except JepaError:
            return None
        if found is None or found.task != task.id or found.daemon != DAEMON:
            return 0.0
        return max(0.0, found.remaining_s(self._clock.boot_id, self._clock.boottime_s(), self._wall_ns()))

    def give_up(self, task: Task) -> None:
        """End the task's grant."""
        self._actuator.revoke(task.grant)

    def grant(self, grant_id: str) -> "Grant | None":
        """The grant of that id, if it is in force. JepaError when the actuator cannot be asked."""
        from jepa.actions.guard.grants import from_row

        rows = [each for each in self._actuator.grants() if each.get("id") == grant_id]
        return from_row(rows[0]) if rows else None

    def close(self) -> None:
        """End the connection."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    @property
    def _actuator(self) -> ActuatorClient:
        self._client = self._client or self._connect()
        return self._client
