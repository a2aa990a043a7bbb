# SPDX-License-Identifier: Apache-2.0
"""Reads channels from the kernel's own files, so that the assessor needs no other daemon."""

from collections.abc import Mapping
from pathlib import Path

from jepa.telemetry.clocks import Clock, SystemClock
from jepa.telemetry.roles import Roles
from jepa.telemetry.sources.base import Source
from jepa.telemetry.sources.cpu import CpuSource
from jepa.telemetry.sources.disk import DiskSource
from jepa.telemetry.sources.memory import MemorySource
from jepa.telemetry.sources.network import NetworkSource
from jepa.telemetry.sources.pressure import PressureSource
from jepa.telemetry.sources.role_usage import RoleSource
from jepa.telemetry.sources.vmstat import VmstatSource


class KernelChannels:
    """A ``ChannelReader`` over /proc and /sys below ``root``: what needs neither BPF nor jepad."""

    def __init__(self, root: Path = Path("/"), clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._sources: list[Source] = [
            PressureSource(root),
            CpuSource(root),
            MemorySource(root),
            VmstatSource(root),
            DiskSource(root),
            NetworkSource(root),
            RoleSource(root, Roles(root)),
        ]

    def read(self) -> Mapping[str, float]:
        """What each source observes now."""
        values: dict[str, float] = {}
        for source in self._sources:
            values |= source.read(self._clock.monotonic()).values
        return values

    def close(self) -> None:
        """Close the files of the sources."""
        for source in self._sources:
            source.close()
