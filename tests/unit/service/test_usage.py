# SPDX-License-Identifier: Apache-2.0
"""The service's own cost is measured, not estimated."""

import time

from hypothesis import given
from hypothesis import strategies as st

from jepa.service.usage import TICK_BUCKETS_MS, TickTimes, Usage


def test_cpu_time_and_memory_are_those_of_this_process() -> None:
    usage = Usage()
    before = usage.rss_mib
    kept = bytearray(b"x" * (64 << 20))
    assert usage.rss_mib - before > 50
    assert kept
    end = time.monotonic() + 0.2
    while time.monotonic() < end:
        pass
    assert 5 < usage.cpu_percent <= 250
    assert usage.cpu_s > 0


def test_before_the_first_tick_there_is_no_quantile() -> None:
    assert TickTimes().quantile(0.5) is None


@given(st.lists(st.floats(0, 2000), min_size=1, max_size=50))
def test_histogram_and_quantiles_agree_with_the_ticks(ticks: list[float]) -> None:
    times = TickTimes()
    for tick in ticks:
        times.add(tick)
    assert times.count == len(ticks)
    assert times.buckets == [sum(tick <= bound for tick in ticks) for bound in TICK_BUCKETS_MS]
    low, high = times.quantile(0.0), times.quantile(0.99)
    assert low == min(ticks)
    assert high is not None
    assert sum(tick > high for tick in ticks) <= 0.01 * len(ticks)


def test_quantiles_forget_what_is_long_ago() -> None:
    times = TickTimes(window=10)
    for tick in [1000.0] * 5 + [1.0] * 10:
        times.add(tick)
    assert times.quantile(0.99) == 1.0
    assert times.count == 15
