# SPDX-License-Identifier: Apache-2.0
"""Grants: what a person allowed a daemon of JEPA OS to do by itself, for one task and until an end.

They are kept in one file of checked lines that is replaced as a whole, so that a damaged line costs its own
grant and never brings back one that was revoked.
"""

import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import inf, isfinite
from pathlib import Path
from typing import Any, Final

from jepa.actions.catalogue import Catalogue, catalogue
from jepa.actions.change import DAEMONS, Change, Proposal
from jepa.actions.guard.identity import matches_exactly, plain
from jepa.actions.guard.rules import within
from jepa.durable import PRIVATE, replace_file
from jepa.errors import JepaError
from jepa.telemetry import linelog

MOST: Final = 64
"""Grants in force at a time."""
_HOUR_S: Final = 3600.0
_KNOWN: Final = (
    "id",
    "task",
    "daemon",
    "actions",
    "targets",
    "ranges",
    "rate_per_hour",
    "for_s",
    "most_for_s",
)


@dataclass(frozen=True, slots=True)
class Grant:
    """One grant."""

    id: str
    """Eight hex digits."""
    task: str
    daemon: str
    """The unit that may use it."""
    actions: tuple[str, ...]
    """Names, or patterns such as ``cpu.*``; what cannot be taken back only by its full name."""
    targets: tuple[str, ...]
    """Patterns of canonical names; ``*`` is any that is not protected."""
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Least and greatest value of an action; without one, any that the catalogue allows. idle, which is less
    than any weight, counts as 0."""
    rate_per_hour: int = 12
    most_for_s: float | None = None
    """The longest that a change may stay in force; None: until the task takes it back."""
    uid: int = 0
    """Who gave it."""
    given_ns: int = 0
    """Wall clock."""
    boot_id: str = ""
    until_s: float | None = None
    """CLOCK_BOOTTIME at its end, for the boot in which it was given. None: it ends when it is revoked."""
    until_ns: int | None = None
    """The same by the wall clock, which counts after a reboot."""

    def remaining_s(self, boot_id: str, now_s: float, wall_ns: int) -> float:
        """Seconds until it ends; infinite without an end, 0 or less when it has ended.

        It ends when either clock says so, so setting one back is in vain.
        """
        if self.until_s is None or self.until_ns is None:
            return inf
        by_wall = (self.until_ns - wall_ns) / 1e9
        if boot_id == self.boot_id:
            return min(self.until_s - now_s, by_wall)
        # Before it was given the wall clock cannot be right, and no other one reaches over a reboot.
        return by_wall if wall_ns >= self.given_ns else 0.0

    def refuses(
        self,
        proposal: Proposal,
        names: Sequence[str],
        changes: Sequence[Change],
        now_s: float,
        remaining_s: float,
    ) -> str:
        """Why it does not cover ``proposal``, in one sentence; empty when it does.

        ``names`` are the canonical names of the target, ``changes`` those of this boot. The grant ends in
        ``remaining_s``: no change that can be taken back may outlive it.
        """
        action, caller = proposal.action, proposal.caller
        label = f"Grant {self.id}"
        if caller.unit != self.daemon or proposal.request.task != self.task or not self.task:
            return f"{label} is for task {self.task} of {self.daemon}."
        if not any(matches_exactly(pattern, action.name) for pattern in self.actions):
            return f"{label} does not name {action.name}."
        if not action.reversible and action.name not in self.actions:
            return f"{label} does not name {action.name} in full, and it cannot be taken back."
        if not any(matches_exactly(pattern, name) for pattern in self.targets for name in names):
            return f"{label} does not name {names[0]}."
        low, high = self.ranges.get(action.name, (None, None))
        value = 0 if proposal.new == "idle" else proposal.new
        if low is not None and not within(value, low, high, wide=False):
            return f"{label} allows {action.name} from {low:g} to {high:g}, not {proposal.new}."
        for_s = proposal.request.for_s
        most_s = min(remaining_s, inf if self.most_for_s is None else self.most_for_s)
        if action.reversible and (inf if for_s is None else for_s) > most_s:
            return f"{label} allows changes for at most {most_s:.0f} s each."
        used = [
            change
            for change in changes
            if change.task == self.task
            and change.unit == self.daemon
            and (change.applied_s is None or 0 <= now_s - change.applied_s < _HOUR_S)
        ]
        if len(used) >= self.rate_per_hour:
            return f"{label} allows {self.rate_per_hour} changes an hour, and they were made."
        return ""


class GrantStore:
    """The grants in a file. JepaError (507) when it cannot be written; what cannot be read is no grant."""

    def __init__(
        self,
        path: Path,
        boot_id: str,
        boottime_s: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME),
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._path = path
        self._boot_id = boot_id
        self._boottime_s = boottime_s
        self._wall_ns = wall_ns
        self._writing = threading.Lock()

    def in_force(self) -> list[Grant]:
        """All that have not ended, as the file holds them now."""
        return [grant for grant, _ in self.with_remaining_s()]

    def with_remaining_s(self) -> list[tuple[Grant, float]]:
        """The grants in force, and how long each will be; infinite for one without an end."""
        now_s, wall_ns = self._boottime_s(), self._wall_ns()
        remaining = [(grant, grant.remaining_s(self._boot_id, now_s, wall_ns)) for grant in self._read()]
        return [(grant, seconds) for grant, seconds in remaining if seconds > 0]

    def add(self, given: Mapping[str, Any], uid: int, actions: Catalogue | None = None) -> Grant:
        """Keep the grant that ``given`` describes, and return it. JepaError (422) when it is no grant."""
        grant = self._made(given, uid, actions or catalogue())
        with self._writing:
            kept = self.in_force()
            if len(kept) >= MOST:
                raise JepaError(
                    f"{MOST} grants are in force.", "End one first: `jepa grants list`.", status=429
                )
            self._write([*kept, grant])
        return grant

    def revoke(self, grant_id: str) -> Grant:
        """End a grant. JepaError (404) when there is none of that id."""
        with self._writing:
            kept = self.in_force()
            ended = next((grant for grant in kept if grant.id == grant_id), None)
            if ended is None:
                raise JepaError(
                    f"There is no grant {grant_id[:40]!r}.", "`jepa grants list` shows them.", status=404
                )
            self._write([grant for grant in kept if grant is not ended])
            return ended

    def _made(self, given: Mapping[str, Any], uid: int, known: Catalogue) -> Grant:
        try:
            return _checked(given, uid, known, self._boot_id, self._boottime_s(), self._wall_ns())
        except (KeyError, TypeError, ValueError) as error:
            what = f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)
            raise JepaError(
                f"This is no grant: {what}.",
                'For instance: {"task": "t1", "actions": ["cpu.weight"], "targets": ["backup.service"]}.',
                status=422,
            ) from None

    def _read(self) -> list[Grant]:
        found: list[Grant] = []
        try:
            for row in linelog.read_rows(self._path):
                try:
                    found.append(from_row(row))
                except (KeyError, TypeError, ValueError):
                    continue
        except OSError:
            return []
        return found

    def _write(self, grants: Sequence[Grant]) -> None:
        try:
            # A revoked grant must not come back after a power cut.
            replace_file(self._path, b"".join(linelog.encode(asdict(grant)) for grant in grants), PRIVATE)
        except OSError as error:
            raise JepaError(
                f"The grants cannot be written to {self._path}: {error.strerror}.",
                "Nothing was changed. Make room, or act as root.",
                status=507,
            ) from error


def shown(grant: Grant) -> dict[str, Any]:
    """The grant as `jepa grants list --json` shows it."""
    return {**asdict(grant), "ranges": {name: list(span) for name, span in grant.ranges.items()}}


def _checked(
    given: Mapping[str, Any], uid: int, known: Catalogue, boot_id: str, now_s: float, wall_ns: int
) -> Grant:
    if unknown := given.keys() - set(_KNOWN):
        raise ValueError(f"{sorted(unknown)[0]!r} is unknown")
    task = given["task"]
    if not isinstance(task, str) or not plain(task):
        raise ValueError("task is the name of one task")
    daemon = given.get("daemon") or ("jepa-healing.service" if task == "healing" else "jepad.service")
    if daemon not in DAEMONS:
        raise ValueError(f"daemon is one of {', '.join(DAEMONS)}")
    actions, targets = _texts(given, "actions"), _texts(given, "targets")
    for pattern in actions:
        if pattern not in known and not any(matches_exactly(pattern, name) for name in known):
            raise ValueError(f"there is no action {pattern!r}")
    spans = given.get("ranges") or {}
    if not isinstance(spans, Mapping):
        raise ValueError("ranges is a table of actions with two numbers each")
    ranges = {}
    for name, span in spans.items():
        if name not in known or not any(matches_exactly(pattern, name) for pattern in actions):
            raise ValueError(f"ranges names {name!r}, which actions does not")
        low, high = (float(each) for each in span)
        if not (isfinite(low) and isfinite(high) and low <= high):
            raise ValueError(f"the range of {name} is no span of two numbers")
        ranges[name] = (low, high)
    for_s = _span(given, "for_s", 366 * 86400.0)
    rate = given.get("rate_per_hour", 12)
    if type(rate) is not int or not 1 <= rate <= 240:
        raise ValueError("rate_per_hour is a number of 1 to 240")
    return Grant(
        id=secrets.token_hex(4),
        task=task,
        daemon=daemon,
        actions=actions,
        targets=targets,
        ranges=ranges,
        rate_per_hour=rate,
        most_for_s=_span(given, "most_for_s", 30 * 86400.0),
        uid=uid,
        given_ns=wall_ns,
        boot_id=boot_id,
        until_s=None if for_s is None else now_s + for_s,
        until_ns=None if for_s is None else wall_ns + int(for_s * 1e9),
    )


def _texts(given: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = given[key]
    if not isinstance(value, list | tuple) or not 0 < len(value) <= 64:
        raise ValueError(f"{key} is a list of 1 to 64 names")
    if not all(isinstance(each, str) and 0 < len(each) <= 255 and each.isprintable() for each in value):
        raise ValueError(f"{key} is a list of names")
    return tuple(value)


def _span(given: Mapping[str, Any], key: str, most: float) -> float | None:
    value = given.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
        raise ValueError(f"{key} is a number of seconds up to {most:g}")
    return float(value)


def from_row(row: Mapping[str, Any]) -> Grant:
    """The grant that ``shown`` gave, or that is kept. KeyError, TypeError or ValueError when it is none."""
    ranges = {str(name): (float(low), float(high)) for name, (low, high) in row["ranges"].items()}
    grant = Grant(
        **{**row, "actions": tuple(row["actions"]), "targets": tuple(row["targets"]), "ranges": ranges}
    )
    if grant.daemon not in DAEMONS or not grant.task or not isinstance(grant.rate_per_hour, int):
        raise ValueError("no grant")
    return grant
