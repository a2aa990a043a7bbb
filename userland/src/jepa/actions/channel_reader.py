# SPDX-License-Identifier: Apache-2.0
"""Reads channels from the kernel's own files, so that the assessor needs no other daemon; and signals."""

from collections.abc import Mapping
from pathlib import Path

from jepa.actions.assessor import ChannelReader
from jepa.signals import published
from jepa.signals.published import Published, read_published
from jepa.telemetry.clocks import Clock, SystemClock, boot_s
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

    def why_not(self, name: str) -> str:
        """Nothing is known of a channel that no source has."""
        return ""

    def close(self) -> None:
        """Close the files of the sources."""
        for source in self._sources:
            source.close()


class WithSignals:
    """A ``ChannelReader`` that knows signals too: those that their reader vouches for, off its file."""

    def __init__(self, channels: ChannelReader, path: Path = published.FILE) -> None:
        self._channels = channels
        self._path = path
        self._newest = Published()

    def read(self) -> Mapping[str, float]:
        """Channels, and signals that are ok."""
        self._newest = read_published(self._path, boot_s())
        return {**self._newest.values(), **self._channels.read()}

    def why_not(self, name: str) -> str:
        """What is wrong with a signal."""
        return self._newest.why_not(name)

    def close(self) -> None:
        """Close the channels' reader."""
        self._channels.close()
