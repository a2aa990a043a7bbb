# SPDX-License-Identifier: Apache-2.0
"""Both solvers find what costs least; neither loses what it was given."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jepa.planning.protocols import IntArray
from jepa.planning.solvers import CANDIDATES, ROUNDS, CategoricalCEM, ExhaustiveSolver, solver_for

NONE = np.zeros((0, 0), np.intp)


class Table:
    """A cost drawn once for every candidate."""

    def __init__(self, options: Sequence[int], seed: int) -> None:
        self._costs = np.random.default_rng(seed).normal(size=tuple(options)).astype(np.float32)
        self.asked = 0

    def get_cost(self, candidates: IntArray) -> np.ndarray:
        self.asked += len(candidates)
        return self._costs[tuple(candidates.T)]


small = st.lists(st.integers(1, 5), min_size=1, max_size=4).filter(
    lambda each: math.prod(each) <= CANDIDATES
)


@given(options=small, seed=st.integers(0, 1000))
def test_on_small_problems_the_cross_entropy_method_finds_what_trying_all_finds(
    options: list[int], seed: int
) -> None:
    costs = Table(options, seed)
    everything = ExhaustiveSolver().solve(costs, options, NONE)
    np.testing.assert_array_equal(everything, CategoricalCEM().solve(Table(options, seed), options, NONE))
    assert costs.asked == math.prod(options)


@settings(max_examples=30)
@given(
    options=st.lists(st.integers(2, 6), min_size=4, max_size=9),
    seed=st.integers(0, 1000),
    draw=st.randoms(use_true_random=False),
)
def test_the_best_is_no_worse_than_what_it_was_given(options: list[int], seed: int, draw: object) -> None:
    given_ = [draw.randrange(each) for each in options]  # type: ignore[attr-defined]
    costs = Table(options, seed)
    found = CategoricalCEM().solve(costs, options, np.array([given_], np.intp))
    assert costs.asked <= CANDIDATES * ROUNDS
    best, warm, nothing = costs.get_cost(np.array([found, given_, [0] * len(options)], np.intp))
    assert best <= min(warm, nothing)


def test_a_cost_that_is_the_sum_of_its_parts_is_found_among_millions() -> None:
    options = [5] * 9
    wanted = np.array([3, 1, 4, 1, 0, 2, 1, 3, 2])

    class Distance:
        def get_cost(self, candidates: IntArray) -> np.ndarray:
            return np.abs(candidates - wanted).sum(axis=1).astype(np.float32)

    found = CategoricalCEM().solve(Distance(), options, NONE)
    everything = np.abs(np.zeros(9) - wanted).sum()
    assert np.abs(found - wanted).sum() < everything / 2


def test_of_equal_costs_the_least_change_wins() -> None:
    class Flat:
        def get_cost(self, candidates: IntArray) -> np.ndarray:
            return np.zeros(len(candidates), np.float32)

    for solver in (ExhaustiveSolver(), CategoricalCEM()):
        np.testing.assert_array_equal(solver.solve(Flat(), [3, 3], NONE), [0, 0])


@pytest.mark.parametrize(
    ("options", "kind"),
    [([6, 5, 2], ExhaustiveSolver), ([6, 5, 2, 4], CategoricalCEM), ([], ExhaustiveSolver)],
)
def test_few_courses_are_all_tried(options: list[int], kind: type) -> None:
    assert isinstance(solver_for(options), kind)
