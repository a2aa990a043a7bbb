# SPDX-License-Identifier: Apache-2.0
"""What units and processes use is the growth of their counters between two looks."""

from jepa.explanation.use import ProcessCount, largest, process_uses, unit_uses
from jepa.healing.observation import Observation, UnitSample

MIB = 2**20
BEFORE = UnitSample(
    "a.service", cpu_s=10.0, cpu_wait_s=1.0, io_wait_s=0.0, throttled_s=5.0, read=0, written=MIB,
    anonymous=100 * MIB, tasks=5, waiting=7,
)  # fmt: skip
AFTER = UnitSample(
    "a.service", cpu_s=12.0, cpu_wait_s=2.0, io_wait_s=4.0, throttled_s=9.0, read=8 * MIB,
    written=5 * MIB, anonymous=90 * MIB, tasks=9, waiting=3, cpu_weight=50,
)  # fmt: skip


def looks(before: UnitSample, after: UnitSample) -> tuple[Observation, Observation]:
    return (
        Observation(100.0, {before.name: before}, cpus=2),
        Observation(104.0, {after.name: after}, cpus=2),
    )


def test_counters_become_rates_and_shares() -> None:
    use = unit_uses(*looks(BEFORE, AFTER))["a.service"]
    assert use.cpu == 25.0, "two seconds of CPU time in four, of two CPUs"
    assert (use.cpu_wait, use.io_wait, use.throttled) == (25.0, 100.0, 100.0)
    assert (use.read, use.written, use.io) == (2 * MIB, MIB, 3 * MIB)
    assert (use.memory, use.growth) == (90 * MIB, -2.5 * MIB)
    assert (use.tasks, use.forks, use.waiting, use.weight) == (9, 1.0, 3, 50)


def test_a_counter_that_began_anew_or_does_not_exist_is_no_use() -> None:
    use = unit_uses(*looks(AFTER, UnitSample("a.service", cpu_s=0.1)))["a.service"]
    assert (use.cpu, use.read, use.throttled) == (0.0, 0.0, 0.0)


def test_a_unit_seen_once_is_not_measured() -> None:
    before, after = looks(BEFORE, UnitSample("b.service"))
    assert unit_uses(before, after) == {}
    assert unit_uses(before, before) == {}


def test_processes_are_measured_alike() -> None:
    before = {1: ProcessCount("a", "a.service", 1.0, 5, 100), 2: ProcessCount("b", "", 0.0, 0, 0)}
    after = {1: ProcessCount("a", "a.service", 3.0, 9, 500), 3: ProcessCount("c", "", 0.0, 0, 0)}
    (use,) = process_uses(before, after, 4.0, 2)
    assert (use.pid, use.cpu, use.memory, use.switches) == (1, 25.0, 9, 100.0)
    assert str(use) == "a, process 1"


def test_the_largest_come_first_and_who_uses_none_is_left_out() -> None:
    uses = unit_uses(*looks(BEFORE, AFTER)).values()
    assert [use.name for use in largest(uses, "io")] == ["a.service"]
    assert largest(uses, "restarts") == []
