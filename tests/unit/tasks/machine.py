# SPDX-License-Identifier: Apache-2.0
"""Plans for a machine whose settings are files, carried out by the real transaction."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jepa.actions.catalogue import Catalogue
from jepa.actions.change import Caller, Change
from jepa.actions.executor import Executor
from jepa.actions.family import Host
from jepa.actions.journal import Journal
from jepa.actions.messages import ActionRequest
from jepa.actions.request import make
from jepa.planning.plan import CourseVerdict, Gain, Plan, Step, Window
from tests.unit.actions.file_machine import ME, FileMachine, action, write

NAMES = ("vm.swappiness", "vm.dirty_ratio", "vm.dirty_background_ratio")
WAIT = "system.role.foreground.pressure.cpu"
ACTIONS = Catalogue({name: action(name) for name in NAMES})


class Channels:
    """A ``ChannelReader`` of a machine on which nothing changes."""

    def read(self) -> Mapping[str, float]:
        return {"system.pressure.cpu.some": 5.0, WAIT: 12.0}

    def why_not(self, name: str) -> str:
        return ""

    def close(self) -> None:
        pass


@dataclass
class Machine:
    """The machine, and the hands of whoever acts on it."""

    folder: Path
    caller: Caller = ME
    channels: Callable[[], Channels] = Channels
    asked: list[ActionRequest] = field(default_factory=list)
    files: FileMachine = field(init=False)
    executor: Executor = field(init=False)

    def __post_init__(self) -> None:
        self.files = FileMachine(self.folder)
        for name in NAMES:
            (self.files.root / name).touch()
            write(self.files.root / name, 60)
        self.executor = Executor(
            Host(self.files.root),
            self.files.guard,
            Journal(self.files.state, None, wait_s=0.0, rotate_bytes=1 << 20),
            self.files.timers,
            lambda: self.channels(),
            self.files.clock,
            actions=ACTIONS,
            families=lambda action: self.files.family,
        )

    def values(self) -> list[int]:
        return [self.files.value(name) for name in NAMES]

    def make(self, **what: Any) -> ActionRequest:
        return make(self.files.clock, **what)

    def act(self, request: ActionRequest, consent: bool) -> Change:
        self.asked.append(request)
        return self.executor.act(request, self.caller, consent)

    def undo(self, change: str = "") -> Sequence[Change]:
        return self.executor.undo(self.caller, change)


def plan(*steps: tuple[str, int, int], horizon_s: int = 15, spec: Mapping[str, Any] | None = None) -> Plan:
    """A plan of ``steps`` (action, from, to), made now, that predicts how long the foreground will wait."""
    window = Window((8.0, 11.0, 14.0), (20.0, 30.0, 40.0))
    return Plan(
        boot_id="a" * 32,
        made_ns=0,
        expires_ns=60_000_000_000,
        expires_s=1060.0,
        pack="machine 0",
        spec=dict(spec or {"intent": "prioritize"}),
        steps=tuple(
            Step(n, name, "", old, new, name, "tune", True) for n, (name, old, new) in enumerate(steps, 1)
        ),
        horizon_s=horizon_s,
        windows={WAIT: {5: window, horizon_s: window}},
        energy=Gain(0.1, 0.4, 0.3, 0.2),
        verdict=CourseVerdict("ask" if steps else "allow"),
        units={WAIT: "%"},
    )
