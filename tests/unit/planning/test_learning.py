# SPDX-License-Identifier: Apache-2.0
"""What a machine learns of effects is bounded, forgotten, and used only where it predicted better."""

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.packs.effects import ChannelEffect, KnownEffects, SettingEffects
from jepa.planning.learning import (
    HALF_LIFE_S,
    KEPT,
    LEAST_SCORED,
    MACHINES_SHARE,
    EffectOutcome,
    ForeseenEffect,
    corrected,
    crps,
    learned,
    posterior,
)

KEY = ("cpu.weight.background", False, "system.role.background.cpu", 15)
PRIOR = ChannelEffect(size=1.0, spread=0.8, changes=20)
SECOND = 1_000_000_000


def effects(prior: ChannelEffect = PRIOR) -> KnownEffects:
    setting = SettingEffects(low=-1.0, high=1.0, up={}, down={KEY[2]: {KEY[3]: prior}})
    return KnownEffects(lower_90=None, coverage_90=None, windows=0, settings={KEY[0]: setting})


def outcome(multiple: float, at: int, imagined: float = -0.2, noise: float = 0.02) -> EffectOutcome:
    foreseen = ForeseenEffect(*KEY, imagined=imagined, without=0.5, noise=noise)
    return EffectOutcome(at * SECOND, foreseen, multiple * imagined)


def machine(size: float, spread: float, count: int, seed: int = 0) -> list[EffectOutcome]:
    """Outcomes of a machine whose own effects are so."""
    random = Random(seed)
    return [
        outcome(random.gauss(size, spread), at, imagined=random.choice((-0.3, -0.1))) for at in range(count)
    ]


numbers = st.floats(-1e6, 1e6)


@given(
    st.lists(st.tuples(numbers, st.floats(-1, 1), st.floats(0, 10), st.integers(0, 10**9)), max_size=40),
    st.floats(-5, 5),
    st.floats(0, 20),
)
def test_whatever_is_observed_it_stays_within_its_bounds(
    seen: list[tuple[float, float, float, int]], size: float, spread: float
) -> None:
    prior = ChannelEffect(size=size, spread=spread, changes=9)
    outcomes = [
        EffectOutcome(at, ForeseenEffect(*KEY, imagined=imagined, without=0.5, noise=noise), observed)
        for observed, imagined, noise, at in seen
    ]
    found = posterior(prior, outcomes, 10**9)
    slack = 1e-9 * (1 + abs(size) + spread)
    assert abs(found.size - size) <= spread + slack
    assert math.sqrt(1 - MACHINES_SHARE) * spread - slack <= found.spread <= spread + slack


def test_a_machine_that_differs_is_learned_and_what_was_learned_is_used() -> None:
    (found,) = learned(effects(), machine(1.7, 0.3, 30), 30 * SECOND)
    assert found.used and found.ahead > 0.05
    assert found.after.size == pytest.approx(1.7, abs=0.15) and found.after.spread < PRIOR.spread
    table = corrected(effects(), [found]).settings[KEY[0]].down
    assert table[KEY[2]][KEY[3]] == found.after
    assert corrected(effects(), []).settings == effects().settings, "and forgotten with its outcomes"


def test_it_is_not_used_before_enough_was_predicted_nor_where_the_pack_is_better() -> None:
    (few,) = learned(effects(), machine(1.7, 0.1, LEAST_SCORED), 0)
    assert (few.scored, few.used) == (LEAST_SCORED - 1, False)
    used = 0
    for seed in range(40):
        (found,) = learned(
            effects(ChannelEffect(size=1.0, spread=0.8, changes=20)), machine(1.0, 0.8, 30, seed), 0
        )
        used += found.used and found.ahead > 0.02
    assert used <= 2, "where the pack is right there is next to nothing to gain, and little is claimed"


def test_a_machine_that_changes_unlearns_what_it_knew() -> None:
    before = machine(1.7, 0.2, 20)
    later = [outcome(0.2, 10**7 + at) for at in range(30)]
    (found,) = learned(effects(), [*before, *later], (10**7 + 30) * SECOND)
    assert found.outcomes == KEPT and found.after.size == pytest.approx(0.2, abs=0.25)


def test_old_outcomes_count_less() -> None:
    sizes = [
        posterior(PRIOR, [outcome(1.8, 0)], int(age * HALF_LIFE_S) * SECOND).size for age in (0, 1, 3, 30)
    ]
    assert (
        sizes == sorted(sizes, reverse=True) and sizes[0] > 1.2 and sizes[-1] == pytest.approx(1.0, abs=1e-6)
    )


def test_what_the_pack_does_not_know_stays_unknown_and_what_was_hardly_imagined_says_nothing() -> None:
    other = ForeseenEffect("memory.high.background", True, KEY[2], 15, imagined=0.3, without=0.5, noise=0.01)
    outcomes = [EffectOutcome(at, other, 0.3) for at in range(20)]
    assert learned(effects(), outcomes, 0) == []
    assert posterior(PRIOR, [outcome(9.0, at, imagined=0.01) for at in range(20)], 0) == PRIOR.model_copy(
        update={"spread": pytest.approx(PRIOR.spread)}
    )


def test_an_outcome_is_kept_as_a_row_and_a_damaged_row_is_none() -> None:
    one = outcome(1.2, 5)
    assert EffectOutcome.from_row(one.as_row()) == one
    with pytest.raises(ValueError, match="no number"):
        EffectOutcome.from_row({**one.as_row(), "observed": float("nan")})
    with pytest.raises(KeyError):
        EffectOutcome.from_row({"ts_ns": 1})


def test_the_score_is_that_of_a_normal_distribution() -> None:
    # Of the standard normal at its mean: 2 / sqrt(2 pi) - 1 / sqrt(pi).
    one = EffectOutcome(0, ForeseenEffect(*KEY, imagined=1.0, without=0.0, noise=0.0), 1.0)
    expected = 2 / math.sqrt(2 * math.pi) - 1 / math.sqrt(math.pi)
    assert crps(ChannelEffect(size=1.0, spread=1.0, changes=1), one) == pytest.approx(expected)
    assert crps(ChannelEffect(size=0.5, spread=0.0, changes=1), one) == pytest.approx(0.5)
