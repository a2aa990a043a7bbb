# SPDX-License-Identifier: Apache-2.0
"""`jepa goal`: capture states of the machine, list and forget them, and plan to reach one again."""

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from jepa.shell.request import Request
from jepa.shell.usage import UsageError
from jepa.shell.verbs.plan import made, show
from jepa.tasks import kept_goals
from jepa.tasks.kept_goals import KeptGoals

if TYPE_CHECKING:
    from jepa.service.api import GoalOut

HEAD: Final = ("name", "captured", "over", "user", "pack")
LONGEST_S: Final = 300
SHORTEST_S: Final = 5
_SHOWN: Final = (
    "system.cpu.utilization",
    "system.role.foreground.pressure.cpu",
    "system.role.background.cpu",
    "system.pressure.io.some",
)
"""Channels that are shown of a state."""


def run(request: Request) -> int:
    """Do what the action says; 1 where the state cannot be reached."""
    args, out = request.args, request.out
    match args.action:
        case "reach":
            plan = made(request, json.dumps({"intent": "goal_reach", "goal": args.name}))
            out.data(plan) if out.json else show(request, plan)
            return 1 if plan["verdict"]["decision"] == "deny" else 0
        case "capture":
            if not SHORTEST_S <= args.over <= LONGEST_S:
                raise UsageError(
                    f"A state is the mean of {SHORTEST_S} s to {LONGEST_S} s, not of {args.over} s.",
                    "Give --over 30s, for instance.",
                    status=400,
                )
            _tell(request, [request.client.capture_goal(args.name, args.over)])
        case "keep" | "release" | "standing":
            return _standing(request)
        case "remove":
            removed = request.client.remove_goal(args.name)
            out.data({"removed": removed.name}) if out.json else None
        case _:
            _tell(request, request.client.goals())
    return 0


def _standing(request: Request) -> int:
    """Keep a standing goal, or keep it no longer; say how each stands. 1 where one that is kept does not."""
    from jepa.healing import mode as mode_file
    from jepa.shell import standing_goals

    args, kept = request.args, KeptGoals(kept_goals.FILE)
    if args.action == "keep":
        kept.keep(args.name, args.between or "")
    elif args.action == "release":
        kept.release(args.name)
    mode = mode_file.ModeFile(mode_file.FILE)()
    if args.action == "standing":
        rows = standing_goals.rows(request, mode, kept())
    else:
        rows = standing_goals.settle(request, mode, kept())
    if kept.fault:
        request.out.line(kept.fault) if not request.out.json else None
    request.out.data(rows) if request.out.json else standing_goals.show(request, rows)
    return 1 if kept.fault else 0


def _tell(request: Request, goals: "list[GoalOut]") -> None:
    out = request.out
    if out.json:
        out.data([asdict(goal) for goal in goals])
    elif not goals:
        out.line("No state was captured. `jepa goal capture NAME` keeps what the machine is like now.")
    else:
        rows = [
            (
                goal.name,
                time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(goal.captured / 1e9)),
                f"{goal.over_s} s",
                str(goal.uid),
                goal.pack,
            )
            for goal in goals
        ]
        out.table([HEAD, *rows])
    for goal in goals if len(goals) == 1 and not out.json else ():
        for name in _SHOWN:
            if name in goal.channels:
                mean, deviation = goal.channels[name]
                out.line(f"  {name}: {mean:.4g}, give or take {deviation:.2g}")
