# SPDX-License-Identifier: Apache-2.0
"""The role of a control group, by the same rules that the telemetry goes by."""

from pathlib import Path, PurePosixPath

from jepa.errors import JepaError
from jepa.telemetry.roles import PACKAGE_FILE, PLACES, RoleRule, parse_rules


def role_of(cgroup: str, root: Path = Path("/")) -> str:
    """``foreground``, ``background`` or ``system``; a file of rules that cannot be read has none."""
    rules = [rule for place in (PACKAGE_FILE, *(root / each for each in PLACES)) for rule in _rules(place)]
    group = PurePosixPath("/", cgroup)
    for place in (group, *group.parents):
        fitting = [rule.role for rule in rules if _fits(rule.pattern, place.parts[1:])]
        if fitting:
            return fitting[-1]
    return "system"


def _fits(pattern: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    return len(pattern) == len(parts) and all(a in ("*", b) for a, b in zip(pattern, parts, strict=True))


def _rules(place: Path) -> tuple[RoleRule, ...]:
    try:
        return parse_rules(place.read_text(encoding="utf-8"), place)
    except (OSError, UnicodeDecodeError, JepaError):
        return ()
