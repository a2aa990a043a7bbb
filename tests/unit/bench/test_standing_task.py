# SPDX-License-Identifier: Apache-2.0
"""The benchmark of a standing task: phases that go on, and figures that follow from what was measured."""

import pytest

from tests.bench.standing_task import Taken, entries, work


def test_the_phases_follow_one_another_without_a_gap_for_as_long_as_asked() -> None:
    phases = work(1, 1000)["phases"]
    assert phases[0]["begin_s"] == 0
    assert phases[-1]["end_s"] >= 1000
    assert [each["end_s"] for each in phases[:-1]] == [each["begin_s"] for each in phases[1:]]


def test_the_share_of_a_core_of_the_host_follows_from_a_tick() -> None:
    found = entries(Taken(0.04, 110.0), Taken(0.05, 170.0), {"there": 30.0, "host": 3.0})
    there, here, memory = found
    assert (there["value"], there["ratio"]) == (5.0, 1.25)
    assert here["value"] == pytest.approx(0.5)
    assert (memory["value"], memory["baseline"]["value"]) == (170.0, 110.0)
