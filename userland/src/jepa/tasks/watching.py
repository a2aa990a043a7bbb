# SPDX-License-Identifier: Apache-2.0
"""A watch that stands: says when what it watches for begins and is over, and restarts what failed.

It plans nothing and holds nothing in force. To restart a unit it needs a grant, as every other change; to
tell takes none, since that changes nothing.
"""

import contextlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol

from jepa.actions.change import Change, State
from jepa.actions.messages import ActionRequest
from jepa.errors import JepaError
from jepa.tasks.conditions import Circumstances, WatchedCondition, condition_of, in_words
from jepa.tasks.granting import RESTARTS_PER_HOUR
from jepa.tasks.task import Task

PAUSES_S: Final = (0.0, 10.0, 30.0, 120.0, 600.0)
"""Before each further restart of a unit within an hour."""
REFUSALS: Final = 3
"""In a row, after which the task ends."""
GRANT_EVERY_S: Final = 5.0
BLIND_S: Final = 60.0
"""How long nothing can be seen of what is watched before it is said."""


class WatchHands(Protocol):
    """What a watch needs of the actuator."""

    def act(self, request: ActionRequest, consent: bool) -> Change:
        """Make one change. JepaError when it is refused or fails."""

    def remaining_s(self, task: Task) -> float | None:
        """How long the task's grant will be in force; 0 when it is not, None when nobody can be asked."""

    def give_up(self, task: Task) -> None:
        """End the task's grant, which is of no more use."""


Tell = Callable[[str, str | None, str, str], None]
"""Given the kind of an event, what it happened to, its detail and its severity."""


class Watching:
    """One watch. ``step`` is to be called every second, by one thread."""

    in_force: Sequence[Change] = ()
    hold_out_since_s: float | None = None
    waits = ""

    def __init__(
        self,
        task: Task,
        seen: Circumstances,
        hands: WatchHands,
        make: Callable[..., ActionRequest],
        keep: Callable[[Task], None],
        tell: Tell,
        now_s: Callable[[], float],
    ) -> None:
        """As ``Standing``; ``tell`` makes an event of this machine."""
        self.task = task
        self.settled = False
        self._seen, self._hands, self._make, self._keep, self._tell = seen, hands, make, keep, tell
        self._now_s = now_s
        self._condition = WatchedCondition(task.spec, seen, task.since_ns)
        self._about = condition_of(task.spec) or {}
        self._held = False
        self._end_asked = ""
        self._granted_at_s = float("-inf")
        self._blind_since_s: float | None = None
        self._restarts: dict[str, deque[float]] = {}
        self._refused = 0

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return not self.task.active

    @property
    def changes_in_the_last_minute(self) -> int:
        """Restarts."""
        now = self._now_s()
        return sum(at > now - 60 for each in self._restarts.values() for at in each)

    def begin_with(self, plan: Mapping[str, Any]) -> None:
        """Nothing: a watch has no steps."""

    def end(self, why: str) -> None:
        """Have it end at its next step; for any thread."""
        self._end_asked = why

    def suspend(self) -> None:
        """Nothing is in force."""

    def step(self) -> None:
        """Look, tell, and do what is to be done now."""
        now = self._now_s()
        if self.task.active and (why := self._over(now)):
            refused = not self._end_asked and self._refused >= REFUSALS and not self.task.changes
            self.task = self.task.ended(why, self._seen.wall_ns(), refused=refused)
            self._keep(self.task)
        self.settled = True
        if not self.task.active:
            if self.task.grant:
                with contextlib.suppress(JepaError):
                    self._hands.give_up(self.task)
            return
        held = bool(self._condition.look(now))
        self._mind_blindness(now)
        if held != self._held:
            self._held = held
            when = in_words(self.task.spec)
            kind, said = ("watch_began", f"{when}.") if held else ("watch_over", f"No longer: {when}.")
            self._say(kind, self._subject, said, "warning" if held else "info")
        if held and self.task.spec.get("operation") == "restart":
            for unit in self._about["targets"]:
                if self._seen.failed(unit) and self._may_restart(unit, now):
                    self._restart(unit, now)

    @property
    def _subject(self) -> str | None:
        targets = list(self._about.get("targets") or ())
        return targets[0] if len(targets) == 1 else None

    def _over(self, now: float) -> str:
        if self._end_asked:
            return self._end_asked
        until = self.task.until_ns
        if until is not None and self._seen.wall_ns() >= until:
            return "Its time was over."
        if self.task.grant and now - self._granted_at_s >= GRANT_EVERY_S:
            remaining = self._hands.remaining_s(self.task)
            if remaining is not None:
                self._granted_at_s = now
                if remaining <= 0:
                    return "Its grant was revoked, or has ended."
        if self._refused >= REFUSALS:
            return f"It was refused {REFUSALS} times in a row: {self.task.notes[-1]}"
        return ""

    def _mind_blindness(self, now: float) -> None:
        """Say so when what is watched cannot be seen for long, and when it can again."""
        if not self._condition.unknown:
            self._blind_since_s = None
        elif self._blind_since_s is None:
            self._blind_since_s = now
        elif now - self._blind_since_s >= BLIND_S:
            self.task = self.task.noted(f"It cannot be seen whether {in_words(self.task.spec)}.")

    def _may_restart(self, unit: str, now: float) -> bool:
        """Whether enough time has passed since it was restarted last; each time in a row takes longer."""
        for each in self._restarts.values():
            while each and each[0] < now - 3600.0:
                each.popleft()
        if sum(map(len, self._restarts.values())) >= RESTARTS_PER_HOUR:
            self.task = self.task.noted(
                f"{unit} needs a person: {RESTARTS_PER_HOUR} restarts within an hour did not mend it."
            )
            return False
        done = self._restarts.setdefault(unit, deque())
        return not done or now - done[-1] >= PAUSES_S[min(len(done), len(PAUSES_S) - 1)]

    def _restart(self, unit: str, now: float) -> None:
        self._restarts[unit].append(now)
        request = self._make(
            action="unit.restart",
            target=unit,
            value=None,
            task=self.task.id,
            why=f"task {self.task.id}: {unit} failed",
        )
        try:
            change = self._hands.act(request, False)
        except JepaError as error:
            self._refused += error.status in (403, 422)
            self._say("watch_refused", unit, f"It was not restarted: {error.problem}", "warning")
            return
        if change.state is State.FAILED:
            self._say("watch_refused", unit, f"It was not restarted: {change.detail}.", "warning")
            return
        self._refused = 0
        self.task = replace(self.task, changes=self.task.changes + 1)
        self._say("watch_acted", unit, f"It had failed and was restarted (change {change.id}).", "info")

    def _say(self, kind: str, unit: str | None, detail: str, severity: str) -> None:
        """As an event, and among the task's notes."""
        self._tell(kind, unit, f"task {self.task.id}: {detail}", severity)
        self.task = self.task.noted(detail if unit is None or unit in detail else f"{unit}: {detail}")
        self._keep(self.task)
