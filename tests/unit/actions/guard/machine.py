# SPDX-License-Identifier: Apache-2.0
"""A machine for the guard's tests: a service manager that knows units as systemd does, and a small /proc."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

from jepa.actions.catalogue import TargetKind, Tier, Value, catalogue
from jepa.actions.change import Caller, Change, Proposal, State
from jepa.actions.family import Host, Resource
from jepa.actions.guard.grants import GrantStore
from jepa.actions.guard.guard import Guard
from jepa.actions.guard.policy_store import PolicyStore
from jepa.actions.messages import ActionRequest
from jepa.actions.service_manager import NoServiceManager, Unit
from jepa.errors import JepaError

BOOT = "0" * 31 + "1"
PERSON = Caller(uid=1000, unit="user@1000.service", session="app-terminal.scope")
ROOT = Caller(uid=0, unit="session-3.scope", session="session-3.scope")
DAEMON = Caller(uid=61200, unit="jepad.service")
HEALING = Caller(uid=61201, unit="jepa-healing.service")
WEB = Caller(uid=33, unit="apache2.service")


def alone(folder: Path) -> PolicyStore:
    """A policy in ``folder`` that yields to no tuner: other tests run processes of their names."""
    file = folder / "etc/jepa/policy.toml"
    file.parent.mkdir(parents=True)
    file.write_text('[tuners]\nignore = ["*"]\n')
    file.chmod(0o644)
    return PolicyStore(folder)


@dataclass
class Manager(NoServiceManager):
    """Finds units by exact name or alias and makes instances of templates, as systemd does."""

    known: dict[str, Unit] = field(default_factory=dict)
    properties: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    available = True

    def add(self, name: str, slice_: str = "system.slice", **more: Any) -> Unit:
        path = "" if name == "-.slice" else f"/{name}" if name.endswith(".slice") else f"/{slice_}/{name}"
        unit = Unit(name, "loaded", "active", **{"cgroup": path, "names": (name,), **more})
        for each in unit.names:
            self.known[each] = unit
        self.known[name] = unit
        return unit

    def unit(self, name: str) -> Unit:
        if (found := self.known.get(name)) is not None:
            return found
        stem, _, kind = name.rpartition(".")
        template, at, instance = stem.partition("@")
        if at and instance and (found := self.known.get(f"{template}@.{kind}")) is not None:
            return replace(found, id=name, names=(name,))
        raise JepaError(f"There is no unit {name}.", "", status=404)

    def get(self, unit: str, interface: str, name: str) -> Any:
        return self.properties.get((unit, name), [])


@dataclass
class Machine:
    """A guard over a root of its own."""

    root: Path
    manager: Manager = field(default_factory=Manager)
    hour: int = 12
    now_s: float = 5000.0

    def __post_init__(self) -> None:
        (self.root / "sys/fs/cgroup").mkdir(parents=True)
        (self.root / "sys/fs/cgroup/cgroup.procs").touch()
        (self.root / "proc").mkdir()
        self.host = Host(self.root, self.manager, count(0.0, 10.0).__next__)
        self.grants = GrantStore(
            self.root / "grants.jsonl", BOOT, lambda: self.now_s, lambda: int(self.now_s * 1e9)
        )
        self.store = PolicyStore(self.root, self.root / "policy.json")
        self.guard = Guard(self.host, self.store, self.grants, BOOT)

    def policy(self, text: str, name: str = "policy.toml") -> None:
        file = self.root / "etc/jepa" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o644)

    def cgroup(self, path: str) -> None:
        (self.root / "sys/fs/cgroup" / path.strip("/")).mkdir(parents=True, exist_ok=True)

    def process(self, pid: int, cgroup: str = "/", **more: Any) -> None:
        facts = {
            "comm": "sleep",
            "parent": 1,
            "start": pid * 10,
            "flags": 0,
            "exe": "/usr/bin/sleep",
            **more,
        }
        folder = self.root / "proc" / str(pid)
        folder.mkdir(exist_ok=True)
        before, after = [facts["parent"], 1, 1, 0, -1, facts["flags"]], [facts["start"], 0, 0]
        middle = [0] * (19 - 1 - len(before))
        numbers = " ".join(map(str, [*before, *middle, *after]))
        (folder / "stat").write_text(f"{pid} ({facts['comm']}) S {numbers}\n")
        (folder / "status").write_text(f"Name:\t{facts['comm']}\nTgid:\t{facts.get('tgid', pid)}\n")
        (folder / "comm").write_text(f"{facts['comm']}\n")
        (folder / "cgroup").write_text(f"0::{cgroup}\n")
        (folder / "exe").unlink(missing_ok=True)
        (folder / "exe").symlink_to(facts["exe"])

    def decide(self, proposal: Proposal, *changes: Change) -> str:
        return self.guard.judge(proposal, changes, self.now_s).decision

    def reasons(self, proposal: Proposal, *changes: Change) -> str:
        return " ".join(self.guard.judge(proposal, changes, self.now_s).reasons)


def proposal(
    action: str = "vm.swappiness",
    target: str = "",
    new: Value = 10,
    caller: Caller = PERSON,
    old: Value = 60,
    identity: str = "",
    request: Mapping[str, Any] | None = None,
    kind: TargetKind | None = None,
    **fields: Any,
) -> Proposal:
    """What somebody wants; ``fields`` replace those of the catalogue's entry."""
    entry = catalogue()[action]._replace(**fields)
    entry = entry._replace(target=kind or entry.target)
    resource = Resource(entry.target, target, entry.setting, identity)
    return Proposal(
        entry, resource, old, new, ActionRequest(entry.name, target, new, **(request or {})), caller
    )


def change(made: Proposal, state: State = State.COMMITTED, age_s: float = 10.0, **more: Any) -> Change:
    """A change that was made of what was wanted, ``age_s`` before 5000 s after boot."""
    fields: dict[str, Any] = {
        "id": "0123456789ab",
        "ts_ns": 0,
        "boot_id": BOOT,
        "uid": made.caller.uid,
        "action": made.action.name,
        "target": made.resource.name,
        "setting": made.resource.setting,
        "identity": made.resource.identity,
        "old": made.old,
        "new": made.new,
        "tier": Tier.TUNE,
        "state": state,
        "applied_s": 5000.0 - age_s,
        "unit": made.caller.unit,
        "task": made.request.task,
        **more,
    }
    return Change(**fields)
