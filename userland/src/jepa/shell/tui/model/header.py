# SPDX-License-Identifier: Apache-2.0
"""The first line of the screen: host, autonomy, model, what is degraded, and how strange the machine is."""

from dataclasses import dataclass

from jepa.errors import JepaError
from jepa.probability import shown_surprise
from jepa.service.api import Status
from jepa.shell.tui.model.line import Line, Role, Span, apart, length, line

STATES: dict[str, Role] = {"ok": "good", "degraded": "warn", "failed": "bad", "off": "muted"}


@dataclass(frozen=True, slots=True)
class Health:
    """What is known of the service."""

    status: Status | None = None
    autonomy: str = ""
    """The mode in which faults are repaired; empty where it is not known."""
    lost: JepaError | None = None
    """Why the service does not answer; None while it does."""
    retry_s: float = 0.0
    held: bool = False
    """Whether the picture is held."""


def degraded(status: Status) -> list[str]:
    """Names of the parts that are degraded or failed, the failed first."""
    wrong = [part for part in status.parts if part.state in ("degraded", "failed")]
    return [part.name for part in sorted(wrong, key=lambda part: part.state != "failed")]


def header(health: Health, width: int, between: str) -> Line:
    """The line for ``width`` characters; what matters least is left out where there is no room."""
    gap = Span(between, "muted")
    if health.lost is not None:
        facts = [
            line(Span("jepa", "strong")),
            line(f"no answer, next try in {health.retry_s:.0f} s"),
            line(health.lost.problem),
        ]
        return _joined(facts, gap, width)
    if health.status is None:
        return line(Span("jepa", "strong"))
    status = health.status
    left = [line(Span(status.host or "jepa", "strong"))]
    if health.held:
        left.append(line(Span("picture held, F4 goes on", "warn")))
    if health.autonomy:
        left.append(line(Span("autonomy ", "muted"), health.autonomy))
    left.append(
        line(
            Span("model ", "muted"),
            Span(status.pack or "none", "text" if status.pack else "warn"),
        )
    )
    wrong = degraded(status)
    if wrong:
        left.append(line(Span(f"{status.state} ", STATES[status.state]), ", ".join(wrong)))
    elif status.state != "ok":
        left.append(line(Span(status.state, STATES[status.state])))
    if status.mode == "local":
        left.append(line(Span("in this process", "muted")))
    right = [line(Span("surprise ", "muted"), _surprise(status))]
    if status.context_frames < status.context_limit:
        right.append(line(Span("seen ", "muted"), f"{status.context_frames}/{status.context_limit} frames"))
    if status.missed:
        right.append(line(Span("missed ", "muted"), Span(str(status.missed), "warn")))
    joined = _joined(left, gap, width)
    return apart(joined, _joined(right, gap, max(width - length(joined) - 2, 0)), width)


def _surprise(status: Status) -> Span:
    value = status.surprise
    role: Role = "text" if value is None or value < 0.95 else "warn" if value < 0.99 else "bad"
    return Span(shown_surprise(value), role)


def _joined(facts: list[Line], between: Span, width: int) -> Line:
    """As many of ``facts`` as fit."""
    joined: Line = ()
    for fact in facts:
        longer = (*joined, between, *fact) if joined else fact
        if length(longer) > width:
            break
        joined = longer
    return joined
