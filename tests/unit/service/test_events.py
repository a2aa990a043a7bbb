# SPDX-License-Identifier: Apache-2.0
"""Events keep their number over restarts, and followers ask by it, whatever the clock says."""

from pathlib import Path

import pytest

from jepa.errors import JepaError
from jepa.service.events import KEPT, EventStore
from jepa.telemetry.events.event import Event


def event(ts_ns: int, unit: str = "a.service") -> Event:
    return Event(ts_ns, "unit_failed", unit, "result exit-code", "error", "units")


def test_an_event_that_comes_late_with_an_older_time_is_given_to_who_follows() -> None:
    store = EventStore(None)
    for second in (1_000, 2_000):
        store.append(event(second))
    cursor = store.sequence
    store.append(event(500))
    (late,) = store.after(cursor)
    assert (late.sequence, late.event.ts_ns) == (3, 500)


def test_numbers_go_on_after_a_restart(tmp_path: Path) -> None:
    store = EventStore.open(tmp_path)
    first, second = store.append(event(2)), store.append(event(1))
    assert first is not None and second is not None
    store.close()
    again = EventStore.open(tmp_path)
    assert [each.sequence for each in again.after(first.sequence)] == [second.sequence]
    third = again.append(event(0))
    assert third is not None and third.sequence == second.sequence + 1
    again.close()


def test_what_is_told_twice_is_kept_once() -> None:
    store = EventStore(None)
    assert store.append(event(1)) is not None
    assert store.append(event(1)) is None
    assert store.sequence == 1


def test_a_number_of_another_log_is_answered_with_the_remedy() -> None:
    store = EventStore(None)
    store.append(event(1))
    with pytest.raises(JepaError, match="newest is 1") as refused:
        store.after(7)
    assert refused.value.status == 410


def test_who_fell_far_behind_gets_the_oldest_that_are_kept_first() -> None:
    store = EventStore(None)
    for number in range(KEPT + 50):
        store.append(event(number))
    assert [each.sequence for each in store.after(0, 3)] == [51, 52, 53]
    assert [each.sequence for each in store.newest(0, 2)] == [KEPT + 49, KEPT + 50]
