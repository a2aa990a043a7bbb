# SPDX-License-Identifier: Apache-2.0
"""The tasks that stand in jepad: accepted from whoever gave the grant, stepped by one thread, and kept."""

import re
import sys
import threading
import time
from collections.abc import Callable
from random import SystemRandom
from typing import Any, Final

from jepa.actions.client import ActuatorClient
from jepa.actions.clock import HostClock
from jepa.actions.request import make
from jepa.actions.rows import left_s
from jepa.errors import JepaError
from jepa.service.actuator_view import ActuatorView
from jepa.service.api import Part, TaskRequest
from jepa.service.plans import Plans
from jepa.service.task_ends import ActuatorTaskHands, TaskPlanning
from jepa.tasks.conditions import Circumstances, WatchedCondition, check_condition, condition_of
from jepa.tasks.durations import seconds
from jepa.tasks.granting import DAEMON, LEASE_S
from jepa.tasks.standing import Standing
from jepa.tasks.store import TaskStore
from jepa.tasks.task import Task
from jepa.tasks.watching import Tell, Watching

MOST: Final = 8
"""Tasks that stand at a time and may change something."""
MOST_TOLD: Final = 32
MOST_TOLD_A_USER: Final = 8
"""Watches that only tell: they need no grant, so nobody may take all the room."""
STEP_S: Final = 1.0
STOP_S: Final = 15.0
"""How long a stop waits until everything is taken back; what is left ends with its lease."""
_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)


def connect_actuator() -> ActuatorClient:
    """The actuator's socket."""
    from jepa.actions.actuator.connect import connect

    return connect()


class StandingTasks:
    """All tasks of this machine. Its methods may be called from any thread."""

    def __init__(
        self,
        store: TaskStore,
        planning: TaskPlanning,
        plans: Plans,
        view: ActuatorView,
        connect: Callable[[], ActuatorClient] = connect_actuator,
        wall_ns: Callable[[], int] = time.time_ns,
        give_way: Callable[[bool], None] = lambda acts: None,
        circumstances: Circumstances | None = None,
        tell: Tell = lambda kind, unit, detail, severity: None,
        each_second: Callable[[], None] = lambda: None,
    ) -> None:
        """``give_way`` is told each second whether any task has changes in force.

        ``circumstances`` are what conditions look at, ``tell`` makes an event, and ``each_second`` is called
        while any task stands.
        """
        self._circumstances, self._tell, self._each_second = circumstances, tell, each_second
        self._give_way = give_way
        self._store, self._planning, self._plans, self._view = store, planning, plans, view
        self._connect, self._wall_ns = connect, wall_ns
        self._clock = HostClock()
        self._hands = self._new_hands()
        self._standing: dict[str, Standing | Watching] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopped = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Go on with the tasks that stood when jepad ended, and take back what a crash may have left."""
        since_ns = self._wall_ns() - int(2 * LEASE_S * 1e9)
        for task in self._store.all():
            if task.active or (task.ended_ns or 0) > since_ns:
                try:
                    self._add(self._new(task))
                except JepaError as error:  # of a spec that an earlier version took
                    self._store.put(task.ended(error.problem, self._wall_ns()) if task.active else task)

    def stop(self) -> None:
        """Take everything back; the tasks stand on when jepad starts again."""
        self._stopped = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(STOP_S)
        self._store.close()

    def accept(self, wanted: TaskRequest, uid: int) -> dict[str, Any]:
        """Have a task stand for user ``uid``, with a grant of theirs. JepaError: 403, 409, 422 or 429."""
        import json

        from jepa.tasks.spec import parse_spec

        meant = parse_spec(json.dumps(wanted.spec))
        spec = meant.model_dump(mode="json", exclude_none=True)
        check_condition(spec)
        if not _ID.fullmatch(wanted.task):
            raise JepaError("The id of a task is up to 32 letters and digits.", "Give another.", status=422)
        only_tells = spec["intent"] == "watch" and spec.get("operation") is None
        if not only_tells:
            self._require_grant(wanted, uid)
        elif wanted.grant:
            raise JepaError("To tell something needs no grant.", "Leave the grant empty.", status=422)
        now_ns = self._wall_ns()
        until = spec.get("until")
        task = Task(
            id=wanted.task,
            spec=spec,
            grant=wanted.grant,
            uid=uid,
            since_ns=now_ns,
            until_ns=now_ns + int(seconds(until) * 1e9) if until else None,
        )
        standing, goal = self._new(task), None
        if wanted.plan:
            plan = self._plans.get(wanted.plan)
            if parse_spec(json.dumps(plan["spec"])) != meant:
                raise JepaError("The plan was made for another task spec.", "Make it anew.", status=409)
            standing.begin_with(plan)
            goal = self._plans.goal(wanted.plan)
        with self._lock:
            if self._store.get(task.id) is not None:
                raise JepaError(f"There is a task {task.id} already.", "Give it another id.", status=409)
            alike = [
                each.task
                for each in self._standing.values()
                if each.task.active and (not each.task.grant) == only_tells
            ]
            own = sum(each.uid == uid for each in alike)
            if len(alike) >= (MOST_TOLD if only_tells else MOST) or (only_tells and own >= MOST_TOLD_A_USER):
                raise JepaError(
                    f"{len(alike)} such tasks stand already, {own} of them yours.",
                    "End one: `jepa tasks`.",
                    status=429,
                )
            self._store.put(task)
        self._planning.begin_with(task, goal)
        self._add(standing)
        return self._out(task)

    def end(self, task_id: str, uid: int) -> dict[str, Any]:
        """End a task for user ``uid`` and take back what it did. JepaError: 403, 404 or 409."""
        task = self._known(task_id)
        if uid not in (0, task.uid):
            raise JepaError(
                f"The task {task_id} is of user {task.uid}.",
                "Only they and root end it; anybody may revoke its grant: `jepa grants revoke`.",
                status=403,
            )
        with self._lock:
            standing = self._standing.get(task_id)
        if standing is None or not standing.task.active:
            raise JepaError(f"The task {task_id} has ended already. {task.why}", "", status=409)
        standing.end(f"User {uid} ended it.")
        self._wake.set()
        return self._out(standing.task)

    def all(self) -> list[dict[str, Any]]:
        """Every task that is known, the oldest first."""
        return [self._out(self._now(task)) for task in self._store.all()]

    def detail(self, task_id: str) -> dict[str, Any]:
        """One task with its changes, the newest first. JepaError (404)."""
        task = self._out(self._now(self._known(task_id)))
        return {"task": task, "history": self._view.of_task(task_id)}

    def part(self) -> Part:
        """Whether tasks are kept, and how many stand."""
        if self._store.fault:
            return Part(
                name="tasks",
                state="degraded",
                reason=self._store.fault,
                remedy="They stand until jepad ends; free space or fix the directory's owner.",
            )
        active = [each for each in self._snapshot() if each.task.active]
        if not active:
            return Part(name="tasks", state="ok", reason="None stands.")
        said = f"{len(active)} stand{'s' * (len(active) == 1)}, "
        said += f"{sum(len(each.in_force) for each in active)} changes of theirs in force."
        for each in active:
            found = each.task.benefit
            if found.interval is not None:
                low, high = found.interval
                said += f" {each.task.id} saves {low:.3f} .. {high:.3f} of its energy"
                said += f", by {found.windows} hold-out windows."
        held = [each.task.id for each in active if each.hold_out_since_s is not None]
        if held:
            said += f" Hold-out window of {', '.join(held)}: nothing is done for it for ten seconds."
        return Part(name="tasks", state="ok", reason=said)

    def _require_grant(self, wanted: TaskRequest, uid: int) -> None:
        hands = self._new_hands()
        try:
            grant = hands.grant(wanted.grant)
        finally:
            hands.close()
        if grant is None or grant.task != wanted.task or grant.daemon != DAEMON:
            raise JepaError(
                f"No grant {wanted.grant[:40]!r} for the task {wanted.task} is in force.",
                "`jepa do` gives one; `jepa grants list` shows those there are.",
                status=403,
            )
        if uid not in (0, grant.uid):
            raise JepaError(
                f"The grant {grant.id} was given by user {grant.uid}.",
                "Only they and root can use it for a task.",
                status=403,
            )

    def _known(self, task_id: str) -> Task:
        found = self._store.get(task_id)
        if found is None:
            raise JepaError(
                f"There is no task {task_id[:40]!r}.", "`jepa tasks` lists those there are.", status=404
            )
        return found

    def _now(self, task: Task) -> Task:
        """The task as it stands: what is kept may be a minute old."""
        with self._lock:
            standing = self._standing.get(task.id)
        return task if standing is None else standing.task

    def _out(self, task: Task) -> dict[str, Any]:
        """As ``TaskOut`` describes it."""
        with self._lock:
            standing = self._standing.get(task.id)
        benefit = task.benefit
        return {
            "id": task.id,
            "spec": dict(task.spec),
            "grant": task.grant,
            "uid": task.uid,
            "state": task.state.value,
            "since": task.since_ns,
            "until": task.until_ns,
            "ended": task.ended_ns,
            "why": task.why,
            "plans": task.plans,
            "changes": task.changes,
            "changes_last_minute": 0 if standing is None else standing.changes_in_the_last_minute,
            "settled": standing is None or standing.settled,
            "waits": "" if standing is None else standing.waits,
            "hold_out": standing is not None and standing.hold_out_since_s is not None,
            "in_force": [
                {
                    "id": each.id,
                    "action": each.action,
                    "target": each.target,
                    "from": each.inverse,
                    "to": each.new,
                    "left_s": left_s(each),
                }
                for each in (() if standing is None else standing.in_force)
            ],
            "benefit": {
                "with": benefit.taken,
                "without": benefit.without,
                "windows": benefit.windows,
                "interval": benefit.interval,
            },
            "left": [list(each) for each in task.left],
            "notes": list(task.notes),
        }

    def _new(self, task: Task) -> Standing | Watching:
        """JepaError (409) where nothing can be seen of its condition."""
        seen = self._circumstances
        conditional = condition_of(task.spec) is not None
        if conditional and seen is None:
            raise JepaError("Conditions are not watched here.", "Leave the condition out.", status=409)
        if task.spec["intent"] == "watch" and seen is not None:
            return Watching(
                task,
                seen,
                self._hands,
                lambda **what: make(self._clock, **what),
                self._store.put,
                self._tell,
                self._clock.boottime_s,
            )
        condition = WatchedCondition(task.spec, seen, task.since_ns) if conditional and seen else None
        return Standing(
            task,
            self._planning,
            self._hands,
            lambda **what: make(self._clock, **what),
            self._store.put,
            self._clock.boottime_s,
            self._wall_ns,
            SystemRandom(),
            condition.look if condition is not None else lambda now_s: True,
        )

    def _new_hands(self) -> ActuatorTaskHands:
        return ActuatorTaskHands(self._connect, self._view, self._clock, self._wall_ns)

    def _add(self, standing: Standing | Watching) -> None:
        with self._lock:
            self._standing[standing.task.id] = standing
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="tasks", daemon=True)
                self._thread.start()
        self._wake.set()

    def _snapshot(self) -> list[Standing | Watching]:
        with self._lock:
            return list(self._standing.values())

    def _run(self) -> None:
        while not self._stopped:
            self._wake.wait(STEP_S if self._standing else None)
            self._wake.clear()
            for standing in self._snapshot():
                if not self._stopped:
                    self._step(standing)
            self._each_second()
            self._give_way(any(each.in_force for each in self._snapshot()))
            if not self._standing:
                self._hands.close()  # so that the actuator may end, too
        for standing in self._snapshot():
            standing.suspend()
        self._hands.close()

    def _step(self, standing: Standing | Watching) -> None:
        try:
            standing.step()
        except Exception as error:  # a bug in one task ends neither the others nor jepad
            said = f"{type(error).__name__}: {error}"
            print(f"jepad: task {standing.task.id}: {said}", file=sys.stderr, flush=True)
            if not standing.task.active:  # nor can it end: what is in force does, with its lease
                self._drop(standing)
                return
            standing.task = standing.task.ended(f"jepad failed because of a bug: {said}.", self._wall_ns())
        if standing.over:
            self._drop(standing)

    def _drop(self, standing: Standing | Watching) -> None:
        """A task that is over is known, but no longer stepped."""
        with self._lock:
            self._store.put(standing.task)
            self._standing.pop(standing.task.id, None)
        self._planning.forget(standing.task.id)
