# SPDX-License-Identifier: Apache-2.0
"""The clocks: read as of one instant, and a jump is told from a long wait."""

import pytest

from jepa.telemetry.clocks import ClockWatch, both_clocks

SECOND = 1_000_000_000


def test_the_clocks_are_read_at_one_instant_even_when_the_process_is_put_aside() -> None:
    passes = iter([0.0, 30.0, 30.0, 33.0, 33.0, 33.001])
    now = 0.0

    def monotonic() -> float:
        nonlocal now
        now = next(passes)
        return now

    at, wall_ns = both_clocks(monotonic, lambda: round(now * 1e9) + 5)
    assert abs(at - wall_ns / 1e9) < 0.01


@pytest.mark.parametrize("by", [-3600, -3, 3, 3600])
def test_a_clock_that_was_set_is_noticed_once_and_by_how_much(by: int) -> None:
    watch = ClockWatch()
    assert watch.jump(0.0, 100_000 * SECOND) is None
    assert watch.jump(1.0, (100_001 + by) * SECOND) == pytest.approx(by)
    assert watch.jump(2.0, (100_002 + by) * SECOND) is None


def test_a_long_wait_is_no_jump() -> None:
    watch = ClockWatch()
    watch.jump(0.0, 0)
    assert watch.jump(90.0, 90 * SECOND) is None
