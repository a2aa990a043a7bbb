# SPDX-License-Identifier: Apache-2.0
"""A leak is a straight line to a limit; caches that fill and work that comes and goes are none."""

import math
from typing import Any

from jepa.healing.detectors.leak import Leak
from tests.unit.healing.streams import GIB, first, observed, unit

MIB = 2**20


def test_a_leak_is_seen_before_it_does_harm_with_the_time_that_is_left() -> None:
    def at(now: float) -> dict[str, Any]:
        used = int(2 * MIB * now)
        return {"units": [unit(anonymous=50 * MIB + used)], "memory_available": GIB - used}

    found = first(observed(Leak(), 300, at))
    assert found is not None
    assert 60 <= found[0] <= 150
    assert found[1].left_s is not None
    assert math.isclose(found[1].left_s, (2 * GIB - 2 * MIB * found[0]) / (2 * MIB), rel_tol=0.05)


def test_the_limit_of_the_unit_counts_where_it_is_nearer() -> None:
    def at(now: float) -> dict[str, Any]:
        return {"units": [unit(anonymous=int(50 * MIB + 0.5 * MIB * now), memory_limit=200 * MIB)]}

    found = first(observed(Leak(), 300, at))
    assert found is not None
    assert found[1].evidence["limit"] == 200 * MIB


def test_a_steep_one_is_seen_before_the_kernel_kills_it_and_only_shortly_before() -> None:
    def at(now: float) -> dict[str, Any]:
        return {"units": [unit(anonymous=int((10 + 5 * now) * MIB), memory_limit=256 * MIB)]}

    found = first(observed(Leak(), 49, at))
    assert found is not None
    assert 20 <= found[0] <= 40
    assert found[1].left_s is not None and found[1].left_s <= 20


def test_one_that_was_well_for_long_is_seen_as_soon() -> None:
    def at(now: float) -> dict[str, Any]:
        return {"units": [unit(anonymous=int((10 + 5 * max(0, now - 600)) * MIB), memory_limit=256 * MIB)]}

    found = first(observed(Leak(), 649, at))
    assert found is not None
    assert 620 <= found[0] <= 640


def test_growth_that_levels_off_and_saw_teeth_are_no_leaks() -> None:
    def cache(now: float) -> dict[str, Any]:
        return {"units": [unit(anonymous=int(400 * MIB * (1 - math.exp(-now / 20))))]}

    def teeth(now: float) -> dict[str, Any]:
        return {"units": [unit(anonymous=int((now % 40) * 10 * MIB))]}

    assert first(observed(Leak(), 900, teeth)) is None
    late = [findings for now, findings in observed(Leak(), 900, cache) if now > 120]
    assert not any(late)
