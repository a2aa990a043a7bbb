# SPDX-License-Identifier: Apache-2.0
"""Paging events are per second of the time that passed."""

from typing import Any

import pytest

from jepa.telemetry.sources.vmstat import VmstatSource, parse_vmstat


def test_events_per_second(host: Any) -> None:
    source = VmstatSource(host.root)
    assert source.read(5.0).values == {}
    host.edit("proc/vmstat", "pgfault 100000", "pgfault 101000")
    host.edit("proc/vmstat", "pgscan_direct 40", "pgscan_direct 48")
    values = source.read(5.5).values
    assert values["system.paging.faults"] == pytest.approx(2000)
    assert values["system.paging.scanned"] == pytest.approx(16)
    assert values["system.paging.swapped_in"] == 0
    assert len(values) == 5


def test_scans_are_summed_over_who_scans_and_not_twice(kernel_files: dict[str, str]) -> None:
    assert parse_vmstat(kernel_files["proc/vmstat"].encode()).scanned == 345


def test_a_scan_counter_that_cannot_be_read_leaves_no_sum() -> None:
    assert parse_vmstat(b"pgscan_kswapd 5\npgscan_direct x\n").scanned is None


def test_a_reset_counter_is_absent_once(host: Any) -> None:
    source = VmstatSource(host.root)
    source.read(1.0)
    host.edit("proc/vmstat", "pgfault 100000", "pgfault 5")
    assert "system.paging.faults" not in source.read(2.0).values
    host.edit("proc/vmstat", "pgfault 5", "pgfault 7")
    assert source.read(3.0).values["system.paging.faults"] == pytest.approx(2)
