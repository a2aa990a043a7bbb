# SPDX-License-Identifier: Apache-2.0
"""Search over courses of typed actions: all of them where they are few, else the cross-entropy method."""

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from jepa.planning.protocols import Costable, IntArray

CANDIDATES: Final = 64
"""In one round of the search."""
ROUNDS: Final = 3
_ELITES = 8
_KEEP = 0.3
"""Of the probabilities of the round before, so that no option is lost for good after one round."""

Candidate = tuple[int, ...]


class ExhaustiveSolver:
    """Tries every candidate."""

    def solve(self, costable: Costable, options: Sequence[int], warm: IntArray) -> IntArray:
        """See ``Solver``."""
        tried = _Tried(costable)
        tried.add(itertools.product(*map(range, options)))
        return tried.best()


class CategoricalCEM:
    """Draws each setting's option by itself, from probabilities fitted to the best candidates so far."""

    def __init__(self, candidates: int = CANDIDATES, rounds: int = ROUNDS, seed: int = 0) -> None:
        self._candidates = candidates
        self._rounds = rounds
        self._seed = seed

    def solve(self, costable: Costable, options: Sequence[int], warm: IntArray) -> IntArray:
        """See ``Solver``. No candidate is tried twice, so up to a round's candidates all of them are."""
        rng = np.random.default_rng(self._seed)
        tried = _Tried(costable)
        probabilities = [np.full(many, 1 / many) for many in options]
        first = [(0,) * len(options), *(tuple(int(each) for each in row) for row in warm)]
        for _ in range(self._rounds):
            fresh = dict.fromkeys(each for each in first if each not in tried.costs)
            fresh |= dict.fromkeys(self._draw(rng, probabilities, {*tried.costs, *fresh}, len(fresh)))
            if not fresh:
                break
            tried.add(fresh)
            elite = np.array(tried.cheapest(_ELITES))
            for setting, many in enumerate(options):
                share = np.bincount(elite[:, setting], minlength=many) / len(elite)
                probabilities[setting] = _KEEP * probabilities[setting] + (1 - _KEEP) * share
        return tried.best()

    def _draw(
        self,
        rng: np.random.Generator,
        probabilities: Sequence[np.ndarray],
        known: set[Candidate],
        taken: int,
    ) -> Iterable[Candidate]:
        """As many as there is room for in the round beside those ``taken``; none that is ``known``."""
        total = math.prod(map(len, probabilities))
        wanted = min(self._candidates - taken, total - len(known))
        if total <= 4 * self._candidates:
            # Few enough to draw without replacement: each weighs what its options do.
            left = [
                each
                for each in itertools.product(*(range(len(p)) for p in probabilities))
                if each not in known
            ]
            weights = np.array(
                [math.prod(p[at] for p, at in zip(probabilities, each, strict=True)) for each in left]
            )
            if not left or wanted <= 0:
                return []
            drawn = rng.choice(len(left), wanted, replace=False, p=weights / weights.sum())
            return [left[int(at)] for at in drawn]
        found: dict[Candidate, None] = {}
        for _ in range(8):  # a sharp distribution draws the same ones again and again
            rows = np.stack([rng.choice(len(p), self._candidates, p=p) for p in probabilities], axis=1)
            for row in rows.tolist():
                if len(found) < wanted and tuple(row) not in known:
                    found[tuple(row)] = None
        return found


def solver_for(options: Sequence[int]) -> ExhaustiveSolver | CategoricalCEM:
    """The solver that suits settings of so many ``options``."""
    return ExhaustiveSolver() if math.prod(options) <= CANDIDATES * ROUNDS else CategoricalCEM()


class _Tried:
    def __init__(self, costable: Costable) -> None:
        self._costable = costable
        self.costs: dict[Candidate, float] = {}

    def add(self, candidates: Iterable[Candidate]) -> None:
        rows = list(candidates)
        costs = self._costable.get_cost(np.array(rows, np.intp).reshape(len(rows), -1))
        self.costs |= zip(rows, map(float, costs), strict=True)

    def cheapest(self, many: int) -> list[Candidate]:
        return sorted(self.costs, key=lambda each: (self.costs[each], each))[:many]

    def best(self) -> IntArray:
        return np.array(self.cheapest(1)[0], np.intp)
