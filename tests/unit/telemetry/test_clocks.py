# SPDX-License-Identifier: Apache-2.0
"""The clocks: read as of one instant; a clock that was set, a suspend and a long wait are three things."""

import os
import subprocess
import sys
import time

import pytest

from jepa.telemetry.clocks import ClockChange, ClockWatch, Instant, in_words, read_clocks

SECOND = 1_000_000_000


def test_the_clocks_are_read_at_one_instant_even_when_the_process_is_put_aside() -> None:
    passes = iter([0.0, 30.0, 30.0, 33.0, 33.0, 33.001])
    now = 0.0

    def monotonic() -> float:
        nonlocal now
        now = next(passes)
        return now

    read = read_clocks(monotonic, lambda: round(now * 1e9) + 5, lambda: now + 100)
    assert abs(read.monotonic_s - read.wall_ns / 1e9) < 0.01
    assert read.suspended_s == pytest.approx(100, abs=0.01)


def test_this_machines_clocks() -> None:
    first, second = read_clocks(), read_clocks()
    assert 0 <= second.monotonic_s - first.monotonic_s < 60
    assert abs(second.wall_ns / 1e9 - time.time()) < 60
    assert second.suspended_s == pytest.approx(first.suspended_s, abs=0.1)


@pytest.mark.skipif(os.geteuid() != 0, reason="a time namespace needs root")
def test_the_time_since_boot_that_monotonic_does_not_know_is_suspended() -> None:
    """A time namespace moves CLOCK_BOOTTIME alone, as a suspend does."""
    show = "from jepa.telemetry.clocks import read_clocks; print(read_clocks().suspended_s)"
    moved = ["unshare", "--time", "--boottime", "3600", "--fork", sys.executable, "-c", show]
    suspended_s = float(subprocess.check_output(moved))
    assert suspended_s - read_clocks().suspended_s == pytest.approx(3600, abs=1)


@pytest.mark.parametrize("by", [-3600, -3, 3, 3600])
def test_a_clock_that_was_set_is_noticed_once_and_by_how_much(by: int) -> None:
    watch = ClockWatch()
    assert watch.look(Instant(0.0, 100_000 * SECOND)) == ClockChange()
    assert watch.look(Instant(1.0, (100_001 + by) * SECOND)) == ClockChange(set_by_s=by)
    assert watch.look(Instant(2.0, (100_002 + by) * SECOND)) == ClockChange()


def test_a_suspend_is_no_set_clock() -> None:
    watch = ClockWatch()
    watch.look(Instant(0.0, 0, 50.0))
    assert watch.look(Instant(1.0, 3601 * SECOND, 3650.0)) == ClockChange(suspended_s=3600)
    assert watch.look(Instant(2.0, 3602 * SECOND, 3650.0)) == ClockChange()


def test_a_clock_that_was_set_during_a_suspend_is_both() -> None:
    watch = ClockWatch()
    watch.look(Instant(0.0, 0))
    assert watch.look(Instant(1.0, 3661 * SECOND, 3600.0)) == ClockChange(suspended_s=3600, set_by_s=60)


def test_a_long_wait_is_no_jump() -> None:
    watch = ClockWatch()
    watch.look(Instant(0.0, 0))
    assert watch.look(Instant(90.0, 90 * SECOND)) == ClockChange()


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (59, "59 s"), (150, "2 min"), (3600, "1 h"), (200_000, "2 d")]
)
def test_a_time_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
