# SPDX-License-Identifier: Apache-2.0
"""Memory is given as shares of all memory, swap as a share of all swap."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.telemetry.sources.memory import MemorySample, MemorySource, derive, parse_arc


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


def test_the_cache_of_zfs_counts_as_available_down_to_its_least_size(host: Any) -> None:
    host.write(
        "proc/spl/kstat/zfs/arcstats",
        "9 1 0x01 147 39984 4167396378 1795435439\nname type data\nhits 4 99\n"
        f"c_min 4 {400_000 * 1024}\nc_max 4 {4_000_000 * 1024}\nsize 4 {1_200_000 * 1024}\n",
    )
    values = MemorySource(host.root).read(1.0).values
    assert values["system.memory.utilization"] == pytest.approx(15)


def test_memory_plugged_in_while_it_runs_is_the_new_whole(host: Any) -> None:
    source = MemorySource(host.root)
    source.read(1.0)
    host.edit("proc/meminfo", "MemTotal:        8000000", "MemTotal:       16000000")
    host.edit("proc/meminfo", "MemAvailable:    6000000", "MemAvailable:   14000000")
    assert source.read(2.0).values["system.memory.utilization"] == pytest.approx(12.5)


def test_an_unreadable_file_is_named(host: Any) -> None:
    (host.root / "proc/meminfo").unlink()
    (host.root / "proc/meminfo").mkdir()
    assert "proc/meminfo: Is a directory" in MemorySource(host.root).read(1.0).reason


@given(st.lists(st.one_of(st.none(), st.integers(0, 2**64)), min_size=9, max_size=9))
def test_shares_stay_within_0_and_100(sizes: list[int | None]) -> None:
    assert all(0 <= value <= 100 for value in derive(MemorySample(*sizes)).values())


@given(st.binary(max_size=200))
def test_any_arcstats(content: bytes) -> None:
    assert parse_arc(content) >= 0
