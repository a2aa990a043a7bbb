# SPDX-License-Identifier: Apache-2.0
"""`jepa autonomy`: how far this machine may repair itself: off, advise, ask or auto."""

from collections.abc import Sequence
from typing import Any, Final

from jepa.errors import JepaError
from jepa.healing.healer import TASK
from jepa.healing.mode import FILE, ModeFile, write_mode
from jepa.shell import standing_goals
from jepa.shell.request import Request
from jepa.tasks import kept_goals
from jepa.tasks.kept_goals import GOALS, KeptGoals

DAEMON: Final = "jepa-healing.service"
MEANS: Final = {
    "off": "Faults are not watched for.",
    "advise": "Faults are reported, each with the action that would be tried first.",
    "ask": "As advise, and a fault is repaired once a person has approved its unit.",
    "auto": "Faults are repaired within the grant, and reported.",
}


def run(request: Request) -> int:
    """Show the mode, set it, or approve repairs: auto gives a grant for all, an approval one for a unit.

    Whatever mode is set, the grants of before end.
    """
    mode, out = request.args.mode, request.out
    goals = [each for each in request.args.approve if each in GOALS]
    approved = [each for each in request.args.approve if each not in GOALS]
    read = ModeFile(FILE)
    if request.args.approve and (mode or read()) != "ask":
        raise JepaError(
            f"The mode is {mode or read()}, in which nothing waits for approval.", "Set `jepa autonomy ask`."
        )
    if mode is not None:
        held = [str(grant["id"]) for grant in request.actuator.grants() if grant.get("task") == TASK]
        if mode == "auto":
            request.actuator.grant(_grant(["*"]))
        write_mode(mode, FILE)
        for grant in held:
            request.actuator.revoke(grant)
    if approved:
        request.actuator.grant(_grant(approved))
    now, kept = read(), KeptGoals(kept_goals.FILE)()
    if unkept := [each for each in goals if each not in kept]:
        raise JepaError(f"{unkept[0]} is not kept.", f"`jepa goal keep {unkept[0]}` keeps it.", status=409)
    stand = standing_goals.settle(request, now, kept, goals) if kept and (mode or goals) else []
    if out.json:
        out.data({"mode": now, "fault": read.fault} | ({"goals": stand} if stand else {}))
    else:
        out.line(f"{now}: {MEANS[now]}")
        if read.fault:
            out.line(read.fault)
        standing_goals.show(request, [row for row in stand if row["kept"]])
    return 0


def _grant(targets: Sequence[str]) -> dict[str, Any]:
    return {
        "task": TASK,
        "daemon": DAEMON,
        "actions": _actions(),
        "targets": list(targets),
        "rate_per_hour": 60,
    }


def _actions() -> list[str]:
    """What the rungs of all ladders use, as far as the catalogue has it."""
    from jepa.actions.catalogue import catalogue
    from jepa.healing.ladder import load

    return sorted(frozenset().union(*(ladder.actions for ladder in load().values())) & set(catalogue()))
