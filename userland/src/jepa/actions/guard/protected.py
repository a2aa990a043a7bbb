# SPDX-License-Identifier: Apache-2.0
"""The protected set: what the machine cannot be operated without, and what belongs to whoever asks.

Compared by what a thing is, not by what it is called in the request: a unit by all its names and its file, a
process by its unit and its program, a device by what it carries.
"""

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Final

from jepa.actions.catalogue import TargetKind, Value
from jepa.actions.change import Caller, Proposal
from jepa.actions.family import Host
from jepa.actions.guard.caller import cgroup_of, units
from jepa.actions.guard.devices import carried_by
from jepa.actions.guard.identity import is_unit, matches_widely, names_of
from jepa.actions.guard.process import ProcessSnapshot, ancestors
from jepa.actions.guard.reach import ENDS, Reach
from jepa.errors import JepaError

_ORDER_ONLY: Final = (".target", ".device")
"""What depends on a unit and stops with it without loss: it holds nothing by itself."""
FILE: Final = Path(__file__).with_name("protected.toml")


@dataclass(frozen=True, slots=True)
class Always:
    """What is protected on every machine: patterns, as the file says."""

    units: Mapping[str, tuple[str, ...]]
    """Names of units by what would be lost."""
    programs: tuple[str, ...]
    types: tuple[str, ...]
    persons: tuple[str, ...]
    session: tuple[str, ...]
    raised: frozenset[str]


@cache
def always() -> Always:
    """The packaged set."""
    content = tomllib.loads(FILE.read_text())
    entries = content["protected"]
    return Always(
        units={entry["what"]: tuple(entry["units"]) for entry in entries},
        programs=tuple(program for entry in entries for program in entry["programs"]),
        types=tuple(content["types"]),
        persons=tuple(content["persons"]),
        session=tuple(content["session"]),
        raised=frozenset(content["raised"]),
    )


@dataclass(frozen=True, slots=True)
class Named:
    """What a person wants protected beside all that: patterns, from the policy."""

    units: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()


def reasons(host: Host, proposal: Proposal, reach: Reach, named: Named) -> list[str]:
    """Why the target is protected, a sentence each; empty when it is not."""
    match proposal.resource.kind:
        case TargetKind.UNIT | TargetKind.TIMER:
            found = _unit(host, proposal, reach, named)
        case TargetKind.PROCESS:
            found = _process(host, proposal, reach, named)
        case TargetKind.DEVICE:
            found = _device(host, proposal, reach, named)
        case _:
            return []
    return list(dict.fromkeys(found))


def raises_only(proposal: Proposal) -> bool:
    """Whether the change gives its target more than it has, and takes nothing from it."""
    if proposal.action.name not in always().raised:
        return False
    old, new = _amount(proposal.old), _amount(proposal.new)
    return old is not None and new is not None and new > old


def _amount(value: Value) -> float | None:
    if value in ("max", "infinity"):
        return float("inf")
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _unit(host: Host, proposal: Proposal, reach: Reach, named: Named) -> Iterator[str]:
    target = proposal.resource.name
    for name in sorted(reach.named, key=lambda name: (name != target, name)):
        if not is_unit(name):
            yield f"{name[:80]!a} is no name of a unit."
            break
        if why := _protected(name, named):
            yield f"{_also(target, name)} is protected: {why}."
            break
    main = reach.process
    if main is not None and main.uid == 0 and matches_widely(always().programs, (main.program,)):
        yield f"{target} runs {main.program}, which is protected."
    if main is not None and matches_widely(named.programs, (main.program,)):
        yield f"{target} runs {main.program}, which the policy protects."
    for name in sorted(reach.inside):
        if why := _protected(name, named):
            yield f"{target} holds {name}, which is protected: {why}."
    for name in sorted(reach.triggered):
        if why := _protected(name, named):
            yield f"{target} starts {name}, which is protected: {why}."
    for name in sorted(reach.dependent):
        if name in ENDS:
            yield f"It would start {name}, which ends what runs."
        elif not name.endswith(_ORDER_ONLY) and (why := _protected(name, named)):
            yield f"It would stop {name}, which is protected: {why}."
    if proposal.caller.autonomous:
        for name in sorted(reach.named | reach.inside):
            if matches_widely(always().persons, (name,)):
                yield f"{_also(target, name)} is a person's session, which no program changes by itself."
    yield from _own(host, proposal.caller, target, reach)


def _own(host: Host, caller: Caller, target: str, reach: Reach) -> Iterator[str]:
    """The caller's session and unit, and the slices that these are in."""
    if {caller.unit, caller.session} - {""} & reach.all:
        yield f"{target} is what you are working in."
        return
    for pid, whose in ((caller.pid, "you are"), (os.getpid(), "the actuator is")):
        place = PurePosixPath(cgroup_of(pid, host.root) or "/")
        group = PurePosixPath(reach.cgroup or "/")
        if len(group.parts) > 1 and place.is_relative_to(group):
            yield f"{target} is what {whose} working in."


def _process(host: Host, proposal: Proposal, reach: Reach, named: Named) -> Iterator[str]:
    process, caller = reach.process, proposal.caller
    assert process is not None
    label = f"Process {process.pid}"
    if process.pid == 1:
        yield f"{label} is the first process of the machine."
    if process.kernel or process.pid == 2:
        yield f"{label} is a thread of the kernel."
    if caller.pid and process.pid in set(ancestors(host.root, caller.pid)):
        yield f"{label} is your own session: you, or what you were started by."
    elif process.pid in host.own_pids or process.pid in set(ancestors(host.root, os.getpid())):
        yield f"{label} is the actuator, or what started it."
    if process.uid == 0 and matches_widely(always().programs, (process.program,)):
        yield f"{label} runs {process.program}, which is protected."
    if matches_widely(named.programs, (process.program,)):
        yield f"{label} runs {process.program}, which the policy protects."
    system, own = units(reach.cgroup)
    if system and not matches_widely(always().persons, (system,)) and (why := _protected(system, named)):
        yield f"{label} belongs to {system}, which is protected: {why}."
    if own and (matches_widely(named.units, (own,)) or _essential(reach.cgroup, own)):
        yield f"{label} belongs to {own}, which a person's session is built on."
    if system.startswith(("session-", "jepa-console@")) and _leads(host, process, reach.cgroup):
        yield f"{label} leads the session {system}."


def _essential(cgroup: str, own: str) -> bool:
    """Of a person's units those that everything else of theirs needs: the manager, the bus, the desktop."""
    return matches_widely(always().session, (own,)) or "/session.slice/" in cgroup


def _leads(host: Host, process: ProcessSnapshot, cgroup: str) -> bool:
    """Whether it came into the session from outside, as the login or the connection that the session is."""
    return cgroup_of(process.parent, host.root) != cgroup


def _device(host: Host, proposal: Proposal, reach: Reach, named: Named) -> Iterator[str]:
    for name in sorted(reach.named):
        if matches_widely(named.devices, (name,)):
            yield f"{name} is protected by the policy."
    try:
        for what in carried_by(host.root, proposal.resource.name):
            yield f"{proposal.resource.detail or proposal.resource.name} carries {what}."
    except OSError as error:
        raise JepaError(
            f"What {proposal.resource.name} carries cannot be told: {error.strerror}.",
            "Nothing is changed.",
            status=403,
        ) from error


def _protected(name: str, named: Named) -> str:
    """What would be lost with the unit ``name``; empty when it is not protected."""
    if name.endswith(always().types):
        return "file systems and the order of boot"
    names = list(names_of(name))
    for what, patterns in always().units.items():
        if matches_widely(patterns, names):
            return what
    if matches_widely(named.units, names):
        return "the policy names it"
    return ""


def _also(target: str, name: str) -> str:
    return name if name == target else f"{target}, which is also {name},"
