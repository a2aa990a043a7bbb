# SPDX-License-Identifier: Apache-2.0
"""What a change touches beside what it names: aliases, what a slice holds, what depends on a unit."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Final

from jepa.actions.catalogue import TargetKind
from jepa.actions.change import Proposal
from jepa.actions.family import Host
from jepa.actions.guard.caller import cgroup_of, units
from jepa.actions.guard.identity import folded
from jepa.actions.guard.process import ProcessSnapshot
from jepa.actions.service_manager import ServiceManager, Unit
from jepa.errors import JepaError

_STATES: Final = frozenset({"unit.start", "unit.stop", "unit.restart"})
"""Actions that start or stop other units too, when they are done or when they are taken back."""
_STOPPED_WITH: Final = ("RequiredBy", "RequisiteOf", "BoundBy", "ConsistsOf")
_STOPPED_BY_START: Final = ("Conflicts", "ConflictedBy")
_PULLED_IN: Final = ("Requires", "BindsTo", "Wants")
_STARTERS: Final = (".socket", ".path", ".timer")
_WITHOUT_PROCESSES: Final = (".target", ".slice", ".mount", ".device", ".swap", ".automount")
ENDS: Final = frozenset(
    f"{name}.target"
    for name in (
        *("shutdown", "umount", "final", "exit", "poweroff", "reboot", "halt", "kexec", "soft-reboot"),
        *("emergency", "rescue", "sleep", "suspend", "hibernate", "hybrid-sleep", "suspend-then-hibernate"),
    )
)
"""Targets whose start ends the machine, puts it to sleep, or leaves little of it running."""
_INSTANCES: Final = re.compile(r"system-(.+)\.slice")
"""Where systemd puts the instances of a template, also those that do not run yet."""
_MOST: Final = 512


@dataclass(frozen=True, slots=True)
class Reach:
    """The things that a change touches, by every name they have."""

    named: frozenset[str]
    """All names of the target: of a unit its aliases and its file, of a process its unit."""
    inside: frozenset[str] = frozenset()
    """Units in the slice that is changed."""
    triggered: frozenset[str] = frozenset()
    """Units that the target, a socket, path or timer, starts."""
    dependent: frozenset[str] = frozenset()
    """Units that are stopped with it, or by its start."""
    cgroup: str = ""
    """The control group that is changed; empty where there is none."""
    process: ProcessSnapshot | None = None
    """The target, or the main process of the unit that is."""
    unit: str = ""
    """The system's unit that the process belongs to."""

    @property
    def all(self) -> frozenset[str]:
        """Every name that is touched."""
        return self.named | self.inside | self.triggered | self.dependent


def reaches(host: Host, proposal: Proposal) -> Iterator[Reach]:
    """What ``proposal`` touches now: first by itself, then with all that it stops, which takes long to find.

    JepaError when that cannot be told: then nothing may be changed.
    """
    reach = _by_itself(host, proposal)
    yield reach
    if proposal.action.name in _STATES:
        dependent = _dependent(host.manager, proposal.resource.name) - reach.named
        if proposal.action.name == "unit.restart":
            dependent -= {each for each in dependent if _own_mount(host.manager, each, reach.named)}
        yield replace(reach, dependent=frozenset(dependent))


def _by_itself(host: Host, proposal: Proposal) -> Reach:
    resource = proposal.resource
    match resource.kind:
        case TargetKind.UNIT | TargetKind.TIMER:
            return _of_unit(host, proposal, host.manager.unit(resource.name))
        case TargetKind.PROCESS:
            process = ProcessSnapshot.read(host.root, resource.name)
            if resource.identity and resource.identity.partition("/")[0] != str(process.start):
                raise JepaError(
                    f"PID {resource.name} belongs to another process by now.",
                    "Look for it anew.",
                    status=409,
                )
            cgroup = cgroup_of(process.pid, host.root)
            system, own = units(cgroup)
            return Reach(frozenset({system, own} - {""}), cgroup=cgroup, process=process, unit=system)
        case TargetKind.DEVICE:
            return Reach(frozenset({resource.name, PurePosixPath(resource.name).name}))
        case _:
            return Reach(frozenset())


def tree(root: Path) -> Path:
    """Where systemd's hierarchy of control groups is mounted."""
    base = root / "sys/fs/cgroup"
    for path in (base, base / "unified", base / "systemd"):
        if (path / "cgroup.procs").exists():
            return path
    return base


def _of_unit(host: Host, proposal: Proposal, unit: Unit) -> Reach:
    named = {proposal.resource.name, unit.id, *unit.names}
    if unit.fragment:
        named |= {PurePosixPath(unit.fragment).name, Path(os.path.realpath(unit.fragment)).name}
    inside: set[str] = set()
    if unit.id.endswith(".slice"):
        if unit.cgroup.strip("/"):
            inside = set(_inside(tree(host.root) / unit.cgroup.strip("/")))
        if (instances := _INSTANCES.fullmatch(folded(unit.id))) is not None:
            inside.add(f"{instances[1]}@.service")
    triggered: set[str] = set()
    if unit.id.endswith(_STARTERS):
        triggered = _listed(host.manager, unit.id, ("Triggers",))
    return Reach(
        frozenset(named),
        frozenset(inside),
        frozenset(triggered),
        cgroup=unit.cgroup,
        process=_main_process(host, unit),
    )


def _main_process(host: Host, unit: Unit) -> ProcessSnapshot | None:
    try:
        return ProcessSnapshot.read(host.root, unit.main_pid) if unit.main_pid > 0 else None
    except JepaError:
        return None  # it has ended


def _inside(group: Path, depth: int = 16) -> Iterator[str]:
    """The units in a slice's control group; what a unit makes below its own is its own affair."""
    try:
        children = [each.name for each in os.scandir(group) if each.is_dir(follow_symlinks=False)]
    except OSError:
        return  # it holds nothing, or no longer does
    for name in children:
        yield name.removeprefix("_")
        if name.endswith(".slice") and depth:
            yield from _inside(group / name, depth - 1)


def _dependent(manager: ServiceManager, unit: str) -> set[str]:
    """Units that are stopped with ``unit``, and those that its start, or what it pulls in, would stop."""
    stopped: set[str] = set()
    _follow(manager, [unit], _STOPPED_WITH, stopped)
    started: set[str] = {unit}
    _follow(manager, [unit], _PULLED_IN, started)
    for each in sorted(started):
        # What all services have in common (targets, slices, mounts) is in force already and stops nobody.
        if not each.endswith(_WITHOUT_PROCESSES) or each in ENDS:
            stopped |= _listed(manager, each, _STOPPED_BY_START)
    return (stopped - ENDS) | (started & ENDS)


def _own_mount(manager: ServiceManager, unit: str, owner: frozenset[str]) -> bool:
    """Whether ``unit`` is a mount that the administrator made part of ``owner`` and that nothing else needs.

    Then it is mounted anew with its owner, and stays mounted while somebody else has files open on it.
    """
    if not unit.endswith(".mount"):
        return False
    part_of = _listed(manager, unit, ("PartOf",))
    return bool(part_of) and part_of | _listed(manager, unit, _STOPPED_WITH) <= owner


def _follow(manager: ServiceManager, start: list[str], kinds: tuple[str, ...], found: set[str]) -> None:
    waiting = list(start)
    while waiting:
        for name in _listed(manager, waiting.pop(), kinds) - found:
            found.add(name)
            if kinds != _PULLED_IN or not name.endswith(_WITHOUT_PROCESSES):
                waiting.append(name)
        if len(found) > _MOST:
            raise JepaError(
                f"More than {_MOST} units depend on {start[0]}.", "Act on a smaller one.", status=403
            )


def _listed(manager: ServiceManager, unit: str, kinds: tuple[str, ...]) -> set[str]:
    return {str(name) for kind in kinds for name in manager.get(unit, "Unit", kind) or ()}
