# SPDX-License-Identifier: Apache-2.0
"""Pressure is the share of the elapsed time that was stalled, from the kernel's totals."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.telemetry.sources.pressure import PressureSource, share


def test_share_of_the_time_between_two_readings(host: Any) -> None:
    source = PressureSource(host.root)
    assert source.read(10.0).values == {}
    host.edit("proc/pressure/io", "total=3000000", "total=3500000")
    values = source.read(12.0).values
    assert values["system.pressure.io.some"] == pytest.approx(25)
    assert values["system.pressure.io.full"] == 0
    assert len(values) == 5


def test_a_total_that_runs_a_little_ahead_of_the_clock_is_all_of_the_time() -> None:
    assert share(0, 1_000_100, 1.0) == 100


def test_a_kernel_without_pressure_says_so(host: Any) -> None:
    for kind in ("cpu", "memory", "io"):
        (host.root / "proc/pressure" / kind).unlink()
    reading = PressureSource(host.root).read(1.0)
    assert reading.values == {}
    assert reading.reason.count("No such file") == 3


def test_a_file_that_opens_and_cannot_be_read_leaves_the_others(host: Any) -> None:
    """As with psi=0, where reading is refused with EOPNOTSUPP."""
    (host.root / "proc/pressure/cpu").unlink()
    (host.root / "proc/pressure/cpu").mkdir()
    source = PressureSource(host.root)
    source.read(1.0)
    reading = source.read(2.0)
    assert "system.pressure.memory.some" in reading.values
    assert "proc/pressure/cpu" in reading.reason


counters = st.one_of(st.none(), st.integers(0, 2**64))


@given(counters, counters, st.floats(1e-6, 1e9))
def test_share_is_a_percentage_or_absent(before: int | None, after: int | None, seconds: float) -> None:
    stalled = share(before, after, seconds)
    assert stalled is None or 0 <= stalled <= 100
