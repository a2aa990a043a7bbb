# SPDX-License-Identifier: Apache-2.0
"""Standing goals: what a person wants of the machine for good, kept in ``/etc/jepa/goals.toml``.

Which are kept is chosen here; how far the machine goes for them by itself, advice or a task with a grant, is
its autonomy. Configuration, written by a person's command or editor, never by a daemon.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jepa.durable import replace_file
from jepa.errors import JepaError

FILE: Final = Path("/etc/jepa/goals.toml")
_BETWEEN: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d", re.ASCII)


@dataclass(frozen=True, slots=True)
class StandingGoal:
    """One goal that may be kept."""

    name: str
    summary: str
    spec: Mapping[str, Any]
    scheduled: bool = False
    """Whether it is kept between two times of day, which have to be said."""

    @property
    def only_tells(self) -> bool:
        """Whether nothing that may be set is known to serve it, so that it is only told of."""
        return bool(self.spec["intent"] == "watch")

    def spec_between(self, between: str) -> dict[str, Any]:
        """Its task spec, of one with a schedule for ``between`` HH:MM and HH:MM, each day."""
        if not self.scheduled:
            return dict(self.spec)
        at, to = between.split("-")
        return {**self.spec, "condition": {"kind": "time", "at": at, "to": to}}


def _below(resource: str) -> dict[str, Any]:
    return {
        "intent": "watch",
        "condition": {"kind": "below", "resource": resource, "value": 10, "unit": "%"},
    }


GOALS: Final = {
    each.name: each
    for each in (
        StandingGoal(
            "quiet-foreground",
            "what you work with waits for the CPU less than a hundredth of the time",
            {"intent": "prioritize", "targets": ["foreground"]},
        ),
        StandingGoal(
            "energy-on-battery",
            "power is saved while the machine runs on battery",
            {"intent": "power", "operation": "save", "condition": {"kind": "on_battery"}},
        ),
        StandingGoal(
            "energy-by-schedule",
            "power is saved each day between two times",
            {"intent": "power", "operation": "save"},
            scheduled=True,
        ),
        StandingGoal(
            "memory-headroom", "you are told when less than 10 % of memory is left", _below("memory")
        ),
        StandingGoal("disk-headroom", "you are told when less than 10 % of a disk is left", _below("disk")),
    )
}
"""By name. Of memory and disk nothing that may be set is known to help, and no file is ever deleted."""


class KeptGoals:
    """The file of goals. Every change appears whole or not at all, also after a power cut."""

    def __init__(self, path: Path = FILE) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._kept: Mapping[str, str] = {}
        self.fault = ""
        """Why the file cannot be used; what was read last stays in force."""

    def __call__(self) -> Mapping[str, str]:
        """The names that are kept, each with its schedule or nothing; read anew when the file changed."""
        try:
            found = self._path.stat()
        except OSError:
            self._stamp, self._kept, self.fault = None, {}, ""
            return self._kept
        stamp = (found.st_mtime_ns, found.st_ino)
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._kept, self.fault = self._read(), ""
            except (OSError, ValueError) as error:
                self.fault = f"{self._path} cannot be used: {error}."
        return self._kept

    def keep(self, name: str, between: str = "") -> None:
        """Keep a goal. JepaError: 404 for no goal, 422 for a wrong schedule, 403 without the right."""
        goal = find(name)
        if goal.scheduled != bool(between) or (between and not _BETWEEN.fullmatch(between)):
            raise JepaError(
                f"{name} {'needs two times of day' if goal.scheduled else 'has no schedule'}.",
                f"For instance `jepa goal keep {name}{' --between 22:00-06:00' if goal.scheduled else ''}`.",
                status=422,
            )
        self._write({**self._usable(), name: between})

    def release(self, name: str) -> None:
        """Keep it no longer. JepaError: 404 when it is not kept, 403 without the right."""
        kept = dict(self._usable())
        if name not in kept:
            raise JepaError(
                f"The goal {name[:60]!r} is not kept.", "`jepa goal standing` lists them.", status=404
            )
        del kept[name]
        self._write(kept)

    def _usable(self) -> Mapping[str, str]:
        kept = self()
        if self.fault:
            raise JepaError(self.fault, "Correct it, or remove it.", status=409)
        return kept

    def _read(self) -> dict[str, str]:
        import tomllib

        kept: dict[str, str] = {}
        for name, value in tomllib.loads(self._path.read_text(encoding="utf-8")).items():
            if name not in GOALS:
                raise ValueError(f"there is no goal {name!r}")
            fits = _BETWEEN.fullmatch(str(value)) if GOALS[name].scheduled else value is True
            if not fits:
                raise ValueError(f"{name} is {value!r}")
            kept[name] = str(value) if GOALS[name].scheduled else ""
        return kept

    def _write(self, kept: Mapping[str, str]) -> None:
        lines = [
            f"{name} = {f'{chr(34)}{kept[name]}{chr(34)}' if kept[name] else 'true'}\n" for name in kept
        ]
        try:
            self._path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            # A goal that was released must not come back after a power cut.
            replace_file(self._path, "".join(["# written by `jepa goal keep`\n", *lines]))
        except OSError as error:
            raise JepaError(
                f"{self._path} cannot be written: {error.strerror}.",
                "Standing goals are the machine's, so they are set as root.",
                status=403,
            ) from error


def find(name: str) -> StandingGoal:
    """The goal of that name; JepaError (404) with those there are."""
    if name not in GOALS:
        raise JepaError(
            f"There is no standing goal {name[:60]!r}.", f"There are {', '.join(GOALS)}.", status=404
        )
    return GOALS[name]
