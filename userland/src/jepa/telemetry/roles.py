# SPDX-License-Identifier: Apache-2.0
"""Roles: which control groups are foreground, background or system, by rules that may change at any time."""

import os
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast, get_args

from jepa.errors import JepaError

Role = Literal["foreground", "background", "system"]
ROLES: tuple[Role, ...] = get_args(Role)
"""In the order by which the BPF programs number them."""
PLAYED: tuple[Role, ...] = ("foreground", "background")
"""Those that something can be set on; the system's is what was there before."""
PACKAGE_FILE = Path(__file__).with_name("roles.toml")
PLACES = ("etc/jepa/roles.toml", "run/jepa-roles/roles.toml")
"""Files, below the root, whose rules come after the packaged ones. Only root can write there."""
RESCAN_S = 5.0
"""A new group that a rule with * fits has its parent's role for so long, while looking is cheap."""
SCAN_SHARE = 0.002
"""Part of a core that looking through groups may take; among thousands it is done less often."""
LARGEST = 64
"""Groups that can be assigned: each is read every second. The BPF programs hold more."""


@dataclass(frozen=True, slots=True)
class RoleRule:
    """The role of the groups that a path fits."""

    pattern: tuple[str, ...]
    role: Role


def parse_rules(text: str, file: Path) -> tuple[RoleRule, ...]:
    """The rules in ``text``; JepaError naming ``file`` and what is wrong."""
    try:
        entries = tomllib.loads(text).get("role", [])
        return tuple(rule for entry in entries for rule in _rules(cast("dict[str, Any]", entry)))
    except (
        tomllib.TOMLDecodeError,
        AttributeError,
        KeyError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        reason = f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)
        raise JepaError(
            f"The roles in {file} cannot be used: {reason}.", "Correct the file, or remove it."
        ) from error


def _rules(entry: Mapping[str, Any]) -> Iterator[RoleRule]:
    role, paths = entry["role"], entry["cgroups"]
    if role not in ROLES:
        raise ValueError(f"{role!r} is not one of {', '.join(ROLES)}")
    if not isinstance(paths, list):
        raise ValueError("cgroups is not a list")
    for path in paths:
        parts = tuple(part for part in str(path).split("/") if part)
        if not isinstance(path, str) or not parts or ".." in parts:
            raise ValueError(f"{path!r} is not a path below the cgroup root")
        if any("*" in part and part != "*" for part in parts):
            raise ValueError(f"{path!r} has a * within a part; it stands for a whole part only")
        yield RoleRule(parts, role)


@dataclass(frozen=True, slots=True)
class Assigned:
    """Which groups have a role of their own at one time."""

    groups: Mapping[Path, Role] = field(default_factory=dict)
    """By the group's directory."""
    ids: Mapping[int, int] = field(default_factory=dict)
    """Position of the role in ROLES by the group's number, which is its directory's inode."""
    reason: str = ""
    """What is wrong with the rules, or empty."""


class Roles:
    """The assignments on the machine below ``root``, looked at anew when asked."""

    def __init__(self, root: Path, cpu_s: Callable[[], float] = time.thread_time) -> None:
        self._cpu_s = cpu_s
        self._tree = root / "sys/fs/cgroup"
        self._places = (PACKAGE_FILE, *(root / place for place in PLACES))
        self._read: dict[Path, tuple[tuple[int, int], tuple[RoleRule, ...], str]] = {}
        self._scan_at = float("-inf")
        self._assigned = Assigned()

    def at(self, now: float) -> Assigned:
        """The assignments at ``now``, in seconds of the monotonic clock. Never raises."""
        changed = sum(self._refresh(place) for place in self._places) > 0
        if changed or now >= self._scan_at:
            begin = self._cpu_s()
            self._assigned = self._scan()
            self._scan_at = now + max(RESCAN_S, (self._cpu_s() - begin) / SCAN_SHARE)
        return self._assigned

    def _refresh(self, place: Path) -> bool:
        """Read ``place`` again when it is another than before; what is there no more has no rules."""
        known = self._read.get(place)
        stamp = (0, 0)
        try:
            state = place.stat()
            stamp = (state.st_mtime_ns, state.st_ino)
            if known is not None and known[0] == stamp:
                return False
            rules, reason = parse_rules(place.read_text(encoding="utf-8"), place), ""
        except FileNotFoundError:
            return self._read.pop(place, None) is not None
        except (OSError, UnicodeDecodeError, JepaError) as error:
            rules = known[1] if known else ()
            reason = error.problem if isinstance(error, JepaError) else f"{place}: {error}"
        self._read[place] = (stamp, rules, reason)
        return known is None or known != self._read[place]

    def _scan(self) -> Assigned:
        groups: dict[Path, Role] = {}
        read = [self._read[place] for place in self._places if place in self._read]
        reasons = [reason for _, _, reason in read if reason]
        for _, rules, _ in read:
            for rule in rules:
                fitting = _matches(str(self._tree), rule.pattern)
                groups |= {Path(group): rule.role for group in fitting}
        if len(groups) > LARGEST:
            reasons.append(f"{len(groups)} groups have a role of their own; {LARGEST} are looked at")
            groups = dict(list(groups.items())[:LARGEST])
        ids: dict[int, int] = {}
        for folder, role in list(groups.items()):
            try:
                ids[folder.stat().st_ino] = ROLES.index(role)
            except OSError:
                del groups[folder]  # it went away between the two looks
        return Assigned(groups, ids, "; ".join(reasons))


def _matches(folder: str, pattern: Sequence[str]) -> Iterator[str]:
    """The directories below ``folder`` that ``pattern`` fits; only parts with * are listed."""
    if not pattern:
        yield folder
        return
    part, rest = pattern[0], pattern[1:]
    if part == "*":
        try:
            with os.scandir(folder) as entries:
                below = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError:
            return
        for each in below:
            yield from _matches(each, rest)
        return
    path = f"{folder}/{part}"
    if os.path.isdir(path):  # noqa: PTH112  (a Path for each of thousands of groups costs too much)
        yield from _matches(path, rest)
