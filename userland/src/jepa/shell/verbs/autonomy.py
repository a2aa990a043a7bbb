# SPDX-License-Identifier: Apache-2.0
"""`jepa autonomy`: how far this machine may repair itself: off, advise, ask or auto."""

from typing import Final

from jepa.healing.mode import FILE, ModeFile, write_mode
from jepa.shell.request import Request

TASK: Final = "healing"
DAEMON: Final = "jepa-healing.service"
MEANS: Final = {
    "off": "Faults are not watched for.",
    "advise": "Faults are reported, each with the action that would repair it.",
    "ask": "The action that would repair a fault waits for a person's consent.",
    "auto": "Faults are repaired within the grant, and reported.",
}


def run(request: Request) -> int:
    """Show the mode, or set it: with auto a grant is given, with any other it ends."""
    mode, out = request.args.mode, request.out
    if mode is not None:
        held = [str(grant["id"]) for grant in request.actuator.grants() if grant.get("task") == TASK]
        if mode == "auto" and not held:
            request.actuator.grant(
                {
                    "task": TASK,
                    "daemon": DAEMON,
                    "actions": _actions(),
                    "targets": ["*"],
                    "rate_per_hour": 60,
                }
            )
        write_mode(mode, FILE)
        for grant in held if mode != "auto" else ():
            request.actuator.revoke(grant)
    read = ModeFile(FILE)
    now = read()
    if out.json:
        out.data({"mode": now, "fault": read.fault})
    else:
        out.line(f"{now}: {MEANS[now]}")
        if read.fault:
            out.line(read.fault)
    return 0


def _actions() -> list[str]:
    """What the rungs of all ladders use, as far as the catalogue has it."""
    from jepa.actions.catalogue import catalogue
    from jepa.healing.ladder import load

    return sorted(frozenset().union(*(ladder.actions for ladder in load().values())) & set(catalogue()))
