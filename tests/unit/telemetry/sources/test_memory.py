# SPDX-License-Identifier: Apache-2.0
"""Memory is given as shares of all memory, swap as a share of all swap."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.telemetry.sources.memory import MemorySample, MemorySource, derive


def test_shares(host: Any) -> None:
    reading = MemorySource(host.root).read(1.0)
    assert reading.values == {
        "system.memory.utilization": pytest.approx(25),
        "system.memory.cached": pytest.approx(25),
        "system.memory.dirty": pytest.approx(0.1),
        "system.memory.anonymous": pytest.approx(20),
        "system.paging.utilization": pytest.approx(25),
    }
    assert reading.reason == ""


def test_without_swap_its_use_is_absent_and_not_zero(host: Any) -> None:
    host.edit("proc/meminfo", "SwapTotal:       4000000", "SwapTotal:             0")
    host.edit("proc/meminfo", "SwapFree:        3000000", "SwapFree:              0")
    reading = MemorySource(host.root).read(1.0)
    assert "system.paging.utilization" not in reading.values
    assert "no swap" in reading.reason


def test_an_unreadable_file_is_named(host: Any) -> None:
    (host.root / "proc/meminfo").unlink()
    (host.root / "proc/meminfo").mkdir()
    assert "proc/meminfo: Is a directory" in MemorySource(host.root).read(1.0).reason


@given(st.lists(st.one_of(st.none(), st.integers(0, 2**64)), min_size=9, max_size=9))
def test_shares_stay_within_0_and_100(sizes: list[int | None]) -> None:
    assert all(0 <= value <= 100 for value in derive(MemorySample(*sizes)).values())
