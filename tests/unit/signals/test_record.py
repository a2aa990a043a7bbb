# SPDX-License-Identifier: Apache-2.0
"""A signal is trusted only while it is fresh, of this world and alive."""

import math

import pytest

from jepa.signals.record import Record


def test_a_signal_that_varies_is_ok() -> None:
    record = Record()
    for at in range(100):
        record.add(at, 0.1 + at % 7 / 100)
    assert record.reading(99.5).state == "ok"


def test_one_that_stops_grows_stale() -> None:
    record = Record()
    record.add(0, 0.1)
    record.fail("stale", "nobody writes to the file")
    assert record.reading(9).state == "ok"
    found = record.reading(15)
    assert (found.state, found.value, found.reason) == ("stale", 0.1, "nobody writes to the file, for 15 s")


def test_one_or_two_failures_are_none_and_three_are() -> None:
    record = Record()
    record.add(0, 0.1)
    record.fail("unreachable", "connection refused")
    record.fail("unreachable", "connection refused")
    assert record.reading(2).state == "ok"
    record.fail("unreachable", "connection refused")
    assert record.reading(3).state == "unreachable"
    record.add(4, 0.2)
    assert record.reading(4).state == "ok"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e30, -1e30, 1e15])
def test_what_is_no_measurement_is_absurd(value: float) -> None:
    record = Record()
    record.add(0, value)
    assert record.reading(0).state == "absurd"


def test_a_latency_below_nothing_is_absurd_and_a_temperature_is_not() -> None:
    for least, state in ((0.0, "absurd"), (None, "ok")):
        record = Record(least)
        record.add(0, -0.5)
        assert record.reading(0).state == state


def test_one_that_does_not_change_is_constant_until_it_does() -> None:
    record = Record()
    for at in range(61):
        record.add(at, 0.25)
        assert record.reading(at).state == ("constant" if at == 60 else "ok")
    record.add(61, 0.26)
    assert record.reading(61).state == "ok"
