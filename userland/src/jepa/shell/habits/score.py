# SPDX-License-Identifier: Apache-2.0
"""Scores predictors of lines prequentially: each line is predicted from those before it, then learned."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from jepa.shell.habits.predictor import verb_of

FIRST: Final = 5
"""Places in which a prediction is still counted as among the first."""


class HabitPredictor(Protocol):
    """What is scored."""

    def learn(self, line: str) -> None:
        """``line`` was typed."""

    def verbs(self) -> Iterable[str]:
        """Verbs, the likeliest first."""

    def lines(self) -> Iterable[str]:
        """Lines, the likeliest first."""


class MostFrequent:
    """Predicts what was typed most often; of those the newest."""

    def __init__(self) -> None:
        self._verbs: Counter[str] = Counter()
        self._lines: Counter[str] = Counter()

    def learn(self, line: str) -> None:
        """Count it."""
        for counts, symbol in ((self._verbs, verb_of(line)), (self._lines, line)):
            counts[symbol] = counts.pop(symbol, 0) + 1

    def verbs(self) -> Iterable[str]:
        """The most frequent first."""
        return _by_count(self._verbs)

    def lines(self) -> Iterable[str]:
        """The most frequent first."""
        return _by_count(self._lines)


def _by_count(counts: Counter[str]) -> list[str]:
    newest_first = list(counts)[::-1]
    return sorted(newest_first, key=lambda symbol: -counts[symbol])


@dataclass(frozen=True, slots=True)
class Score:
    """Shares of the lines, from 0 to 1, whose verb, or which as a whole, were predicted."""

    count: int
    verb_first: float
    verb_among_first: float
    line_first: float
    line_among_first: float


def score(lines: Iterable[str], predictor: HabitPredictor) -> Score:
    """The score over all ``lines`` of one person. The first can be predicted by nobody, and counts."""
    count = 0
    right = [0, 0, 0, 0]
    for line in lines:
        verbs, whole = list(predictor.verbs())[:FIRST], list(predictor.lines())[:FIRST]
        verb = verb_of(line)
        for number, hit in enumerate(
            (verbs[:1] == [verb], verb in verbs, whole[:1] == [line], line in whole)
        ):
            right[number] += hit
        predictor.learn(line)
        count += 1
    shares = [each / count if count else 0.0 for each in right]
    return Score(count, *shares)
