# SPDX-License-Identifier: Apache-2.0
"""A plan as a card: steps with tier and way back, the course imagined against doing nothing, the verdict."""

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from jepa.actions.catalogue import catalogue
from jepa.actions.values import shown as shown_value
from jepa.service.api import FrameOut
from jepa.shell.channel_names import label
from jepa.shell.formatting import Interval, quantity
from jepa.shell.tui.draw import Cell, Column, Glyphs, draw, nice_top, peak
from jepa.shell.tui.model.line import Line, Role, Span, apart, columns, cut, line
from jepa.shell.tui.series import fan

State = Literal["open", "armed", "applying", "applied", "cancelled"]
"""``armed``: one more key applies steps that are not taken back by themselves.

``applying``: it is not yet known how that ends.
"""
PLOTTED: Final = 2
"""Channels that are drawn, those whose course the plan changes most."""
PLOT_ROWS: Final = 4
SCALE: Final = 9
"""Columns left of a plot."""
PAST_SHARE: Final = 0.4
VERDICTS: Final[Mapping[str, tuple[str, Role]]] = {
    "allow": ("nothing to do", "good"),
    "ask": ("needs your consent", "warn"),
    "deny": ("refused", "bad"),
}
ENDS: Final[Mapping[str, tuple[str, Role]]] = {
    "applying": ("is being applied", "accent"),
    "applied": ("applied", "good"),
    "cancelled": ("dropped", "muted"),
}
"""What a plan is called that no longer asks for anything, and its colour."""
TIERS: Final[Mapping[str, Role]] = {"tune": "good", "disrupt": "warn", "irreversible": "bad"}


def can_apply(plan: Mapping[str, Any]) -> bool:
    """Whether there is something that may be applied."""
    return bool(plan["steps"]) and plan["verdict"]["decision"] != "deny"


def needs_second_key(plan: Mapping[str, Any]) -> bool:
    """Whether a step interrupts something or cannot be taken back: then one key is too little."""
    return any(step["tier"] != "tune" or not step["reversible"] for step in plan["steps"])


def dry_run(step: Mapping[str, Any]) -> str:
    """The line that has the guard judge one step, and changes nothing."""
    value = "" if step["to"] is None else f" {step['to']}"
    target = f" {shlex.quote(step['target'])}" if step["target"] else ""
    return f"act {step['action']}{target}{value} --dry-run"


def head(plan: Mapping[str, Any], left_s: float, state: State, width: int) -> Line:
    """How it stands with the plan on the left; on the right how long it may still be applied."""
    word, role = VERDICTS[plan["verdict"]["decision"]]
    asks = state in ("open", "armed")
    if not asks:
        word, role = ENDS[state]
    elif can_apply(plan) and left_s <= 0:
        word, role = "has expired", "warn"
    left = line(Span(f"plan {plan['id']}  ", "muted"), Span(word, role))
    if not (asks and can_apply(plan) and left_s > 0):
        return cut(left, width)
    return apart(left, line(Span(f"for {left_s:.0f} s", "muted")), width)


def steps(plan: Mapping[str, Any], width: int, unicode: bool) -> list[Line]:
    """A line a step: what, from what to what, its tier, and how it is taken back."""
    arrow = "→" if unicode else "->"
    rows: list[Sequence[Span]] = []
    for step in plan["steps"]:
        kind = catalogue().get(step["action"])
        old, new = (shown_value(kind, step[end]) for end in ("from", "to"))
        value = f"{old} {arrow} {new}" if kind is None or kind.takes_value else ""
        back = "can be taken back" if step["reversible"] else "CANNOT be taken back"
        rows.append(
            (
                Span(f"{step['n']}. {step['action']}", "strong"),
                Span(step["target"]),
                Span(value, "strong"),
                Span(step["tier"], TIERS[step["tier"]]),
                Span(back, "muted" if step["reversible"] else "bad"),
            )
        )
    if not rows:
        return []
    widths = [max(len(row[place].text) for row in rows) for place in range(5)]
    if sum(widths) + 8 > width:
        widths[4] = 0  # the tier says nearly as much
        rows = [(*row[:4], Span("" if len(row[4].text) < 18 else "!")) for row in rows]
    spare = width - sum(widths) - 8
    if spare < 0:
        widths[1] = max(widths[1] + spare, 8)
    return [cut(each, width) for each in columns(rows, widths)]


def reasons(plan: Mapping[str, Any]) -> list[Line]:
    """Why the verdict is what it is."""
    _, role = VERDICTS[plan["verdict"]["decision"]]
    return [line(Span(reason, "muted" if role != "bad" else "bad")) for reason in plan["verdict"]["reasons"]]


def expected(plan: Mapping[str, Any], width: int) -> list[Line]:
    """What is expected with the plan and without, of the channels it changes most, and its worth."""
    rows = []
    horizon = str(plan["imagined"]["horizon_s"])
    for name in changed_most(plan):
        unit = plan["imagined"]["unit"][name]
        window = plan["imagined"]["windows"][name][horizon]
        low, middle, high = window["with"]
        rows.append(
            (
                Span(label(name)),
                Span(quantity(window["without"][1], unit), "muted"),
                Span(quantity(middle, unit), "strong"),
                Span(f"({quantity(low, unit)} .. {quantity(high, unit)})", "muted"),
            )
        )
    if not rows or not plan["steps"]:
        return []
    heads = (f"in {horizon} s", "doing nothing", "with the plan", "(5 % .. 95 %)")
    table = [[Span(each, "muted") for each in heads], *rows]
    widths = [max(len(row[place].text) for row in table) for place in range(4)]
    made = [cut(each, width) for each in columns(table, widths, right=(1, 2))]
    energy = plan["imagined"]["energy"]
    least = f"at least {energy['gain_lower']:.3f} in nine of ten moments"
    gain = f"nearer to the goal by {energy['gain']:.3f}, {least}"
    made.append(cut(line(Span(gain, "good" if energy["gain_lower"] > 0 else "warn")), width))
    return made


def changed_most(plan: Mapping[str, Any]) -> list[str]:
    """The channels to speak of: by how far the plan moves the median, in widths of the band."""
    imagined = plan["imagined"]
    horizon = str(imagined["horizon_s"])

    def moved(name: str) -> float:
        window = imagined["windows"][name].get(horizon)
        if window is None or not plan["steps"]:
            return 0.0
        low, middle, high = window["without"]
        return abs(float(window["with"][1]) - float(middle)) / max(float(high) - float(low), 1e-9)

    names = [name for name in imagined["windows"] if horizon in imagined["windows"][name]]
    return sorted(names, key=moved, reverse=True)[:PLOTTED]


@dataclass(frozen=True, slots=True)
class Plot:
    """One channel twice on one scale: doing nothing, and with the plan."""

    titles: tuple[str, str]
    """Over each of the two courses, as much of what it is as there is room for."""
    top: str
    without: list[list[Cell]]
    with_: list[list[Cell]]
    """Empty where the plan has no steps."""


def plots(plan: Mapping[str, Any], past: Sequence[FrameOut], width: int, glyphs: Glyphs) -> list[Plot]:
    """The courses of the channels that change most, for cards of ``width`` columns."""
    many = 2 if plan["steps"] else 1
    room = (width - SCALE - 2 * (many - 1)) // many
    return [_plot(plan, name, past, room, glyphs) for name in changed_most(plan)] if room >= 10 else []


def _plot(plan: Mapping[str, Any], name: str, past: Sequence[FrameOut], room: int, glyphs: Glyphs) -> Plot:
    unit, windows = plan["imagined"]["unit"][name], plan["imagined"]["windows"][name]
    seconds = max(map(int, windows))
    before = int(room * PAST_SHARE)
    ahead = room - before - 1
    seen = [math.nan if (value := frame.values.get(name)) is None else value for frame in past][-before:]
    now = seen[-1] if seen else math.nan
    drawn: dict[str, list[Column]] = {}
    for which in ("without", "with") if plan["steps"] else ("without",):
        bands = {int(horizon): Interval(*window[which]) for horizon, window in windows.items()}
        course = fan(bands, now, seconds)
        picked = [course[min(round((x + 1) * seconds / ahead), seconds) - 1] for x in range(ahead)]
        drawn[which] = [
            *(Column((value,)) for value in [math.nan] * (before - len(seen)) + seen),
            Column(),
            *(Column(band=band, ahead=True) for band in picked),
        ]
    top = nice_top(max(map(peak, drawn.values())), 0.0, 1e-6, 100.0 if unit == "%" else 0.0)
    cells = {which: draw(course, PLOT_ROWS, 0.0, top, glyphs) for which, course in drawn.items()}
    for rows in cells.values():
        for row in rows:
            row[before] = Cell("|" if glyphs is Glyphs.ASCII else "│", "now", False)
    return Plot(
        _titles(label(name), seconds, room), quantity(top, unit), cells["without"], cells.get("with", [])
    )


def _titles(what: str, seconds: int, room: int) -> tuple[str, str]:
    """What the courses are of; in ``room`` columns how far they go is left out first, then what is done."""
    ways = (f"{what}, next {seconds} s: doing nothing", f"{what}: doing nothing", what)
    return next((way for way in ways if len(way) <= room), what[:room]), "with the plan"[:room]


def keys(plan: Mapping[str, Any], left_s: float, state: State, focused: bool) -> Line:
    """What can be pressed; the rest of the screen says how to get here."""
    if state == "armed":
        return line(
            Span("These steps interrupt something or stay. ", "bad"),
            Span("y", "key"),
            Span(" applies them, any other key does not", "bad"),
        )
    if state != "open":
        return ()
    alive = can_apply(plan) and left_s > 0
    wanted = (
        *((("a", "apply"),) if alive else ()),
        ("e", "edit"),
        ("x", "explain"),
        *((("d", "dry-run"),) if alive else ()),
        ("c", "cancel"),
    )
    parts: list[Span] = []
    for key, word in wanted:
        action = f"card('{word.replace('-', '_')}')"
        parts += [Span("  ")] if parts else []
        parts += [
            Span(f"[{key}]", "key", action),
            Span(word, "text" if focused else "muted", action),
        ]
    if not focused:
        parts.append(Span("   Tab goes here", "muted"))
    return line(*parts)
