# SPDX-License-Identifier: Apache-2.0
"""`jepa autonomy`: how far this machine may mend itself: off, advise, ask or auto."""

from typing import Final

from jepa.healing.mode import FILE, ModeFile, write_mode
from jepa.shell.request import Request

TASK: Final = "healing"
ACTIONS: Final = (
    "unit.restart",
    "unit.start",
    "unit.stop",
    "unit.freeze",
    "unit.thaw",
    "cpu.max",
    "cpu.weight",
    "memory.high",
    "memory.reclaim",
    "pids.max",
    "io.wbps",
    "process.pause",
    "process.resume",
    "process.terminate",
    "process.kill",
)
"""What the rungs of healing's ladder use."""
MEANS: Final = {
    "off": "Nothing is watched for, and nothing is mended.",
    "advise": "What is broken is told, with what would mend it.",
    "ask": "What would mend it waits for a person's consent.",
    "auto": "What is broken is mended within the grant, and told.",
}


def run(request: Request) -> int:
    """Show the mode, or set it: with auto a grant is given, with any other it ends."""
    mode, out = request.args.mode, request.out
    if mode is not None:
        held = [str(grant["id"]) for grant in request.actuator.grants() if grant.get("task") == TASK]
        if mode == "auto" and not held:
            actions = [action for action in ACTIONS if action in _known()]
            request.actuator.grant({"task": TASK, "actions": actions, "targets": ["*"], "rate_per_hour": 60})
        write_mode(mode)
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


def _known() -> set[str]:
    from jepa.actions.catalogue import catalogue

    return set(catalogue())
