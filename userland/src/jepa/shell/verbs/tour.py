# SPDX-License-Identifier: Apache-2.0
"""`jepa tour`: the first two minutes, shown on this machine by the verbs themselves; changes nothing."""

import shlex
import textwrap
from typing import Final, NamedTuple

from jepa.errors import JepaError
from jepa.shell.arguments import verb
from jepa.shell.consent import can_ask
from jepa.shell.parser import parse
from jepa.shell.request import Request
from jepa.shell.verbs import perform


class TourStep(NamedTuple):
    """What is shown, and the command that shows it."""

    text: str
    words: tuple[str, ...]


STEPS: Final = (
    TourStep("Each second JEPA OS reads what the kernel counts. What it reads, and the cost:", ("status",)),
    TourStep(
        "From the last two minutes its world model forecasts the next. Nine times in ten the mean should "
        "lie within the band:",
        ("forecast", "cpu"),
    ),
    TourStep(
        "It says why the machine is as it is, after a look of some seconds. Each claim names its source and "
        "the command that shows the number:",
        ("explain",),
    ),
    TourStep(
        "Say in plain words what you want. What is understood is shown first, and nothing is done yet:",
        ("parse", "free memory but not the database, for an hour"),
    ),
    TourStep(
        "Before a change is made it is imagined, beside doing nothing, which is often the better plan:",
        ("plan", "keep the foreground fast"),
    ),
    TourStep(
        "A change says what it was and what takes it back. This one is only tried; without --dry-run it is "
        "made:",
        ("act", "vm.swappiness", "10", "--for", "1h", "--dry-run"),
    ),
    TourStep("What was changed, by whom and why; `jepa undo` takes it back:", ("history",)),
    TourStep("The day's receipt: what was predicted, what was done, what jepa itself used:", ("today",)),
)
WIDEST: Final = 80
END: Final = (
    "That was the tour. `jepa` opens the shell; type there what you want, or a verb.",
    "`jepa --help` lists the verbs, `jepa VERB --help` has examples.",
)


def run(request: Request) -> int:
    """Show each step; at a terminal after a key press. JepaError where jepad cannot be asked at all."""
    out = request.out
    if out.json:
        out.data([{"text": step.text, "command": _command(step)} for step in STEPS])
        return 0
    for number, step in enumerate(STEPS, 1):
        for line in textwrap.wrap(f"{number} of {len(STEPS)}. {step.text}", min(out.width, WIDEST)):
            out.line(line)
        out.line()
        out.line(f"$ {_command(step)}")
        _show(request, step, first=number == 1)
        out.line()
        if can_ask(request) and not _goes_on(request):
            return 0
    for line in END:
        out.line(line)
    return 0


def _command(step: TourStep) -> str:
    return shlex.join(("jepa", *step.words))


def _show(request: Request, step: TourStep, *, first: bool) -> None:
    """What the step's command answers; where it cannot, why, for the other steps may."""
    given, chosen = vars(request.args), verb(step.words[0])
    options = ["--local"] if "local" in given else []
    if given.get("socket") is not None and chosen.asks_service:
        options += ["--socket", str(given["socket"])]
    shown = Request(
        parse([*options, *step.words]),
        request.out,
        lambda: request.client,
        prompt=request.prompt,
        reach=request.reach,
    )
    try:
        perform(shown)
    except JepaError as error:
        if first:
            raise
        request.out.line(f"Not on this machine now: {error.problem} {error.remedy}".rstrip())


def _goes_on(request: Request) -> bool:
    request.out.flush()
    try:
        return input("Enter goes on, q ends the tour: ").strip().lower() not in ("q", "quit")
    except EOFError:
        return False
