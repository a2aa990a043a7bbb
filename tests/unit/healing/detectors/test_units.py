# SPDX-License-Identifier: Apache-2.0
"""Failed and flapping units are seen, and what a person stopped is left alone."""

from typing import Any

import pytest

from jepa.healing.detectors.units import Flapping, UnitFailed
from jepa.healing.finding import Fault
from tests.unit.healing.streams import first, observed, unit


def test_a_unit_that_ran_and_failed_is_seen_at_once() -> None:
    def at(now: float) -> dict[str, Any]:
        return {"units": [unit(active="active" if now < 3 else "failed", result="signal")]}

    found = first(observed(UnitFailed(), 10, at))
    assert found is not None
    assert found[0] == 3
    assert found[1].fault is Fault.UNIT_FAILED
    assert found[1].summary == "a.service failed (signal)"


@pytest.mark.parametrize("state", ["inactive", "activating", "deactivating", "active"])
def test_a_unit_that_is_stopped_or_restarted_by_systemd_is_left_alone(state: str) -> None:
    def at(now: float) -> dict[str, Any]:
        return {"units": [unit(active="active" if now < 3 else state)]}

    assert first(observed(UnitFailed(), 30, at)) is None


def test_a_unit_that_had_failed_before_and_that_nobody_wants_is_left_alone() -> None:
    assert first(observed(UnitFailed(), 30, lambda now: {"units": [unit(active="failed")]})) is None
    wanted = first(observed(UnitFailed(), 3, lambda now: {"units": [unit(active="failed", enabled=True)]}))
    assert wanted is not None


def test_a_dead_dependency_is_named_before_its_victim() -> None:
    def at(now: float) -> dict[str, Any]:
        state = "active" if now < 3 else "failed"
        victim = unit("shop.service", active=state, requires=("db.service",))
        return {"units": [victim, unit("db.service", active=state if now < 5 else "inactive")]}

    found = list(observed(UnitFailed(), 6, at))[-1][1]
    assert [each.fault for each in found] == [Fault.DEPENDENCY_FAILED]
    assert [each.name for each in found[0].offenders] == ["db.service", "shop.service"]


def test_restarts_within_a_minute_are_flapping_and_slow_ones_are_not() -> None:
    quick = first(observed(Flapping(), 60, lambda now: {"units": [unit(restarts=int(now // 5))]}))
    assert quick is not None and quick[0] == 20
    assert quick[1].summary == "a.service was restarted 4 times within 60 s"
    assert first(observed(Flapping(), 600, lambda now: {"units": [unit(restarts=int(now // 30))]})) is None
