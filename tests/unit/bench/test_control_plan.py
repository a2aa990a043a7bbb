# SPDX-License-Identifier: Apache-2.0
"""What bench-control measures: schedules that a seed decides, of programs that the guest has."""

import itertools

import pytest

from tests.bench import control_guest, control_programs
from tests.bench.control_plan import (
    FIXED_RULES,
    PAIRS,
    PHASE_S,
    RIVALS,
    WINDOW_S,
    Pair,
    order,
    pair_named,
    schedule,
)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
class TestPairs:
    def test_phases_follow_each_other_in_whole_windows(self, pair: Pair) -> None:
        for seed in range(5):
            timed = schedule(pair, seed)
            assert timed[0].begin_s == 0
            assert all(one.end_s == other.begin_s for one, other in itertools.pairwise(timed))
            for each in timed[:-1]:
                assert PHASE_S[0] <= each.end_s - each.begin_s <= PHASE_S[1]
            assert all((each.end_s - each.begin_s) % WINDOW_S == 0 for each in timed)

    def test_every_phase_is_there_once_and_the_first_again_after_all_was_undone(self, pair: Pair) -> None:
        timed = schedule(pair, 3)
        assert sorted(map(repr, pair.phases)) == sorted(repr(each.phase) for each in timed[:-1])
        assert timed[-1].phase == timed[0].phase == pair.phases[0]

    def test_some_work_counts_whoever_looks_after_it(self, pair: Pair) -> None:
        assert any(each.foreground == "idle" != each.background for each in pair.phases)

    def test_the_guest_has_its_programs(self, pair: Pair) -> None:
        told = order(pair, 1)
        assert told["foreground"] in control_programs.FOREGROUNDS
        assert {each["background"] for each in told["phases"]} <= {"idle", *control_programs.KINDS}


def test_a_seed_decides() -> None:
    pair = PAIRS[0]
    assert schedule(pair, 1) == schedule(pair, 1)
    assert len({schedule(pair, seed) for seed in range(8)}) > 4


def test_rules_are_tuned_on_a_pair_that_is_not_reported() -> None:
    assert [each.name for each in PAIRS if each.development] == ["shell-compress"]
    assert len({each.name for each in PAIRS if not each.development}) >= 6
    assert pair_named("shell-compress").development


def test_the_sweep_and_the_fixed_rules_are_what_the_guest_can_set() -> None:
    sweep = {name for name, group in RIVALS.items() if group == "fixed"}
    assert sweep <= control_guest.FIXED.keys()
    assert set(FIXED_RULES) <= RIVALS.keys()
    assert all(set(each) <= set(control_guest.FILES) for each in control_guest.FIXED.values())
    assert set().union(*control_guest.FIXED.values()) <= control_guest.USUAL.keys()
