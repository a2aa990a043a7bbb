# SPDX-License-Identifier: Apache-2.0
"""Brings the tasks of standing goals in line with which are kept and how autonomous the machine may be."""

import contextlib
import json
import os
from collections.abc import Collection, Mapping
from typing import Any, Final

from jepa.errors import JepaError
from jepa.service.api import TaskRequest
from jepa.shell.request import Request
from jepa.tasks.granting import grant_for
from jepa.tasks.kept_goals import GOALS, StandingGoal
from jepa.tasks.task import GOAL_PREFIX, goal_of

_WHY_NOT: Final = {
    "off": "the autonomy is off",
    "advise": "the autonomy is advise: events say what would be done",
    "ask": "it waits for `jepa autonomy --approve {name}`",
}


def settle(
    request: Request, mode: str, kept: Mapping[str, str], approved: Collection[str] = ()
) -> list[dict[str, Any]]:
    """Have the tasks stand that should, end the others, and say how each goal stands."""
    tasks, failed = _standing(request), {}
    for name, task in tasks.items():
        changed = name in kept and task["spec"] != _meant(GOALS[name], kept[name], task["spec"])
        if changed or not _should(name, mode, kept, approved, stands=True):
            request.client.end_task(task["id"])
    for name, between in kept.items():
        stands = name in tasks and tasks[name]["spec"] == _meant(GOALS[name], between, tasks[name]["spec"])
        if not stands and _should(name, mode, kept, approved, stands=False):
            try:
                _begin(request, GOALS[name], between)
            except JepaError as error:
                failed[name] = error.problem
    return rows(request, mode, kept, failed)


def rows(
    request: Request, mode: str, kept: Mapping[str, str], failed: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    """How each goal stands; ``failed`` says why a task could not be begun."""
    tasks = _standing(request) if kept else {}
    found = []
    for name, goal in GOALS.items():
        task = tasks.get(name)
        why = "" if task else "it is not kept"
        if name in kept and task is None:
            default = "no task stands; `jepa autonomy` with the mode tries again"
            why = (failed or {}).get(name) or _WHY_NOT.get(mode, default).format(name=name)
        found.append(
            {
                "goal": name,
                "summary": goal.summary,
                "kept": name in kept,
                "between": kept.get(name, ""),
                "task": task["id"] if task else None,
                "why": why,
            }
        )
    return found


def _standing(request: Request) -> dict[str, dict[str, Any]]:
    """The tasks that stand for goals, by the goal."""
    active = [task for task in request.client.tasks() if task["state"] == "active"]
    return {name: task for task in active if (name := goal_of(task["id"])) in GOALS}


def _meant(goal: StandingGoal, between: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    """``spec`` with what the goal says now: a schedule may have been changed."""
    return {**spec, **goal.spec_between(between)}


def show(request: Request, found: Collection[Mapping[str, Any]]) -> None:
    """Each goal in two lines."""
    for row in found:
        state = f"task {row['task']}" if row["task"] else row["why"]
        between = f", {row['between']}" if row["between"] else ""
        request.out.line(f"{row['goal']}{between}: {state}")
        request.out.line(f"  {row['summary']}")


def _should(
    name: str, mode: str, kept: Mapping[str, str], approved: Collection[str], *, stands: bool
) -> bool:
    """Whether a task should stand for it: to tell needs no more than to be kept."""
    if name not in kept or mode == "off":
        return False
    if GOALS[name].only_tells or mode == "auto":
        return True
    return mode == "ask" and (stands or name in approved)


def _begin(request: Request, goal: StandingGoal, between: str) -> dict[str, Any]:
    """A task for ``goal``, with a grant where it may change something. JepaError says why not."""
    plan = request.client.plan(json.dumps(goal.spec_between(between)))
    if plan["verdict"]["decision"] == "deny" or (not plan["settable"] and not goal.only_tells):
        reasons = " ".join(plan["verdict"]["reasons"])
        raise JepaError(f"There is nothing that a task could set. {reasons}", "", status=409)
    task_id = f"{GOAL_PREFIX}{goal.name}-{os.urandom(2).hex()}"
    granted = request.actuator.grant(grant_for(task_id, plan)) if plan["settable"] else ""
    try:
        return request.client.start_task(
            TaskRequest(task=task_id, grant=granted, spec=plan["spec"], plan=plan["id"])
        )
    except BaseException:
        with contextlib.suppress(JepaError):
            if granted:
                request.actuator.revoke(granted)
        raise
