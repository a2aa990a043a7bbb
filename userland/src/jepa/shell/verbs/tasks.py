# SPDX-License-Identifier: Apache-2.0
"""`jepa tasks`: what stands, how it fares, and its end."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from jepa.actions.catalogue import action_type
from jepa.actions.values import shown
from jepa.shell.durations import duration
from jepa.shell.output import Colour, Output
from jepa.shell.request import Request
from jepa.shell.usage import UsageError
from jepa.tasks.conditions import in_words
from jepa.tasks.intents import ASKED

END: Final = "end"
TAKEN_BACK_S: Final = 60.0
"""How long to wait until all that a task did is taken back."""
STATES: "dict[str, Colour]" = {"active": "green", "ended": "dim", "refused": "red"}
HEAD = ("id", "intent", "targets", "since", "until", "state", "in force", "benefit")


def run(request: Request) -> int:
    """List the tasks, show one, or end one; 1 when not all of it could be taken back."""
    out = request.out
    match request.args.words:
        case []:
            tasks = request.client.tasks()
            out.data(tasks) if out.json else _list(out, tasks)
        case [word, task_id] if word == END:
            return _end(request, task_id)
        case [task_id] if task_id != END:
            detail = request.client.task(task_id)
            out.data(detail) if out.json else describe(out, detail)
        case _:
            raise UsageError("One task is wanted.", "`jepa tasks ID` or `jepa tasks end ID`.", status=400)
    return 0


def _end(request: Request, task_id: str) -> int:
    out = request.out
    request.client.end_task(task_id)
    until = time.monotonic() + TAKEN_BACK_S
    detail = wait(request, task_id, lambda task: task["state"] != "active" and not task["in_force"], until)
    if out.json:
        out.data(detail)
    else:
        describe(out, detail)
    return 1 if detail["task"]["in_force"] else 0


def wait(
    request: Request, task_id: str, done: Callable[[dict[str, Any]], bool], until: float
) -> dict[str, Any]:
    """The task with its changes once it is ``done``, or the monotonic clock says ``until``."""
    while True:
        detail = request.client.task(task_id)
        if done(detail["task"]) or time.monotonic() >= until:
            return detail
        time.sleep(0.5)


def _list(out: Output, tasks: Sequence[dict[str, Any]]) -> None:
    if not tasks:
        out.line("No task stands. `jepa do --spec FILE` has one stand.")
        return
    rows = [
        (
            task["id"],
            task["spec"]["intent"],
            ", ".join(task["spec"].get("targets") or ()) or "-",
            _when(task["since"]),
            _when(task["until"]) or "`tasks end`",
            "hold-out" if task["hold_out"] else "waits" if task["waits"] else task["state"],
            str(len(task["in_force"])),
            "-" if task["spec"]["intent"] in ASKED else _benefit(task["benefit"]),
        )
        for task in tasks
    ]
    out.table([HEAD, *rows])


def describe(out: Output, detail: dict[str, Any]) -> None:
    """All about one task, for a person."""
    task = detail["task"]
    spec = task["spec"]
    targets = " ".join(spec.get("targets") or ())
    state = out.coloured(task["state"], STATES[task["state"]])
    out.line(f"task {task['id']}  {state}  {spec['intent']} {targets}".rstrip())
    if task["why"]:
        out.line(f"  {task['why']}")
    until = f", until {_when(task['until'])}" if task["until"] else ""
    grant = f"grant {task['grant']}" if task["grant"] else "it changes nothing, and has no grant"
    out.line(f"  since {_when(task['since'])}{until}; {grant}")
    when = in_words(spec)
    if task["waits"]:
        out.line(f"  Nothing is in force until {task['waits']}.")
    elif when:
        out.line(f"  {'Watches whether' if spec['intent'] == 'watch' else 'Acts while'} {when}.")
    lately = task["changes_last_minute"]
    out.line(f"  {task['plans']} plans, {task['changes']} changes, {lately} in the last minute")
    if spec["intent"] not in ASKED:
        out.line(f"  {_benefit(task['benefit'])}")
    if task["hold_out"]:
        out.line("  A hold-out window: its changes are taken back for ten seconds, to see what they bring.")
    for change in task["in_force"]:
        left = "" if change["left_s"] is None else f", for {duration(change['left_s'])} unless renewed"
        out.line(f"  in force: {_words(change)}{left}")
    for note in task["notes"]:
        out.line(f"  {note}")
    for row in detail["history"][:20]:
        out.line(f"  {_when(row['ts'])}  {row['id']}  {_words(row)}  {row['state']}")
        for name, (low, middle, high) in row["predicted"].items():
            came = row["observed"].get(name)
            seen = "" if came is None else f", came {came:.3g}"
            out.line(f"    {name}: predicted {middle:.3g} ({low:.3g} .. {high:.3g}){seen}")


def _words(change: dict[str, Any]) -> str:
    kind = action_type(change["action"])
    old, new = shown(kind, change["from"]), shown(kind, change["to"])
    return f"{change['action']} {change['target']} {old} -> {new}"


def _benefit(benefit: dict[str, Any]) -> str:
    if not benefit["windows"]:
        return "benefit not measured yet"
    said = f"energy {benefit['with']:.3f} with, {benefit['without']:.3f} without"
    if benefit["interval"] is not None:
        said += f", saves {benefit['interval'][0]:.3f} .. {benefit['interval'][1]:.3f}"
    return f"{said} ({benefit['windows']} hold-outs)"


def _when(ns: int | None) -> str:
    if ns is None:
        return ""
    at = time.localtime(ns / 1e9)
    today = at[:3] == time.localtime()[:3]
    return time.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M", at)
