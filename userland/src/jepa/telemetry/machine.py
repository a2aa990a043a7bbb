# SPDX-License-Identifier: Apache-2.0
"""The frames of this machine, put together from every source."""

import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from jepa.telemetry.clocks import Clock, SystemClock
from jepa.telemetry.frame import Frame
from jepa.telemetry.histogram import Histogram
from jepa.telemetry.roles import Roles
from jepa.telemetry.schema import Schema, load_schema
from jepa.telemetry.source_state import SourceState
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
from jepa.telemetry.sources.role_usage import RoleSource
from jepa.telemetry.sources.vmstat import VmstatSource


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
            self._state(source.name, Reading({}, "not read yet"), 0) for source in sources
        ]

    @property
    def schema(self) -> Schema:
        """The channels of every frame."""
        return self._schema

    def read(self) -> Frame:
        """Read every source once; what cannot be read is absent and its source says why."""
        ts_ns = self._clock.wall_ns()
        observed = [math.nan] * len(self._schema.channels)
        states: list[SourceState] = []
        for source in self._sources:
            reading = source.read(self._clock.monotonic())
            states.append(self._state(source.name, reading, self._place(reading.values, observed)))
        self._states = states
        values = np.array(observed, np.float32)
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

    def _place(self, values: Mapping[str, float], observed: list[float]) -> int:
        """Put ``values`` at the positions of their channels; how many are channels of the schema."""
        channels = 0
        for name, value in values.items():
            position = self._positions.get(name)
            if position is not None:
                channels += 1
                if math.isfinite(value):
                    observed[position] = value
        return channels

    def _state(self, name: str, reading: Reading, channels: int) -> SourceState:
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
