# SPDX-License-Identifier: Apache-2.0
"""Who is there: which units play which role now, and what is set on them, read from the control groups."""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jepa.actions.catalogue import Value
from jepa.errors import JepaError
from jepa.telemetry.roles import PLAYED, ROLES, Role, Roles

_UNIT_TYPES: Final = (".service", ".scope", ".slice")
_LOOKED_AT = 20_000
"""Control groups among which a target is looked for."""
_USUAL_WEIGHT = "100"


@dataclass(frozen=True, slots=True)
class Group:
    """The control group of a unit that has a role of its own."""

    folder: Path
    role: Role

    @property
    def unit(self) -> str:
        """The unit's name."""
        return self.folder.name

    @property
    def settable(self) -> bool:
        """Whether the machine's own service manager sets it: a person's own units are that person's."""
        own = any(part.startswith("user@") for part in self.folder.parts)
        return self.unit.endswith(_UNIT_TYPES) and not own


class Surroundings:
    """The machine below ``root``."""

    def __init__(self, root: Path = Path("/"), monotonic: Callable[[], float] = time.monotonic) -> None:
        self._tree = root / "sys/fs/cgroup"
        self._roles = Roles(root)
        self._monotonic = monotonic

    def groups(self) -> list[Group]:
        """Those in which a process runs, by path. JepaError (409) where there is no cgroup v2."""
        if not (self._tree / "cgroup.controllers").exists():
            raise JepaError(
                "This machine has no control groups of version 2, so no unit can be told from another.",
                "Boot with systemd.unified_cgroup_hierarchy=1.",
                status=409,
            )
        assigned = self._roles.at(self._monotonic()).groups
        found = [Group(folder, role) for folder, role in sorted(assigned.items()) if role in PLAYED]
        return [group for group in found if _populated(group.folder)]

    def role_of(self, name: str) -> tuple[Role, str]:
        """The role that the unit or role ``name`` plays, and its full name; JepaError (404) for neither."""
        for role in ROLES:
            if name == role:
                return role, role
        assigned = self._roles.at(self._monotonic()).groups
        wanted = {name, *(name + end for end in _UNIT_TYPES)}
        for folder in _below(self._tree):
            if folder.name.lower() in wanted:
                for parent in (folder, *folder.parents):
                    if parent in assigned:
                        return assigned[parent], folder.name
                return "system", folder.name
        raise JepaError(
            f"There is no unit {name!r} with a control group on this machine.",
            "`systemctl list-units` shows those there are; the roles are foreground and background.",
            status=404,
        )

    def value(self, group: Group, action: str) -> Value:
        """What ``action`` would find set on ``group``; JepaError (409) when that cannot be read."""
        try:
            match action:
                case "cpu.weight":
                    return _weight(group.folder)
                case "cpu.max":
                    return _quota((group.folder / "cpu.max").read_text())
                case "unit.freeze":
                    return (
                        "frozen"
                        if (group.folder / "cgroup.freeze").read_text().strip() == "1"
                        else "running"
                    )
            raise KeyError(action)
        except (OSError, ValueError) as error:
            raise JepaError(
                f"{action} of {group.unit} cannot be read: {error}.",
                "It needs cgroup v2 with the CPU controller.",
                status=409,
            ) from error


def _weight(folder: Path) -> Value:
    idle = folder / "cpu.idle"
    if idle.exists() and idle.read_text().strip() == "1":
        return "idle"
    text = (folder / "cpu.weight").read_text().strip()
    return "default" if text == _USUAL_WEIGHT else int(text)


def _quota(text: str) -> Value:
    quota, period = text.split()
    if quota == "max":
        return "max"
    percent = 100 * int(quota) / int(period)
    return int(percent) if percent == int(percent) else percent


def _populated(folder: Path) -> bool:
    try:
        return "populated 1" in (folder / "cgroup.events").read_text()
    except OSError:
        return False


def _below(tree: Path) -> Iterator[Path]:
    """Directories below ``tree``, the nearest first."""
    level: Iterable[Path] = [tree]
    left = _LOOKED_AT
    while level:
        deeper: list[Path] = []
        for folder in level:
            try:
                with os.scandir(folder) as entries:
                    names = sorted(each.name for each in entries if each.is_dir(follow_symlinks=False))
            except OSError:
                continue
            for name in names:
                left -= 1
                if left < 0:
                    return
                yield folder / name
                deeper.append(folder / name)
        level = deeper
