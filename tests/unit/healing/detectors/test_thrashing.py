# SPDX-License-Identifier: Apache-2.0
"""Memory that runs out is seen before it is gone, and who grew is named."""

from typing import Any

import pytest

from jepa.healing.detectors.thrashing import MemoryThrashing
from jepa.healing.observation import ProcessSample
from tests.unit.healing.streams import GIB, first, observed, unit

MIB = 2**20


def hog(now: float, rate: float) -> dict[str, Any]:
    """A machine on which one unit takes ``rate`` bytes a second beside a large one that stands still."""
    used = int(min(rate * now, GIB))
    return {
        "units": [unit("hog.service", anonymous=used), unit("db.service", anonymous=600 * MIB)],
        "memory_available": GIB - used,
    }


@pytest.mark.parametrize("rate", [50 * MIB, 200 * MIB, 500 * MIB])
def test_a_hog_is_seen_before_memory_is_gone(rate: float) -> None:
    found = first(observed(MemoryThrashing(), 60, lambda now: hog(now, rate), step=0.25))
    assert found is not None
    assert rate * found[0] < GIB
    assert str(found[1].offenders[0]) == "hog.service"


def test_waiting_for_pages_is_thrashing_whatever_is_available() -> None:
    def at(now: float) -> dict[str, Any]:
        return {**hog(now, 10 * MIB), "memory_full_s": 0.3 * now}

    found = first(observed(MemoryThrashing(), 30, at, step=0.25))
    assert found is not None and found[0] <= 12


def test_a_process_of_a_session_is_named_and_not_the_session() -> None:
    def at(now: float) -> dict[str, Any]:
        used = int(min(100 * MIB * now, GIB))
        process = ProcessSample(4711, "browser", "session-1.scope", used, 0.0)
        return {"processes": (process,), "memory_available": GIB - used}

    found = first(observed(MemoryThrashing(), 30, at, step=0.25))
    assert found is not None
    assert str(found[1].offenders[0]) == "browser (process 4711)"


def test_a_large_program_that_stands_still_on_a_full_machine_is_left_alone() -> None:
    def at(now: float) -> dict[str, Any]:
        return {"units": [unit("db.service", anonymous=int(1.7 * GIB))], "memory_available": 150 * MIB}

    assert first(observed(MemoryThrashing(), 120, at, step=0.25)) is None


def test_swap_that_will_soon_be_full_is_seen_before_it_is() -> None:
    def at(now: float) -> dict[str, Any]:
        swapped = int(min(50 * MIB * now, GIB))
        return {
            "units": [unit("hog.service", anonymous=GIB + swapped)],
            "memory_available": 100 * MIB,
            "swap_free": GIB - swapped,
        }

    found = first(observed(MemoryThrashing(), 60, at, step=0.25))
    assert found is not None
    assert 100 * MIB < GIB - 50 * MIB * found[0] < 350 * MIB
