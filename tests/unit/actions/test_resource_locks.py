# SPDX-License-Identifier: Apache-2.0
"""One change at a time for each resource; others do not wait, and nobody waits for ever."""

import threading

import pytest

from jepa.actions import resource_locks
from jepa.actions.resource_locks import ResourceLocks
from jepa.errors import JepaError


def test_another_resource_does_not_wait_and_the_same_one_not_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resource_locks, "IN_FLIGHT_S", 0.05)
    locks, held, done = ResourceLocks(), threading.Event(), threading.Event()

    def hold() -> None:
        with locks.hold("machine::vm.swappiness"):
            held.set()
            done.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(10)
    with locks.hold("machine::vm.dirty_ratio"):
        pass
    refusal = pytest.raises(JepaError, match=r"Another change of vm\.swappiness is in flight")
    with refusal as raised, locks.hold("machine::vm.swappiness"):
        pass
    assert raised.value.status == 409
    done.set()
    thread.join()
    with locks.hold("machine::vm.swappiness"):
        pass
    assert not locks._locks, "locks that nobody wants are gone"


def test_many_threads_never_hold_it_together() -> None:
    locks, inside, most = ResourceLocks(), [], []

    def work() -> None:
        for _ in range(50):
            with locks.hold("a"):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert max(most) == 1 and len(most) == 400
