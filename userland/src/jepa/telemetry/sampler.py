# SPDX-License-Identifier: Apache-2.0
"""Frames from the machine, one a period, on a grid that does not drift."""

import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from jepa.telemetry.frame import FloatArray, Frame
from jepa.telemetry.histogram import Histogram
from jepa.telemetry.roles import Roles
from jepa.telemetry.schema import Schema, load_schema
from jepa.telemetry.sources.base import CountingSource, Reading, Source
from jepa.telemetry.sources.cgroup import CgroupSource
from jepa.telemetry.sources.cpu import CpuSource
from jepa.telemetry.sources.disk import DiskSource
from jepa.telemetry.sources.filesystem import FilesystemSource
from jepa.telemetry.sources.hardware import HardwareSource
from jepa.telemetry.sources.listeners import ListenerSource
from jepa.telemetry.sources.memory import MemorySource
from jepa.telemetry.sources.network import NetworkSource
from jepa.telemetry.sources.own import OwnSource
from jepa.telemetry.sources.pressure import PressureSource
from jepa.telemetry.sources.processes import ProcessSource
from jepa.telemetry.sources.roles import RoleSource
from jepa.telemetry.sources.vmstat import VmstatSource


@dataclass(frozen=True, slots=True)
class SourceState:
    """How one source did at the last reading."""

    name: str
    ok: bool
    """False when it gave no channel and knows why."""
    channels: int
    """Channels observed in the last frame."""
    of: int
    """Channels it can give on some machine."""
    reason: str
    """Why channels are missing, or empty."""
    note: str = ""
    """What a person should know of the channels that are there, or empty."""


class FrameSource(Protocol):
    """Whatever gives frames: this machine, a recording, a workload generator."""

    @property
    def schema(self) -> Schema:
        """The channels of every frame it gives."""

    def read(self) -> Frame:
        """The frame of this instant. Rates are since the last call, so a first frame has none."""

    def sources(self) -> list[SourceState]:
        """How each source did at the last reading."""

    def histograms(self) -> list[Histogram]:
        """What was counted by size between the last two readings; empty where nothing counts so."""

    def close(self) -> None:
        """Release what it holds."""


class Clock(Protocol):
    """The two clocks of the machine: one that never jumps, and the one people read."""

    def monotonic(self) -> float:
        """Seconds that only ever pass."""

    def wall_ns(self) -> int:
        """Nanoseconds since the epoch; jumps when somebody sets the clock."""

    def sleep(self, seconds: float) -> None:
        """Return once ``seconds`` have passed, or a little later."""


class SystemClock:
    """The clocks of the kernel."""

    def monotonic(self) -> float:
        """CLOCK_MONOTONIC, in seconds."""
        return time.monotonic()

    def wall_ns(self) -> int:
        """CLOCK_REALTIME, in nanoseconds."""
        return time.time_ns()

    def sleep(self, seconds: float) -> None:
        """Sleep on CLOCK_MONOTONIC."""
        time.sleep(seconds)


class Machine:
    """The frames of one machine."""

    def __init__(self, sources: list[Source], schema: Schema, clock: Clock) -> None:
        self._schema = schema
        self._sources = sources
        self._counting = [source for source in sources if isinstance(source, CountingSource)]
        self._clock = clock
        self._positions = {name: position for position, name in enumerate(schema.names)}
        self._of = Counter(channel.source for channel in schema.channels)
        self._low = np.array([channel.low for channel in schema.channels], np.float32)
        self._high = np.array([channel.high for channel in schema.channels], np.float32)
        self._states: list[SourceState] = [
            self._state(source.name, Reading({}, "not read yet")) for source in sources
        ]

    @property
    def schema(self) -> Schema:
        """The channels of every frame."""
        return self._schema

    def read(self) -> Frame:
        """Read every source once; what cannot be read is absent and its source says why."""
        ts_ns = self._clock.wall_ns()
        values = np.full(len(self._schema.channels), np.nan, np.float32)
        states: list[SourceState] = []
        for source in self._sources:
            reading = source.read(self._clock.monotonic())
            self._place(reading.values, values)
            states.append(self._state(source.name, reading))
        self._states = states
        np.clip(values, self._low, self._high, out=values)
        return Frame(ts_ns=ts_ns, values=values, valid=~np.isnan(values))

    def sources(self) -> list[SourceState]:
        """How each source did at the last reading."""
        return list(self._states)

    def histograms(self) -> list[Histogram]:
        """What was counted by size between the last two readings."""
        return [each for source in self._counting for each in source.histograms()]

    def close(self) -> None:
        """Close the files the sources keep open."""
        for source in self._sources:
            source.close()

    def _place(self, observed: Mapping[str, float], values: FloatArray) -> None:
        for name, value in observed.items():
            position = self._positions.get(name)
            if position is not None and math.isfinite(value):
                values[position] = value

    def _state(self, name: str, reading: Reading) -> SourceState:
        channels = len(self._positions.keys() & reading.values.keys())
        return SourceState(
            name,
            channels > 0 or not reading.reason,
            channels,
            self._of[name],
            reading.reason,
            reading.note,
        )


def open_machine(
    root: Path = Path("/"),
    schema: Schema | None = None,
    clock: Clock | None = None,
    *,
    kernel: bool = False,
    own_cost: bool = False,
) -> Machine:
    """Frames of the machine whose /proc and /sys lie below ``root``.

    With ``kernel`` also what programs in the kernel count, as far as this process may load them; with
    ``own_cost`` also what this process itself uses.
    """
    roles = Roles(root)
    sources: list[Source] = [
        CpuSource(root),
        PressureSource(root),
        MemorySource(root),
        VmstatSource(root),
        DiskSource(root),
        FilesystemSource(root),
        NetworkSource(root),
        CgroupSource(root),
        ProcessSource(root),
        HardwareSource(root),
        RoleSource(root, roles),
    ]
    if root == Path("/"):
        # It has no file, so that another root has none.
        sources.append(ListenerSource())
    if kernel:
        # Imported only here: most processes that read files have no use for libbpf.
        from jepa.telemetry.sources.kernel import KernelSource

        sources.append(KernelSource(root, roles))
    if own_cost:
        sources.append(OwnSource(root))
    return Machine(sources, schema or load_schema(), clock or SystemClock())


class Grid:
    """Instants that are whole periods after the first.

    Sleeping until an absolute instant keeps a loop from drifting. A period that passed, because the machine
    was too busy, is counted in ``missed`` and never made up for: late frames do not come in a bunch.
    """

    def __init__(self, period_s: float) -> None:
        if period_s <= 0:
            raise ValueError(f"a period of {period_s} s")
        self.period_s = period_s
        self.missed = 0
        """Periods that passed without a frame."""
        self._start: float | None = None
        self._taken = -1

    def next(self, now: float) -> float:
        """Seconds from ``now`` to the next instant that is due, 0 when that has passed already."""
        if self._start is None:
            self._start = now
        period = self._taken + 1
        due = self._start + period * self.period_s
        if due <= now:
            latest = math.floor((now - self._start) / self.period_s)
            self.missed += max(0, latest - period)
            period = max(period, latest)
        self._taken = period
        return max(0.0, due - now)


class Sampler:
    """Gives one frame a period, on a grid that does not drift."""

    def __init__(self, source: FrameSource, period_s: float = 1.0, clock: Clock | None = None) -> None:
        self.source = source
        self._grid = Grid(period_s)
        self._clock = clock or SystemClock()

    @property
    def missed(self) -> int:
        """Periods that passed without a frame."""
        return self._grid.missed

    def __iter__(self) -> Iterator[Frame]:
        """Frames without end."""
        while True:
            yield self.next()

    def next(self) -> Frame:
        """Sleep until the next instant of the grid and read a frame there."""
        if delay := self._grid.next(self._clock.monotonic()):
            self._clock.sleep(delay)
        return self.source.read()
