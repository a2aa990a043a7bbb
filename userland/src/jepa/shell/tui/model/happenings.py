# SPDX-License-Identifier: Apache-2.0
"""Events, and what is wrong with parts of the service, as lines for people."""

import time
from collections.abc import Sequence
from typing import Final

from jepa.service.api import EventOut, Status
from jepa.shell.tui.model.line import Line, Role, Span, cut, line

ROLES: Final[dict[str, Role]] = {
    "warning": "warn",
    "error": "bad",
    "critical": "bad",
    "debug": "muted",
}
TOGETHER: Final = 8
"""Events that stand in one block; of more the newest."""
PARTS: Final = 3
"""Parts of the service whose state is explained at the start."""


def event(each: EventOut, clock: str = "%H:%M:%S") -> Line:
    """One event: when, what, to what, and the detail."""
    at = time.strftime(clock, time.localtime(each.ts_ns / 1e9))
    parts = [
        Span(f"{at}  ", "muted"),
        Span(each.kind.replace("_", " "), ROLES.get(each.severity, "text")),
    ]
    if each.unit:
        parts += [Span("  "), Span(each.unit, "strong")]
    if each.detail:
        parts.append(Span(f"  ({each.detail})", "muted"))
    return line(*parts)


def together(before: Sequence[Line], new: Sequence[EventOut]) -> list[Line]:
    """The lines of a block of events with ``new`` ones at its end."""
    rows = [*before, *map(event, new)]
    return rows[-TOGETHER:]


def welcome(status: Status, events: Sequence[EventOut], width: int) -> list[Line]:
    """What there is to do, what is wrong with the service, and what happened of late."""
    made = [
        line(
            Span("Say what you want: "),
            Span("why is it slow?", "accent"),
            Span("  "),
            Span("limit backup to 20 % cpu for 1 h", "accent"),
        ),
        line(Span("Or a verb, such as status; Tab completes, F1 helps, ^P has every command.", "muted")),
    ]
    wrong = [part for part in status.parts if part.state in ("degraded", "failed")]
    made += [
        line(
            Span(f"{part.name} is {part.state}: ", "warn"),
            part.reason,
            Span(f" {part.remedy}", "muted"),
        )
        for part in wrong[:PARTS]
    ]
    if events:
        made.append(line(Span("Of late:", "muted")))
        made += [cut(event(each), max(width, 20)) for each in events]
    return made
