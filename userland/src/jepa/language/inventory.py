# SPDX-License-Identifier: Apache-2.0
"""What there is on this machine that a sentence may name: units, programs, mounts, devices, users, goals."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

_UNIT_FILES: Final = ("etc/systemd/system", "run/systemd/system", "usr/lib/systemd/system")
_UNIT_ENDS: Final = (".service", ".scope", ".slice", ".timer", ".socket")
_LOOKED_AT: Final = 20_000
"""Directory entries that are looked at, at most."""


class Inventory(Protocol):
    """The names that are here."""

    def knows(self, name: str) -> bool:
        """Whether something here is called ``name``, in lower case."""

    def units_of(self, program: str) -> frozenset[str]:
        """The units in which processes of ``program`` run."""


class Nothing:
    """An inventory without a machine."""

    def knows(self, name: str) -> bool:
        """Never."""
        return False

    def units_of(self, program: str) -> frozenset[str]:
        """None."""
        return frozenset()


@dataclass(frozen=True)
class LiveInventory:
    """What was here when it was looked at."""

    names: frozenset[str]
    """In lower case; units also without their ending."""
    programs: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The units in which each program runs."""

    def knows(self, name: str) -> bool:
        """Whether something here is called ``name``."""
        return name in self.names

    def units_of(self, program: str) -> frozenset[str]:
        """The units in which processes of ``program`` run."""
        return self.programs.get(program, frozenset())


def look(root: Path = Path("/")) -> LiveInventory:
    """The machine below ``root``."""
    programs: dict[str, set[str]] = {}
    for program, unit in _processes(root):
        programs.setdefault(program, set()).update({unit} if unit else ())
    units = {*_unit_files(root), *(unit for of in programs.values() for unit in of)}
    found: set[str] = set()
    for unit in units:
        found.add(unit)
        for end in _UNIT_ENDS:
            if unit.endswith(end):
                found.add(unit.removesuffix(end))
    found.update(programs, _mounts(root), _devices(root), _users(root))
    names = frozenset(name.lower() for name in found if name)
    return LiveInventory(names, {program: frozenset(of) for program, of in programs.items()})


def _listed(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)[:_LOOKED_AT]  # noqa: PTH208  (names are all that is wanted)
    except OSError:
        return []


def _unit_files(root: Path) -> Iterator[str]:
    for folder in _UNIT_FILES:
        yield from (name for name in _listed(root / folder) if name.endswith(_UNIT_ENDS))


def _processes(root: Path) -> Iterator[tuple[str, str]]:
    """The program of each process and the unit it runs in; threads of the kernel have neither."""
    for pid in _listed(root / "proc"):
        if not pid.isdecimal():
            continue
        try:
            group = (root / "proc" / pid / "cgroup").read_text()
            program = (root / "proc" / pid / "comm").read_text().rstrip("\n")
        except (OSError, UnicodeDecodeError):
            continue  # it has ended, or calls itself what is no text
        parts = group.strip().rpartition(":")[2].split("/")
        units = [part for part in parts if part.endswith((".service", ".scope"))]
        yield program, units[-1] if units else ""


def _mounts(root: Path) -> Iterator[str]:
    try:
        lines = (root / "proc/self/mounts").read_text(errors="replace").splitlines()
    except OSError:
        return
    for line in lines[:_LOOKED_AT]:
        yield from line.split()[:2]


def _devices(root: Path) -> Iterator[str]:
    for folder in ("sys/class/block", "sys/bus/usb/devices", "sys/class/net"):
        yield from _listed(root / folder)


def _users(root: Path) -> Iterator[str]:
    try:
        lines = (root / "etc/passwd").read_text(errors="replace").splitlines()
    except OSError:
        return
    yield from (line.partition(":")[0] for line in lines)
