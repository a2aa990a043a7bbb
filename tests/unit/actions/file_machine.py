# SPDX-License-Identifier: Apache-2.0
"""A machine whose settings are files, for tests of the transaction: fast, and as real as a file is."""

import os
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jepa.actions import request as requests
from jepa.actions.catalogue import ActionType, Catalogue, Persistence, TargetKind, Tier, Value, ValueType
from jepa.actions.change import Caller, Change, Proposal, State
from jepa.actions.clock import HostClock
from jepa.actions.executor import Executor
from jepa.actions.family import Host, Resource
from jepa.actions.journal import Journal, Publish
from jepa.actions.messages import ActionRequest, Verdict
from jepa.errors import JepaError

WIDTH = 12
START = 60
ME = Caller(os.getuid(), os.getpid())


def action(name: str, **more: Any) -> ActionType:
    return ActionType(
        **{
            "name": name,
            "family": "files",
            "target": TargetKind.MACHINE,
            "type": ValueType.INTEGER,
            "tier": Tier.TUNE,
            "summary": "",
            "description": "",
            "example": f"jepa act {name} 1",
            "setting": name,
            "minimum": 0,
            "maximum": 10**6,
            **more,
        }
    )


ACTIONS = Catalogue(
    {
        each.name: each
        for each in (
            action("one"),
            action("two"),
            action("pair"),
            action("kept", persistence=Persistence.PERSISTENT),
            action("once", tier=Tier.IRREVERSIBLE, inverse=""),
        )
    }
)


def memory_folder(otherwise: Path) -> Path:
    """A new folder in memory: a kill loses nothing of it, and syncing it does not wait for a busy disk."""
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(dir=memory)) if os.access(memory, os.W_OK) else otherwise


class Files:
    """A ``Family``: one file a setting, replaced by one write; ``pair`` is two files, written one after the
    other."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.fails: dict[str, JepaError] = {}
        """Raised by the method of that name."""

    def missing(self, host: Host, action: ActionType) -> str | None:
        return None if (host.root / action.setting).exists() else f"This machine has no {action.setting}."

    def resolve(self, host: Host, action: ActionType, target: str) -> Resource:
        return Resource(TargetKind.MACHINE, target, action.setting)

    def read(self, host: Host, resource: Resource) -> Value:
        self._may("read")
        try:
            return int((host.root / resource.setting).read_text())
        except FileNotFoundError:
            raise JepaError(f"{resource.setting} is gone.", "", status=409) from None

    def check(self, host: Host, action: ActionType, resource: Resource, value: Value) -> Value:
        return value

    def apply(self, host: Host, resource: Resource, value: Value) -> None:
        self.told.append(f"apply {value}")
        self._may("apply")
        if resource.setting == "pair":
            write(host.root / "pair-2", value)
        write(host.root / resource.setting, value)

    def verify(self, host: Host, resource: Resource, value: Value) -> None:
        self._may("verify")
        if (found := self.read(host, resource)) != value:
            raise JepaError(f"{resource.setting} is {found}, not {value}.", "")

    def undo(self, host: Host, resource: Resource, old: Value) -> None:
        self._may("undo")
        self.apply(host, resource, old)

    def _may(self, method: str) -> None:
        if (error := self.fails.get(method)) is not None:
            raise error


def write(path: Path, value: Value) -> None:
    fd = os.open(path, os.O_WRONLY)
    os.pwrite(fd, f"{value:>{WIDTH}}\n".encode(), 0)
    os.close(fd)


class SteppedClock(HostClock):
    """Stands still until a test moves it, or somebody sleeps."""

    def __init__(self, boot: str = "a" * 32) -> None:
        self.now_s = 1000.0
        self._boot_id = boot

    def boottime_s(self) -> float:
        return self.now_s

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def wait(self, event: Any, seconds: float) -> bool:
        self.sleep(seconds)
        return bool(event.is_set())


class Timers:
    """A ``DeadMan`` that only keeps account, in the order of everything else that is told."""

    survives = False

    def __init__(self, told: list[str]) -> None:
        self.told = told
        self.seconds: dict[str, float] = {}
        self.fails: JepaError | None = None

    def arm(self, change_id: str, seconds: float) -> None:
        if self.fails is not None:
            raise self.fails
        self.told.append("arm")
        self.seconds[change_id] = seconds

    def disarm(self, change_id: str) -> None:
        self.told.append("disarm")
        self.seconds.pop(change_id, None)

    def armed(self) -> Collection[str]:
        return tuple(self.seconds)


class Agreeable:
    """A guard that says what it is told to."""

    def __init__(self) -> None:
        self.verdict = Verdict("allow")

    def judge(self, proposal: Proposal, changes: Sequence[Change], now_s: float) -> Verdict:
        return self.verdict

    def judge_undo(self, change: Change, caller: Caller) -> Verdict:
        return self.verdict


@dataclass
class FileMachine:
    """Everything an executor needs; ``start`` is what a daemon does first."""

    folder: Path
    clock: HostClock = field(default_factory=SteppedClock)
    channels: Any = None
    publish: Publish | None = None
    rotate_bytes: int = 1 << 20

    def __post_init__(self) -> None:
        self.family, self.guard = Files(), Agreeable()
        self.timers = Timers(self.family.told)
        self.root = self.folder / "root"
        self.state = self.folder / "journal"
        if not self.root.exists():
            (self.root / "etc").mkdir(parents=True)
            for name in (*ACTIONS, "pair-2"):
                (self.root / name).touch()
                write(self.root / name, START)

    def start(self) -> Executor:
        """A process begins: it opens the journal and recovers."""
        executor = self.open()
        executor.recover()
        return executor

    def open(self) -> Executor:
        self.timers = Timers(self.family.told)
        journal = Journal(self.state, self.publish, wait_s=0.0, rotate_bytes=self.rotate_bytes)
        return Executor(
            Host(self.root),
            self.guard,
            journal,
            self.timers,
            self.channels,
            self.clock,
            actions=ACTIONS,
            families=lambda action: self.family,
        )

    def request(self, name: str, value: Value = None, **more: Any) -> ActionRequest:
        return requests.make(self.clock, action=name, value=value, **more)

    def value(self, name: str) -> int:
        return int((self.root / name).read_text())

    def reboot(self) -> None:
        """What is not persistent is as it was."""
        self.clock = SteppedClock("b" * 32)
        for name in (*ACTIONS, "pair-2"):
            if name != "kept":
                write(self.root / name, START)


def assert_sound(machine: FileMachine, executor: Executor, acknowledged: dict[str, str]) -> None:
    """What must hold after any crash: every setting is committed or at its old value, and no record is lost.

    ``acknowledged`` are the states that callers were told of, by the ids of the changes.
    """
    journal = executor.journal
    assert not journal.damage
    assert all(each.state is State.COMMITTED and each.ending is None for each in journal.in_force)
    for name in (each.name for each in ACTIONS.values() if each.reversible):
        values = [each.new for each in journal.in_force if each.setting == name]
        assert machine.value(name) == (values[-1] if values else START), name
    assert machine.value("pair-2") == machine.value("pair"), "half applied"
    found = {each.id: each.state for each in journal.changes}
    for change_id, state in acknowledged.items():
        assert found[change_id] == state or (state == "committed" and not found[change_id].in_force)
