# SPDX-License-Identifier: Apache-2.0
"""Advice on standing goals that are kept: what would be done for one, where nobody allowed it to be done.

With the autonomy `advise` or `ask`. A plan is made at most every ten minutes for each goal, and only where
something of it is missing; whoever reads the events is told once an hour at most.
"""

import threading
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, Protocol

from jepa.actions.catalogue import action_type
from jepa.actions.values import shown
from jepa.errors import JepaError
from jepa.tasks.conditions import Circumstances, WatchedCondition
from jepa.tasks.kept_goals import GOALS, StandingGoal

LOOK_S: Final = 10.0
PLAN_EVERY_S: Final = 600.0
TELL_EVERY_S: Final = 3600.0
FIRST_S: Final = 120.0
"""After a start: a model has to see enough of the machine, and whoever boots it has other work for it."""
NEED: Final = 0.02
"""Energy that a goal is short of at least, on the model's scale, before a plan is made for it again."""


class AdvicePlanning(Protocol):
    """What advice is made of."""

    def advice(self, name: str, spec: Mapping[str, Any]) -> Mapping[str, Any]:
        """A plan for the goal ``name``, as JSON has it. JepaError where none can be made."""

    def needed(self, name: str) -> float | None:
        """How far the machine is from the goal ``name`` now, as energy; None where that is not known."""


class Advising:
    """Looks every few seconds, in a thread of its own."""

    def __init__(
        self,
        mode: Callable[[], str],
        kept: Callable[[], Mapping[str, str]],
        stands: Callable[[], Collection[str]],
        planning: AdvicePlanning,
        seen: Circumstances,
        tell: Callable[[str, str | None, str, str], None],
        now_s: Callable[[], float],
    ) -> None:
        """``stands`` gives the names of the goals for which a task stands: of these no advice is needed."""
        self._mode, self._kept, self._stands = mode, kept, stands
        self._planning, self._seen, self._tell, self._now_s = planning, seen, tell, now_s
        self._began_s = now_s()
        self._planned: dict[str, float] = {}
        self._told: dict[str, float] = {}
        self._conditions: dict[str, tuple[str, WatchedCondition]] = {}
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Look from now on."""
        self._thread = threading.Thread(target=self._run, name="advice", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._ending.set()

    def look(self) -> None:
        """Advise on what is due now."""
        if self._mode() not in ("advise", "ask") or self._now_s() - self._began_s < FIRST_S:
            return
        kept = self._kept()
        standing = self._stands() if kept else ()
        for name, between in kept.items():
            goal = GOALS[name]
            if not goal.only_tells and name not in standing and self._due(goal, between):
                self._advise(goal, between)

    def _due(self, goal: StandingGoal, between: str) -> bool:
        now = self._now_s()
        spec = goal.spec_between(between)
        if "condition" in spec:
            if self._conditions.get(goal.name, ("",))[0] != between or goal.name not in self._conditions:
                condition = WatchedCondition(spec, self._seen, self._seen.wall_ns())
                self._conditions[goal.name] = between, condition
            if not self._conditions[goal.name][1].look(now):
                return False
        if now - self._told.get(goal.name, float("-inf")) < TELL_EVERY_S:
            return False
        if now - self._planned.get(goal.name, float("-inf")) < PLAN_EVERY_S:
            return False
        needed = self._planning.needed(goal.name)
        return needed is None or needed > NEED

    def _advise(self, goal: StandingGoal, between: str) -> None:
        self._planned[goal.name] = self._now_s()
        try:
            plan = self._planning.advice(goal.name, goal.spec_between(between))
        except JepaError:
            return  # no model, or nobody to help: there is nothing to advise
        if not plan["steps"]:
            return
        self._told[goal.name] = self._now_s()
        steps = "; ".join(_words(step) for step in plan["steps"])
        consent = (
            f"`jepa autonomy --approve {goal.name}`" if self._mode() == "ask" else "`jepa autonomy ask`"
        )
        detail = f"{goal.name}: {goal.summary}. This would serve it: {steps}. {consent} lets it be done."
        self._tell("goal_advised", None, detail, "info")

    def _run(self) -> None:
        while not self._ending.wait(LOOK_S):
            self.look()


def _words(step: Mapping[str, Any]) -> str:
    action = action_type(step["action"])
    target = f" of {step['target']}" if step["target"] else ""
    return f"{step['action']}{target} {shown(action, step['from'])} -> {shown(action, step['to'])}"
