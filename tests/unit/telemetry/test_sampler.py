# SPDX-License-Identifier: Apache-2.0
"""The sampler gives frames on time, whatever the clock and the machine do."""

import numpy as np
import pytest

from jepa.telemetry.frame import Frame
from jepa.telemetry.histogram import Histogram
from jepa.telemetry.sampler import Sampler
from jepa.telemetry.schema import Schema, load_schema
from jepa.telemetry.source_state import SourceState
from tests.unit.telemetry.clock import Clock


class Reader:
    """Notes when it was read, and takes as long as told."""

    schema: Schema = load_schema()

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.read_at: list[float] = []
        self.cost = 0.0

    def read(self) -> Frame:
        self.read_at.append(self.clock.now)
        self.clock.pass_(self.cost)
        values = np.full(len(self.schema.names), np.nan, np.float32)
        return Frame(ts_ns=self.clock.wall, values=values, valid=~np.isnan(values))

    def sources(self) -> list[SourceState]:
        return []

    def histograms(self) -> list[Histogram]:
        return []

    def close(self) -> None:
        pass


def test_the_grid_does_not_drift_when_sleeps_end_late() -> None:
    clock = Clock()
    clock.late = 0.013
    reader = Reader(clock)
    reader.cost = 0.004
    sampler = Sampler(reader, 1.0, clock)
    for _ in range(1000):
        sampler.next()
    assert sampler.missed == 0
    assert reader.read_at[-1] == pytest.approx(reader.read_at[0] + 999, abs=0.02)


def test_missed_periods_are_counted_and_not_made_up_for() -> None:
    clock = Clock()
    reader = Reader(clock)
    sampler = Sampler(reader, 1.0, clock)
    sampler.next()
    clock.pass_(4.4)
    for _ in range(3):
        sampler.next()
    assert [at - 1000 for at in reader.read_at] == pytest.approx([0, 4.4, 5, 6])
    assert sampler.missed == 3


def test_a_clock_set_back_or_forth_neither_bunches_nor_stalls_frames() -> None:
    clock = Clock()
    reader = Reader(clock)
    sampler = Sampler(reader, 1.0, clock)
    sampler.next()
    clock.wall -= 86_400_000_000_000
    sampler.next()
    clock.wall += 2 * 86_400_000_000_000
    sampler.next()
    assert [at - 1000 for at in reader.read_at] == pytest.approx([0, 1, 2])
    assert sampler.missed == 0
