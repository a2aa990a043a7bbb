# SPDX-License-Identifier: Apache-2.0
"""CPU shares are of the ticks that passed; events are per second of the time that passed."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.telemetry.sources.cpu import CpuSource, StatSample, derive, parse_stat

START = StatSample(1000, 100, 500, 8000, 200, 10, 90, 100, 123456, 54321, 777, 3, 2)


def later(**rise: int) -> StatSample:
    return replace(START, **{name: getattr(START, name) + by for name, by in rise.items()})


def test_shares_add_up_to_what_was_not_idle() -> None:
    values = derive(
        START, later(user=30, nice=10, system=20, idle=100, iowait=20, irq=2, softirq=8, steal=10), 2.0
    )
    assert values["system.cpu.utilization"] == pytest.approx(40.0)
    assert values["system.cpu.utilization.user"] == pytest.approx(20.0)
    assert values["system.cpu.utilization.system"] == pytest.approx(10.0)
    assert values["system.cpu.utilization.iowait"] == pytest.approx(10.0)
    assert values["system.cpu.utilization.irq"] == pytest.approx(5.0)
    assert values["system.cpu.utilization.steal"] == pytest.approx(5.0)


def test_events_are_per_second() -> None:
    values = derive(START, later(context_switches=3000, interrupts=500, created=5, idle=1), 2.5)
    assert values["system.cpu.context_switches"] == pytest.approx(1200)
    assert values["system.cpu.interrupts"] == pytest.approx(200)
    assert values["system.process.created"] == pytest.approx(2)


def test_iowait_stepping_back_is_no_wait_and_no_loss() -> None:
    values = derive(START, later(iowait=-5, user=50, idle=50), 1.0)
    assert values["system.cpu.utilization.iowait"] == 0
    assert values["system.cpu.utilization"] == pytest.approx(50)


def test_a_cpu_that_went_away_leaves_the_shares_absent_once() -> None:
    values = derive(START, later(user=-500, idle=-4000, context_switches=10), 1.0)
    assert set(values) == {"system.cpu.context_switches", "system.cpu.interrupts", "system.process.created"}


def proc_stat(busy: int, idle: int, cpus: int = 0) -> StatSample:
    lines = [f"cpu {busy} 0 0 {idle} 0 0 0 0 0 0", *(f"cpu{n} 1 0 0 1 0 0 0 0 0 0" for n in range(cpus))]
    return parse_stat("\n".join(lines).encode())


@pytest.mark.parametrize("cpus", [0, 4])
def test_a_cpu_that_goes_offline_and_comes_back_leaves_both_frames_without_shares(cpus: int) -> None:
    before, without, again = (
        proc_stat(1000, 1_000_000, cpus),
        proc_stat(1010, 880_000, cpus),
        proc_stat(1020, 1_000_380, cpus),
    )
    assert derive(before, without, 1.0) == {}
    assert derive(without, again, 1.0) == {}
    assert derive(again, proc_stat(1070, 1_000_430, cpus), 1.0)["system.cpu.utilization"] == pytest.approx(
        50
    )


def test_iowait_that_left_with_a_cpu_is_no_share_either() -> None:
    assert "system.cpu.utilization" not in derive(START, later(iowait=-150, user=50, idle=50), 1.0)


def test_ticks_may_run_a_little_ahead_of_the_clock() -> None:
    assert derive(START, later(user=110, idle=110), 1.0)["system.cpu.utilization"] == pytest.approx(50)
    assert "system.cpu.utilization" not in derive(START, later(user=160, idle=160), 1.0)


def test_cpus_are_counted_by_their_lines_and_not_by_their_numbers() -> None:
    content = b"cpu 9 9 9 9\ncpu0 1 1 1 1\ncpu17 1 1 1 1\ncpu128 1 1 1 1\n"
    assert parse_stat(content).cpus == 3


def test_columns_of_later_kernels_and_guests_within_user_do_not_count_twice() -> None:
    before = parse_stat(b"cpu 100 0 0 100 0 0 0 0 50 0 7 7\n")
    after = parse_stat(b"cpu 150 0 0 150 0 0 0 0 100 0 99 99\n")
    assert derive(before, after, 1.0)["system.cpu.utilization"] == pytest.approx(50)


def test_no_tick_passed_means_no_share() -> None:
    assert "system.cpu.utilization" not in derive(START, START, 0.001)


def test_an_old_kernel_without_steal_still_has_utilization() -> None:
    before, after = replace(START, steal=None), replace(later(user=10, idle=10), steal=None)
    values = derive(before, after, 1.0)
    assert values["system.cpu.utilization"] == pytest.approx(50)
    assert "system.cpu.utilization.steal" not in values


ticks = st.one_of(st.none(), st.integers(0, 2**64 - 1))


@given(st.lists(ticks, min_size=24, max_size=24), st.floats(1e-3, 1e6))
def test_shares_stay_within_0_and_100(counters: list[int | None], seconds: float) -> None:
    values = derive(StatSample(*counters[:12]), StatSample(*counters[12:]), seconds)
    for name, value in values.items():
        assert value >= 0
        if name.startswith("system.cpu.utilization"):
            assert value <= 100 + 1e-9


def test_first_reading_has_levels_only(host: Any) -> None:
    reading = CpuSource(host.root).read(10.0)
    assert reading.values == {"system.cpu.runnable": 3, "system.cpu.load_average.1m": 1.25}


def test_second_reading_has_everything(host: Any) -> None:
    source = CpuSource(host.root)
    source.read(10.0)
    host.edit("proc/stat", "cpu  1000 100 500 8000", "cpu  1050 100 500 8050")
    host.edit("proc/stat", "ctxt 123456", "ctxt 123556")
    reading = source.read(10.5)
    assert reading.values["system.cpu.utilization"] == pytest.approx(50)
    assert reading.values["system.cpu.context_switches"] == pytest.approx(200)
    assert len(reading.values) == 11


def test_a_missing_file_costs_its_own_channels_only(host: Any) -> None:
    (host.root / "proc/loadavg").unlink()
    reading = CpuSource(host.root).read(10.0)
    assert set(reading.values) == {"system.cpu.runnable"}
    assert "proc/loadavg: No such file" in reading.reason
