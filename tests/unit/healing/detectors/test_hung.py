# SPDX-License-Identifier: Apache-2.0
"""A service is hung when it accepts nothing and does nothing; a busy one is not."""

from typing import Any

from jepa.healing.detectors.hung import Hung
from tests.unit.healing.streams import first, observed, unit


def test_a_stopped_server_with_waiting_connections_is_hung() -> None:
    def at(now: float) -> dict[str, Any]:
        return {"units": [unit(cpu_s=min(now, 20.0), waiting=3 if now > 20 else 0)]}

    found = first(observed(Hung(), 60, at))
    assert found is not None
    assert 25 <= found[0] <= 28


def test_one_that_waits_for_a_disk_or_does_a_little_is_given_longer() -> None:
    def disk(now: float) -> dict[str, Any]:
        return {"units": [unit(cpu_s=min(now, 20.0), io_wait_s=max(0.0, now - 20), waiting=now > 20)]}

    def little(now: float) -> dict[str, Any]:
        return {"units": [unit(cpu_s=min(now, 20.0) + max(0.0, now - 20) / 200, waiting=now > 20)]}

    for at in (disk, little):
        found = first(observed(Hung(), 60, at))
        assert found is not None and 36 <= found[0] <= 45


def test_a_server_that_is_merely_slow_or_idle_is_not() -> None:
    busy = first(observed(Hung(), 60, lambda now: {"units": [unit(cpu_s=0.2 * now, waiting=50)]}))
    idle = first(observed(Hung(), 60, lambda now: {"units": [unit(cpu_s=0.0, waiting=0)]}))
    assert busy is idle is None


def test_a_moment_without_waiting_begins_anew() -> None:
    def at(now: float) -> dict[str, Any]:
        return {"units": [unit(cpu_s=0.0, waiting=0 if now % 4 == 0 else 1)]}

    assert first(observed(Hung(), 100, at)) is None
