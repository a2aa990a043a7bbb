# SPDX-License-Identifier: Apache-2.0
"""`jepa undo`: takes back a change, or all changes of a task, newest first."""

from jepa.actions.change import State
from jepa.actions.rows import change_row, state
from jepa.shell import changes
from jepa.shell.request import Request
from jepa.shell.usage import UsageError


def run(request: Request) -> int:
    """Take it back; 1 when a change could not be, or is somebody else's by now."""
    args, out = request.args, request.out
    if args.change and args.task:
        raise UsageError("A change and a task are named.", "Name one of them.", status=400)
    undone = request.actuator.undo(args.change, args.task)
    if out.json:
        out.data([change_row(change) for change in undone])
    elif not undone:
        out.line("Nothing of yours is in force.")
    for change in () if out.json else undone:
        word = out.coloured(state(change), changes.STATE_COLOURS[state(change)])
        detail = f": {change.detail}" if change.detail else ""
        out.line(f"{change.id}  {changes.taken_back(change)}, {word}{detail}")
    return 1 if any(change.state is State.FAILED for change in undone) else 0
