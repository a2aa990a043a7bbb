# SPDX-License-Identifier: Apache-2.0
"""A task that stands: what it does now, one step at a time, until its end; then everything is taken back.

It has no authority. A plan proposes, the actuator allows what the task's grant says, and its assessor judges
each change. What it cannot judge from here, the benefit over hours, is measured: in hold-out windows, begun
at random, the changes are taken back and the energy is compared.

Nothing here waits, reads a clock or touches the machine by itself: all of that is injected.
"""

import contextlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any, Final, Protocol

from jepa.actions.catalogue import Value, action_type
from jepa.actions.change import TIME_OVER, Change, State
from jepa.actions.messages import ActionRequest
from jepa.errors import JepaError
from jepa.tasks.conditions import in_words
from jepa.tasks.granting import CHANGES_PER_HOUR, LEASE_S
from jepa.tasks.steps import StepHands, Terms, carry_out, requests
from jepa.tasks.task import Outcomes, Task

PLAN_EVERY_S: Final = 15.0
"""A new plan is made so often while there is anything to gain. After each that finds nothing to do half as
often, unless a limit is in force, which might be taken back."""
REST_S: Final = 120.0
"""And so often at least: a plan costs as much as many forecasts, which on a small CPU moves the energy."""
PLANS_SHARE: Final = 0.05
"""Of the time, what plans may take: where one takes a second, as on a small CPU, the next comes after 20."""
LEAST_BETWEEN_S: Final = 2.0
"""And no sooner after the last one, whatever happens."""
MOVED: Final = 0.03
"""Energy by which it has become so much worse that a new plan is made at once. That it became better, as by
a change that was just made, is no reason for a plan; it is what is compared with from then on."""
MOVES: Final = 2
"""Such plans may follow each other quickly; after that there is one more every ``MOVE_EVERY_S``."""
MOVE_EVERY_S: Final = 10.0
"""A machine that never rests must not cost more than a few percent of a core in plans."""
LOOKED_AT_S: Final = 3.0
"""How much of the past says what the energy is now."""
WATCH_S: Final = 3.0
"""How long a change is watched: a change of phase has to be answered within 5 s."""
SHOWN_S: Final = 5
"""The horizon of what is predicted of a change, the shortest that plans show."""
DWELL_S: Final = 30.0
"""A change stays so long before it may be released."""
BELIEVED_S: Final = 120.0
"""For how long what was seen of a limit tells what it would cost to release it."""
FREE: Final = 0.005
"""Energy that it may cost to release what is in force."""
PATIENCE_S: Final = 60.0
"""How long no plan can be made, or a target is gone, before the task ends."""
START_PATIENCE_S: Final = 300.0
"""The same before the first plan: after a start a model is loaded, and has to see enough of the machine."""
GRANT_EVERY_S: Final = 5.0
RENEW_S: Final = 120.0
"""A change is renewed when it would be taken back so soon."""
LEAST_LEASE_S: Final = 10.0
"""A change for less time is not made any more."""
MOST_PER_MINUTE: Final = 6
"""Changes, renewals among them."""
KEPT_BACK: Final = 8
"""Of the changes of an hour, those that only renewing may use."""
WINDOW_S: Final = 30.0
SETTLE_S: Final = 5.0
"""Of each window, what is not measured since the settings have just been changed."""
FIRST_WINDOWS: Final = 10
"""With the changes in force, before anything is held out: nothing could be concluded from so few, and a task
that somebody needs for a few minutes is not worth harming them."""
HOLD_OUT: Final = 1 / 8
"""The probability that a window after those is followed by one in which the changes are taken back."""
HOLD_OUT_S: Final = 10.0
"""How long that is: whoever the task is for is harmed for as long, and harm shows in its first seconds."""
REFUSALS: Final = 5
"""In a row, after which the task ends."""
_AFTER_REFUSAL_S: Final = 60.0
_AFTER_HARM_S: Final = 300.0
_AFTER_FAULT_S: Final = 10.0


class Planning(Protocol):
    """What a task needs of the world model."""

    def plan(self, task: Task, measured: Sequence[Outcomes] = ()) -> Mapping[str, Any]:
        """A plan for the task's spec that leaves alone what ``task.left`` says, as JSON has it.

        ``measured`` is what was seen of each plan that is in force.
        JepaError: 404 for a target that is gone, 503 or 409 where none can be made now.
        """

    def done(self, task: Task, plan: Mapping[str, Any], change: Change) -> None:
        """The steps of ``plan`` are in force, of which ``change`` is the last."""

    def observed(self, task: Task, seconds: float) -> float | None:
        """The energy of the task's goal over the last ``seconds``, as it was observed; None if unknown."""


class TaskHands(StepHands, Protocol):
    """What a task needs of the actuator."""

    def in_force(self, task: str) -> Sequence[Change]:
        """The changes of a task that are in force, the oldest first. JepaError when it cannot be asked."""

    def ended(self, changes: Sequence[Change]) -> Sequence[Change]:
        """Those of ``changes`` that are over, as far as it is known, as they are now."""

    def holds(self, change: Change) -> bool:
        """Whether the machine still has what ``change`` set; True where that cannot be told."""

    def remaining_s(self, task: Task) -> float | None:
        """How long the task's grant will be in force; 0 when it is not, None when nobody can be asked."""

    def give_up(self, task: Task) -> None:
        """End the task's grant, which is of no more use. JepaError when that cannot be done now."""


class Standing:
    """One task. ``step`` is to be called every second, by one thread."""

    def __init__(
        self,
        task: Task,
        planning: Planning,
        hands: TaskHands,
        make: Callable[..., ActionRequest],
        keep: Callable[[Task], None],
        now_s: Callable[[], float],
        wall_ns: Callable[[], int],
        random: Random,
        applies: Callable[[float], bool | None] = lambda now_s: True,
    ) -> None:
        """``make`` makes requests, ``keep`` keeps the task over a restart, ``now_s`` is CLOCK_BOOTTIME.

        ``applies`` says whether the condition of the task holds now, looked at once a step; while that is
        None, because it cannot be seen after a start, nothing is set and nothing taken back.
        """
        self.task = task
        self.hold_out_since_s: float | None = None
        """When the changes were taken back to see what it is like without them."""
        self.settled = False
        """Whether the first plan was made, or could not be, and its steps are done."""
        self._planning, self._hands, self._make, self._keep = planning, hands, make, keep
        self._now_s, self._wall_ns, self._random, self._applies = now_s, wall_ns, random, applies
        self.waits = ""
        """What it waits for with nothing in force, where its condition does not hold; else empty."""
        self._own: list[Change] | None = None
        """Its changes in force, the oldest first; None until it is known."""
        self._measured: list[tuple[float, Outcomes]] = []
        """When each plan whose changes may be in force was carried out, and what was seen of it."""
        self._held: tuple[Sequence[Change], list[tuple[float, Outcomes]]] = (), []
        """What was taken back for a hold-out window, the oldest first, and what had been seen of it."""
        self._end_asked = ""
        self._first: Mapping[str, Any] | None = None
        """A plan that a person was shown."""
        self._made: deque[float] = deque()
        """When each change of the last hour was made."""
        self._planned_s = float("-inf")
        self._took_s = 0.0
        """How long the last plan took to make."""
        self._energy: float | None = None
        self._often_s = PLAN_EVERY_S
        """How often a plan is made: after each that found nothing to do, half as often."""
        self._moves = 0.0, float(MOVES)
        """When the machine was seen to have moved, and how often a plan may follow at once."""
        self._at_once = True
        self._not_before_s = float("-inf")
        self._unsure: tuple[float, str] | None = None
        self._gone: tuple[float, str] | None = None
        self._patience_s = START_PATIENCE_S
        self._refused: list[str] = []
        self._granted_s: tuple[float, float] | None = None
        """When the grant was looked at, and for how long it was in force then."""
        self._window_s: float | None = None
        self._windows = 0
        self._odd: dict[tuple[str, str], int] = {}

    @property
    def in_force(self) -> Sequence[Change]:
        """Its changes in force, as far as it is known."""
        return tuple(self._own or ())

    @property
    def over(self) -> bool:
        """Whether it has ended and nothing of it is in force."""
        return not self.task.active and self._own == []

    @property
    def changes_in_the_last_minute(self) -> int:
        """How many were made."""
        return self._within(60.0)

    def begin_with(self, plan: Mapping[str, Any]) -> None:
        """Carry out ``plan``, which a person was shown, before any other is made."""
        self._first = plan

    def end(self, why: str) -> None:
        """Have it end at its next step; for any thread."""
        self._end_asked = why

    def suspend(self) -> None:
        """Take everything back, since nobody will look after it for a while; the task stands on."""
        if self._own:
            self._take_back()

    def step(self) -> None:
        """Do what is to be done now."""
        now = self._now_s()
        if self._own is None:
            try:
                self._own = list(self._hands.in_force(self.task.id))
            except JepaError:
                if not self._end_asked:
                    return
                self._own = []  # nobody can be asked: what is in force ends by its timer
        self._look(self._own)
        if self.task.active and (why := self._over(now)):
            vain = self.task.plans == 0 if self._unsure or self._gone else len(self._refused) >= REFUSALS
            refused = not self._end_asked and not self.task.changes and vain
            self.task = self.task.ended(why, self._wall_ns(), refused=refused)
            self._keep(self.task)
        if not self.task.active:
            self.settled = True
            self._take_back()
            if self.over:
                with contextlib.suppress(JepaError):
                    self._hands.give_up(self.task)
        elif (applies := self._applies(now)) is not True:
            if applies is False:
                self._wait()
        elif not self._holding_out(now):
            self.waits = ""
            self._measure(now)
            if self.hold_out_since_s is None:
                if self._due(now):
                    self._plan(now)
                self._renew(now)

    def _wait(self) -> None:
        """Its condition does not hold: nothing of it is in force, and a plan is made once it does."""
        waits = in_words(self.task.spec)
        self.settled, self._first = True, None
        self.hold_out_since_s, self._held, self._window_s = None, ((), []), None
        self._unsure = self._gone = None
        self._at_once = True
        if self._own:
            self._note(f"Taken back until {waits}.")
            self._take_back()
        self.waits = waits if not self._own else ""

    # What has become of its changes.

    def _look(self, own: list[Change]) -> None:
        """Learn which of its changes were taken back by others, or overruled."""
        for change in self._hands.ended(own):
            own[:] = [each for each in own if each.id != change.id]
            self._at_once = True
            if change.state is State.REVERTED:
                self._note(f"{_words(change)} was taken back: {change.detail}.")
                if not change.detail.startswith(TIME_OVER):
                    self._not_before_s = self._now_s() + _AFTER_HARM_S
            else:
                self._leave(change, f"{_words(change)} was taken back: {change.detail}.")
        for change in self._uppermost():
            key = _key(change)
            self._odd[key] = 0 if self._hands.holds(change) else self._odd.get(key, 0) + 1
            if self._odd[key] >= 2:  # once may be a change on its way
                del self._odd[key]
                self._leave(change, f"Somebody else set what {_words(change)} had set.")
                self._take_back([each for each in own if _key(each) == key])

    def _leave(self, change: Change, why: str) -> None:
        self.task = replace(self.task, left=tuple(dict.fromkeys((*self.task.left, _key(change)))))
        self._note(f"{why} It is left alone from now on.")
        self._keep(self.task)

    def _uppermost(self) -> list[Change]:
        """Of its changes of each setting the one that the machine holds."""
        return list({_key(each): each for each in self._own or ()}.values())

    def _take_back(self, changes: Sequence[Change] | None = None) -> None:
        """Take back all of its changes, or ``changes``, the newest first. What cannot be now, is later."""
        own = self._own or []
        for change in reversed(own if changes is None else list(changes)):
            try:
                for back in self._hands.undo(change.id):
                    if back.state is State.FAILED:
                        self._note(f"{_words(back)}: {back.detail}.")
            except JepaError as error:
                if error.status != 404:
                    continue
            own[:] = [each for each in own if each.id != change.id]
        if not own:
            self._measured.clear()

    # Whether it is over.

    def _over(self, now: float) -> str:
        """Why it ends now; empty while it stands."""
        if self._end_asked:
            return self._end_asked
        until = self.task.until_ns
        if until is not None and self._wall_ns() >= until:
            return "Its time was over."
        if self._granted_s is None or now - self._granted_s[0] >= GRANT_EVERY_S:
            remaining = self._hands.remaining_s(self.task)
            if remaining is not None:
                self._granted_s = now, remaining
                if remaining <= 0:
                    return "Its grant was revoked, or has ended."
        for since, what in (
            (self._unsure, "No plan could be made for long"),
            (self._gone, "What it is for is gone"),
        ):
            if since is not None and now - since[0] >= self._patience_s:
                return f"{what}: {since[1]}"
        if self.task.benefit.none:
            count = self.task.benefit.windows
            return f"It brings nothing: in {count} hold-out windows the energy was no higher without it."
        if len(self._refused) >= REFUSALS:
            return f"It was refused {REFUSALS} times in a row: {self._refused[-1]}"
        return ""

    # Windows with and without.

    def _measure(self, now: float) -> None:
        """Take the energy of each window with the changes in force, and begin a hold-out by chance."""
        if not self._own or not self.task.holds_out:
            self._window_s, self._windows = None, 0
            return
        if self._window_s is None:
            self._window_s = now
        if now - self._window_s < WINDOW_S:
            return
        energy = self._planning.observed(self.task, now - self._window_s - SETTLE_S)
        self._window_s, self._windows = now, self._windows + 1
        if energy is None:
            return
        self.task = self.task.with_window(energy, without=False)
        enough = self._windows >= 2 and len(self.task.taken) >= FIRST_WINDOWS
        enough = enough and self._within(3600.0) + len(self._own) <= CHANGES_PER_HOUR // 2
        if enough and self._random.random() < HOLD_OUT:
            held = tuple(self._own), list(self._measured)
            self._take_back()
            if not self._own:
                self.hold_out_since_s, self._held = now, held
            self._window_s, self._windows = None, 0

    def _holding_out(self, now: float) -> bool:
        """Whether a hold-out window goes on."""
        since = self.hold_out_since_s
        if since is None:
            return False
        if now - since < HOLD_OUT_S:
            return True
        energy = self._planning.observed(self.task, now - since - SETTLE_S)
        self.hold_out_since_s = None
        if energy is not None:
            self.task = self.task.with_window(energy, without=True)
        self._put_back()
        self._keep(self.task)
        return False

    def _put_back(self) -> None:
        """Set what was in force before a hold-out window again, as it was; else a plan is made at once.

        It was judged when it was planned, and a plan is slowest when nothing is in force.
        """
        (held, measured), self._held = self._held, ((), [])
        for change in held:
            lease = self._lease_s(self._now_s())
            if not self._may_change(1) or not self._repeat(change, change.inverse, lease, "set again"):
                self._at_once = True
                return
        self._measured = measured
        # What was observed until now is what it is like without: no reason for a plan.
        self._not_before_s = max(self._not_before_s, self._now_s() + SETTLE_S)

    # Plans and their steps.

    def _due(self, now: float) -> bool:
        if now < self._not_before_s:
            return False
        since = now - self._planned_s
        if self._at_once or self._first is not None or since >= REST_S:
            return True
        if since < LEAST_BETWEEN_S:
            return False
        energy = self._planning.observed(self.task, LOOKED_AT_S)
        limits = self._limits()
        often = PLAN_EVERY_S if limits else self._often_s
        often = min(REST_S, max(often, self._took_s / PLANS_SHARE))
        if since >= often and (energy is None or energy > FREE or limits):
            return True
        if energy is None or self._energy is None:
            return False
        self._energy = min(self._energy, energy)
        if energy - self._energy <= MOVED:
            return False
        seen, moves = self._moves
        moves = min(float(MOVES), moves + (now - seen) / (MOVE_EVERY_S * often / PLAN_EVERY_S))
        self._moves = now, moves - 1 if moves >= 1 else moves
        return moves >= 1

    def _plan(self, now: float) -> None:
        self._at_once = False
        self._planned_s = now
        plan, self._first = self._first, None
        try:
            if plan is None:
                plan = self._planning.plan(self.task, self._seen(now))
                self._took_s = self._now_s() - now
        except JepaError as error:
            self._no_plan(error, now)
            self.settled = True
            return
        if self._end_asked:  # while the plan was made, which may take seconds: nothing more is set
            return
        self._unsure = self._gone = None
        self._patience_s = PATIENCE_S
        self._energy = self._planning.observed(self.task, LOOKED_AT_S)
        self.task = replace(self.task, plans=self.task.plans + 1)
        self._often_s = PLAN_EVERY_S if plan["steps"] else min(REST_S, 2 * self._often_s)
        if plan["steps"]:
            self._carry_out(plan, now)
        elif self._is_free(plan["imagined"]["energy"], now):
            self._note("What was set is not needed now and was taken back.")
            self._take_back()
        self.settled = True

    def _seen(self, now: float) -> Sequence[Outcomes]:
        """What would be lost. A limit costs somebody something: of that it is not believed for long."""
        if not self._own:
            return []
        return [seen for at, seen in self._measured if not self._limits() or now - at < BELIEVED_S]

    def _limits(self) -> bool:
        """Whether anything of it is in force that costs somebody something all the time."""
        return any(not action_type(each.action).conserving for each in self._uppermost())

    def _no_plan(self, error: JepaError, now: float) -> None:
        if error.status == 404:
            self._gone = self._gone or (now, error.problem)
        else:
            self._unsure = self._unsure or (now, error.problem)
        self._not_before_s, self._at_once = now + LEAST_BETWEEN_S, True

    def _is_free(self, energy: Mapping[str, Any], now: float) -> bool:
        """Whether taking back what is in force surely costs nothing."""
        released = energy.get("released")
        if not self._own or not self.task.holds_out or released is None:
            return False
        aged = all(now - (each.applied_s or now) >= DWELL_S for each in self._own)
        return aged and released <= energy["without"] + FREE

    def _carry_out(self, plan: Mapping[str, Any], now: float) -> None:
        """Do the steps, those that only take back a change of its own by taking it back."""
        upper = {_key(each): each for each in self._uppermost()}
        steps, back = [], []
        for step in plan["steps"]:
            key = action_type(step["action"]).setting, step["target"]
            own = upper.get(key)
            if key in self.task.left:
                self._note(f"{step['action']} of {step['target']} is left alone.")
                return
            if own is not None and own.inverse == step["to"]:
                back.append(own)
            else:
                steps.append(step)
        lease = self._lease_s(now)
        if len(steps) > MOST_PER_MINUTE:
            self._note(
                f"A plan of {len(steps)} changes is not carried out: {MOST_PER_MINUTE} a minute may be."
            )
        if steps and (lease < LEAST_LEASE_S or not self._may_change(len(steps))):
            self._not_before_s = now + _AFTER_FAULT_S
            return
        self._take_back([each for each in self._own or () if _key(each) in map(_key, back)])
        if not steps:
            return
        terms = Terms(
            task=self.task.id,
            why=f"task {self.task.id}: {self.task.spec['intent']}",
            for_s=lease,
            watch_s=WATCH_S,
            horizon_s=SHOWN_S,
        )
        carried = carry_out(
            requests({**plan, "steps": steps}, terms),
            self._hands,
            self._make,
            consent=False,
            told=self._count,
        )
        self._add([each for each in carried.changes if each.in_force])
        if carried.problem is None:
            self._measured.append((now, _outcomes(carried.changes[-1], plan)))
            self._planning.done(self.task, plan, carried.changes[-1])
            self._refused.clear()
            self._window_s = None
        else:
            harm = any(each.state is State.REVERTED for each in carried.changes)
            self._not_done(carried.problem, harm)
        self._keep(self.task)

    def _not_done(self, problem: JepaError, harm: bool) -> None:
        now = self._now_s()
        if problem.status == 409 and not harm:  # the machine has moved: a new plan is made of it
            self._not_before_s, self._at_once = now + LEAST_BETWEEN_S, True
            return
        self._note(f"Not done: {problem.problem}")
        refused = harm or problem.status in (403, 422)
        if refused:
            self._refused.append(problem.problem)
        self._not_before_s = now + (
            _AFTER_HARM_S if harm else _AFTER_REFUSAL_S if refused else _AFTER_FAULT_S
        )

    def _renew(self, now: float) -> None:
        """Set again what would be taken back soon: the new change lasts longer, and the old one goes."""
        for change in self._uppermost():
            lease = self._lease_s(now)
            left = (change.until_s or now + lease) - now
            if left >= RENEW_S or lease < left + LEAST_LEASE_S or now < self._not_before_s:
                continue
            if self._within(60.0) >= MOST_PER_MINUTE or self._within(3600.0) >= CHANGES_PER_HOUR:
                continue
            if not self._repeat(change, change.new, lease, "renewed"):
                self._not_before_s = now + _AFTER_FAULT_S
                return

    def _repeat(self, change: Change, expected: Value, for_s: float, said: str) -> bool:
        """Make ``change`` once more, where the machine has what is ``expected``; whether that was done."""
        takes_value = action_type(change.action).takes_value
        request = self._make(
            action=change.action,
            target=change.target,
            value=change.new if takes_value else None,
            for_s=for_s,
            expected=expected,
            plan=change.plan,
            task=self.task.id,
            why=f"task {self.task.id}: {said}",
        )
        try:
            repeated = self._hands.act(request, False)
        except JepaError as error:
            self._note(f"{_words(change)} was not {said}: {error.problem}")
            return False
        self._count(repeated)
        self._add([repeated])
        return True

    def _add(self, changes: Sequence[Change]) -> None:
        """Changes that are in force; what they lie upon is no longer needed below them.

        The uppermost then takes back to where the lowest began, as the actuator has it too.
        """
        own = [*(self._own or ()), *changes]
        began: dict[tuple[str, str], Value] = {}
        for each in own:
            began.setdefault(_key(each), each.inverse)
        own = self._own = [replace(each, inverse=began[_key(each)]) for each in own]
        upper = {_key(each): each.id for each in own}
        self._take_back([each for each in own if upper[_key(each)] != each.id])

    def _count(self, change: Change) -> None:
        if change.state in (State.COMMITTED, State.REVERTED):
            self._made.append(self._now_s())
            self.task = replace(self.task, changes=self.task.changes + 1)

    def _may_change(self, count: int) -> bool:
        """Whether so many more changes fit in."""
        if self._within(60.0) + count > MOST_PER_MINUTE:
            return False
        return self._within(3600.0) + count <= CHANGES_PER_HOUR - KEPT_BACK

    def _within(self, seconds: float) -> int:
        now = self._now_s()
        while self._made and self._made[0] < now - 3600.0:
            self._made.popleft()
        return sum(at > now - seconds for at in self._made)

    def _lease_s(self, now: float) -> float:
        """How long a change may be made for now."""
        if self._granted_s is None:
            return 0.0
        looked_at, remaining = self._granted_s
        return min(LEASE_S, remaining - (now - looked_at) - 1.0)

    def _note(self, text: str) -> None:
        self.task = self.task.noted(text)


def _outcomes(change: Change, plan: Mapping[str, Any]) -> Outcomes:
    """What was observed once ``plan``, of which ``change`` is the last, was carried out."""
    windows = plan["imagined"]["windows"]
    return {
        name: (value, float(windows[name][str(SHOWN_S)]["without"][1]))
        for name, value in change.observed.items()
        if str(SHOWN_S) in windows.get(name, ())
    }


def _key(change: Change) -> tuple[str, str]:
    return change.setting, change.target


def _words(change: Change) -> str:
    return f"{change.action} of {change.target}" if change.target else change.action
