# SPDX-License-Identifier: Apache-2.0
"""Situations of a machine with two CPUs and 2 GiB, in the real channel schema, for the tests of causes."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from jepa.explanation.evidence import Cause, Explanation
from jepa.explanation.ranking import Question, explain
from jepa.explanation.situation import Situation
from jepa.explanation.use import ProcessUse, UnitUse
from jepa.explanation.window import FrameWindow
from jepa.healing.observation import Observation, Space
from jepa.telemetry.events.event import Event
from jepa.telemetry.frame import Frame
from jepa.telemetry.schema import load_schema

MIB: Final = 2**20
GIB: Final = 2**30
SECOND: Final = 10**9
START_NS: Final = 1_790_000_000 * SECOND
SECONDS: Final = 300
END_NS: Final = START_NS + (SECONDS - 1) * SECOND
IDLE: Final[dict[str, float]] = {
    "system.cpu.utilization": 4.0,
    "system.cpu.utilization.steal": 0.0,
    "system.cpu.context_switches": 400.0,
    "system.cpu.runnable": 1.0,
    "system.pressure.cpu.some": 0.5,
    "system.pressure.memory.some": 0.0,
    "system.pressure.memory.full": 0.0,
    "system.pressure.io.some": 0.3,
    "system.memory.utilization": 30.0,
    "system.memory.anonymous": 20.0,
    "system.memory.cached": 25.0,
    "system.paging.utilization": 0.0,
    "system.paging.swapped_in": 0.0,
    "system.paging.swapped_out": 0.0,
    "system.paging.faults.major": 0.0,
    "system.disk.io.read": 0.0,
    "system.disk.io.write": 40.0,
    "system.disk.operations.read": 0.0,
    "system.disk.operations.write": 4.0,
    "system.disk.utilization": 1.0,
    "system.disk.wait": 2.0,
    "system.filesystem.utilization": 40.0,
    "system.lock.wait": 1.0,
    "system.network.tcp.opened": 2.0,
    "system.network.tcp.accepted": 2.0,
    "system.network.tcp.accept.overflows": 0.0,
    "system.network.tcp.retransmits": 0.0,
    "hw.temperature": 45.0,
}
"""What the machine is like while nothing happens; every other channel is absent."""
MACHINE: Final = Observation(
    0.0,
    cpus=2,
    memory_total=2 * GIB,
    memory_available=GIB,
    spaces={"/var": Space(6 * GIB, 10 * GIB)},
)
Values = dict[str, float] | Callable[[int], dict[str, float]]


def window(values: Values | None = None, since: int = SECONDS - 15) -> FrameWindow:
    """Frames of an idle machine of which from second ``since`` on other ``values`` hold."""
    schema = load_schema()
    rng = np.random.default_rng(5)
    frames = []
    for second in range(SECONDS):
        now = dict(IDLE)
        if values is not None and second >= since:
            now |= values(second) if callable(values) else values
        column = np.full(len(schema.names), np.nan, np.float32)
        for name, value in now.items():
            column[schema.index(name)] = max(0.0, value * rng.normal(1, 0.01))
        frames.append(Frame(START_NS + second * SECOND, column, np.isfinite(column)))
    return FrameWindow(schema, frames)


def unit(name: str, **how: Any) -> UnitUse:
    """A service that runs and does little."""
    return replace(UnitUse(name, cpu=0.2, memory=40 * MIB, tasks=5, weight=100), **how)


def process(name: str, of: str, pid: int = 812, **how: Any) -> ProcessUse:
    """A process of the unit ``of``."""
    return replace(ProcessUse(pid, name, of), **how)


def event(kind: str, of: str | None = None, detail: str = "", ago: int = 10) -> Event:
    """Something that happened ``ago`` seconds before the end."""
    return Event(END_NS - ago * SECOND, kind, of, detail, "warning", "test")


def situation(
    values: Values | None = None,
    units: Sequence[UnitUse] = (),
    *,
    since: int = SECONDS - 15,
    machine: Observation = MACHINE,
    **more: Any,
) -> Situation:
    """The machine with ``units`` beside those that are always there."""
    always = (unit("jepad.service", cpu=1.0), unit("systemd-journald.service"), unit("dbus.service"))
    uses = {each.name: each for each in (*always, *units)}
    return Situation(window(values, since), uses, machine=machine, sampled_s=3.0, **more)


def explained(seen: Situation, question: Question | None = None) -> Explanation:
    """What is said of it."""
    return explain(seen, question)


def first(seen: Situation, question: Question | None = None) -> Cause:
    """The most likely cause."""
    found = explain(seen, question).causes
    assert found, "nothing stands out"
    return found[0]


def accused(found: Explanation) -> set[str]:
    """Every unit that some cause names as an offender."""
    return {each.name for cause in found.causes for each in cause.offenders}
