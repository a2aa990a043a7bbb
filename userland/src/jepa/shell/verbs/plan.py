# SPDX-License-Identifier: Apache-2.0
"""`jepa plan`: what to change for a task, drawn as the world model imagines it; changes nothing."""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jepa.actions.catalogue import action_type
from jepa.actions.values import shown as shown_value
from jepa.errors import JepaError
from jepa.shell.formatting import Interval, quantity
from jepa.shell.request import Request
from jepa.shell.usage import UsageError

if TYPE_CHECKING:
    from jepa.service.api import FrameOut
    from jepa.shell.output import Colour, Output

PAST_S: Final = 30
ROWS: Final = 4
DRAWN: Final = 3
"""Channels that are drawn."""
LARGEST: Final = 65536
WORDS: "dict[str, tuple[str, Colour]]" = {
    "allow": ("nothing to do", "green"),
    "ask": ("needs consent", "yellow"),
    "deny": ("refused", "red"),
}
"""What a verdict is called, and its colour."""


def run(request: Request) -> int:
    """Show the plan; 1 where nothing can be planned for the task."""
    plan = made(request, spec_text(request))
    if request.out.json:
        request.out.data(plan)
    else:
        show(request, plan)
    return 1 if plan["verdict"]["decision"] == "deny" else 0


def spec_text(request: Request) -> str:
    """The task spec that the command line names or says, as JSON; UsageError when it cannot be read."""
    text = " ".join(getattr(request.args, "text", ()))
    if bool(text) == (request.args.spec is not None):
        raise UsageError(
            "One sentence is wanted, or --spec with a task spec.",
            f'Try jepa {request.args.verb} "free memory".',
        )
    if text:
        from jepa.shell.sentence import spec_of  # a task spec needs no grammar

        return json.dumps(spec_of(request, text))
    if request.prompt and request.args.spec == "-":
        raise UsageError("At the prompt standard input is the prompt's.", "Name a file.", status=400)
    return _read(request.args.spec)


def made(request: Request, spec: str) -> dict[str, Any]:
    """A plan for ``spec``; UsageError for a malformed one, JepaError where none can be made."""
    try:
        plan = request.client.plan(spec)
    except JepaError as error:
        if error.status == 422:
            raise UsageError(error.problem, error.remedy, status=422) from error
        raise
    if request.conversation is not None and request.args.spec is None:
        request.conversation.planned(plan)
    return plan


def show(request: Request, plan: dict[str, Any]) -> None:
    """What ``plan`` would do, for a person."""
    past = request.client.frames(limit=PAST_S)
    if request.listener is not None:
        request.listener.planned(plan, past)
    else:
        _show(request.out, plan, past)


def _read(name: str) -> str:
    try:
        if name == "-":
            text = sys.stdin.read(LARGEST + 1)
        else:
            with Path(name).open(encoding="utf-8") as file:
                text = file.read(LARGEST + 1)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"The task spec {name} cannot be read: {reason}.", "Name a JSON file.") from error
    if len(text) > LARGEST:
        raise UsageError(
            f"The task spec is longer than {LARGEST} characters.", "Leave out what it need not say."
        )
    try:
        json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"The task spec is no JSON: {error}.", 'For instance {"intent": "prioritize"}.'
        ) from error
    return text


def _show(out: "Output", plan: dict[str, Any], past: "list[FrameOut]") -> None:
    verdict = plan["verdict"]
    word, colour = WORDS[verdict["decision"]]
    out.line(f"plan {plan['id']}  {out.coloured(word, colour)}")
    for step in steps(plan, "→" if out.unicode else "->"):
        out.line(f"  {step}")
    for reason in verdict["reasons"]:
        out.line(f"  {reason}")
    if plan["steps"] and plan["imagined"]["windows"]:
        out.line(f"  {energy(plan)}")
    for name in list(plan["imagined"]["windows"])[:DRAWN]:
        _draw(out, name, plan, past)


def steps(plan: Mapping[str, Any], arrow: str = "->") -> Iterator[str]:
    """The steps of ``plan``, each in one line."""
    for step in plan["steps"]:
        action = action_type(step["action"])
        old, new = (shown_value(action, step[end]) for end in ("from", "to"))
        yield f"{step['n']}. {step['action']} {step['target']}: {old} {arrow} {new}"


def energy(plan: Mapping[str, Any]) -> str:
    """How far from the goal, with the steps of ``plan`` and without."""
    found = plan["imagined"]["energy"]
    return (
        f"energy {found['without']:.3f} without, {found['with']:.3f} with: "
        f"gains {found['gain']:.3f}, at the lower end of its interval {found['gain_lower']:.3f}"
    )


def expectation(name: str, plan: Mapping[str, Any]) -> str:
    """What is expected of one channel without the steps of ``plan`` and, where there are some, with them."""
    unit = plan["imagined"]["unit"][name]
    horizon = str(plan["imagined"]["horizon_s"])
    window = plan["imagined"]["windows"][name][horizon]
    said = "; ".join(
        f"{which} {quantity(window[which][1], unit)} "
        f"({quantity(window[which][0], unit)} .. {quantity(window[which][2], unit)})"
        for which in (("without", "with") if plan["steps"] else ("without",))
    )
    return f"{name}, next {horizon} s: {said}"


def _draw(out: "Output", name: str, plan: dict[str, Any], past: "list[FrameOut]") -> None:
    """One channel: its past, and what is imagined without the steps and, where there are some, with them."""
    # The screen's strips, as plain cells: they need numbers, and no terminal.
    from jepa.shell.tui.draw import Column, Glyphs, draw, nice_top, peak
    from jepa.shell.tui.series import fan

    unit = plan["imagined"]["unit"][name]
    windows = plan["imagined"]["windows"][name]
    seconds = max(map(int, windows))
    values = [frame.values.get(name) for frame in past]
    seen = [float("nan") if value is None else value for value in values]
    now = seen[-1] if seen else float("nan")
    before = [Column((value,)) for value in [float("nan")] * (PAST_S - len(seen)) + seen]
    strips = {}
    for which in ("without", "with") if plan["steps"] else ("without",):
        bands = {int(horizon): Interval(*window[which]) for horizon, window in windows.items()}
        strips[which] = [*before, *(Column(band=band, ahead=True) for band in fan(bands, now, seconds))]
    most = 100.0 if unit == "%" else 0.0
    top = nice_top(max(map(peak, strips.values())), 0.0, 1e-6, most)
    out.line()
    out.line(expectation(name, plan))
    for which, columns in strips.items():
        glyphs = Glyphs.BLOCK if out.unicode else Glyphs.ASCII
        grid = draw(columns, ROWS, 0.0, top, glyphs)
        for row, cells in enumerate(grid):
            scale = quantity(top, unit) if row == 0 else "0" if row == ROWS - 1 else ""
            drawn = "".join(cell.char for cell in cells)
            mark = "│" if out.unicode else "|"
            out.line(
                f"{which if row == 0 else '':>8} {scale:>9} {drawn[:PAST_S]}{mark}{drawn[PAST_S:]}".rstrip()
            )
