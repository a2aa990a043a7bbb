# SPDX-License-Identifier: Apache-2.0
"""Whatever gives frames, and how its parts say how they do."""

from dataclasses import dataclass
from typing import Protocol

from jepa.telemetry.frame import Frame
from jepa.telemetry.histogram import Histogram
from jepa.telemetry.schema import Schema


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
