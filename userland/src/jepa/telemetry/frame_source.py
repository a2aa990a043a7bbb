# SPDX-License-Identifier: Apache-2.0
"""Whatever gives frames."""

from typing import Protocol

from jepa.telemetry.frame import Frame
from jepa.telemetry.histogram import Histogram
from jepa.telemetry.schema import Schema
from jepa.telemetry.source_state import SourceState


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
