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
    assert 30 <= found[0] <= 45


def test_a_server_that_is_merely_slow_or_idle_is_not() -> None:
    busy = first(observed(Hung(), 60, lambda now: {"units": [unit(cpu_s=0.2 * now, waiting=50)]}))
    idle = first(observed(Hung(), 60, lambda now: {"units": [unit(cpu_s=0.0, waiting=0)]}))
    assert busy is idle is None


def test_a_moment_without_waiting_begins_anew() -> None:
    def at(now: float) -> dict[str, Any]:
        return {"units": [unit(cpu_s=0.0, waiting=0 if now % 8 == 0 else 1)]}

    assert first(observed(Hung(), 100, at)) is None
