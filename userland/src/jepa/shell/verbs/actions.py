# SPDX-License-Identifier: Apache-2.0
"""`jepa actions`: what can be set on this machine, and the manual page of each action."""

import textwrap
from collections.abc import Mapping, Sequence

from jepa.actions.catalogue import ActionType, Persistence, TargetKind, catalogue
from jepa.actions.client import Availability
from jepa.actions.rows import action_row
from jepa.actions.values import takes
from jepa.errors import JepaError
from jepa.shell.durations import duration
from jepa.shell.request import Request
from jepa.shell.verbs.act import known


def run(request: Request) -> int:
    """Show all actions, or one."""
    args, out = request.args, request.out
    wanted = [known(args.name)] if args.name else list(catalogue().values())
    here, unknown = _availability(request)
    if out.json:
        data = [action_row(action, here.get(action.name)) for action in wanted]
        out.data(data[0] if args.name else data)
    elif args.name:
        for line in manual(wanted[0], here.get(args.name), min(out.width, 100)):
            out.line(line)
    else:
        _table(request, wanted, here)
        out.line()
        out.line("`jepa actions NAME` describes one.")
    if unknown is not None and not out.json:
        out.line()
        out.line(f"What this machine lacks is not known: {unknown.problem} {unknown.remedy}")
    return 0


def _table(request: Request, actions: Sequence[ActionType], here: Mapping[str, Availability]) -> None:
    """All actions, then why some do not work here, and what others hold."""
    out = request.out
    rows = [["action", "tier", "here", "takes"]]
    rows += [[a.name, a.tier, _here(here.get(a.name)).partition(":")[0], _takes(a)] for a in actions]
    left = out.width - sum(max(len(row[column]) for row in rows) + 2 for column in range(3)) - 2
    out.table([[*row[:3], out.cut(row[3], max(left, 12))] for row in rows])
    reasons: dict[str, list[str]] = {}
    for each in here.values():
        if each.missing:
            reasons.setdefault(each.missing, []).append(each.action)
    for reason, names in reasons.items():
        out.line()
        for line in textwrap.wrap(f"{', '.join(names)}: {reason}", max(out.width - 2, 20)):
            out.line(f"  {line}")


def _availability(request: Request) -> tuple[Mapping[str, Availability], JepaError | None]:
    """What works here, by name; without the actuator the catalogue is shown all the same, and why."""
    try:
        return {each.action: each for each in request.actuator.availability()}, None
    except JepaError as error:
        return {}, error


def _takes(action: ActionType) -> str:
    target = "" if action.target is TargetKind.MACHINE else action.target.upper()
    return " ".join(filter(None, (target, takes(action) if action.takes_value else "")))


def _here(here: Availability | None) -> str:
    if here is None:
        return "?"
    if here.missing:
        return f"no: {here.missing}"
    return f"yes, and {here.holder}" if here.holder else "yes"


def manual(action: ActionType, here: Availability | None, width: int) -> list[str]:
    """The manual page of ``action``."""
    sections = [
        ("NAME", f"{action.name} - {action.summary}"),
        ("SYNOPSIS", synopsis(action)),
        ("VALUE", f"{takes(action)[0].upper()}{takes(action)[1:]}." if action.takes_value else ""),
        ("DESCRIPTION", action.description),
        ("TIER", _TIERS[action.tier]),
        ("LASTING", lasting(action)),
        ("LIMITS", limits(action)),
        ("EXCLUDES", ", ".join(action.excludes)),
        ("NEEDS", ", ".join(action.needs)),
        ("HERE", _here(here)),
        ("EXAMPLE", action.example),
    ]
    lines: list[str] = []
    for title, text in sections:
        if text:
            parts = text.strip().split("\n")
            wrapped = [line for part in parts for line in textwrap.wrap(part, width - 4) or [""]]
            lines += [title, *(f"    {line}" for line in wrapped), ""]
    return lines[:-1]


_TIERS = {
    "tune": "tune: reversible and harmless",
    "disrupt": "disrupt: interrupts somebody's work, so consent is asked for",
    "irreversible": "irreversible: cannot be taken back, so consent is asked for",
}


def synopsis(action: ActionType) -> str:
    """The command line that it takes."""
    target = "" if action.target is TargetKind.MACHINE else action.target.upper()
    words = ["jepa act", action.name, target, "VALUE" if action.takes_value else ""]
    return " ".join([*filter(None, words), "[--for SPAN]" if action.reversible else ""]).rstrip()


def lasting(action: ActionType) -> str:
    """How long it stays in force, and what takes it back."""
    if not action.reversible:
        return ""
    kept = "outlives" if action.persistence is Persistence.PERSISTENT else "ends with"
    return f"Taken back by: {action.inverse}. Without --for it {kept} a restart of the machine."


def limits(action: ActionType) -> str:
    """How often it may be changed."""
    said = f"At most {action.rate_per_hour} changes of one target an hour"
    return f"{said}, {duration(action.dwell_s)} apart." if action.dwell_s else f"{said}."
