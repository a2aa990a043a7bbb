# SPDX-License-Identifier: Apache-2.0
"""Predicts the next line of a shell from those before it, and learns from each as it comes.

Verbs, and whole lines, are predicted from the verbs and lines before: the counts of a long context fall back
on those of a shorter one (interpolated smoothing), and counts fade as newer ones come (as in IPAM: Davison
and Hirsh, "Predicting sequences of user actions", 1998), the faster the shorter the context. How far each
length is trusted follows how well it predicted so far (a Bayesian mixture with fixed share: Herbster and
Warmuth, "Tracking the best expert", 1998).
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Final

MEMORY: Final = 3
"""Lines before the next one that are looked at."""
STRENGTH: Final = 2.0
"""Counts that a shorter context is worth in a longer one."""
SHARE: Final = 0.05
"""Part of the trust that is dealt out evenly after each line, so that no context is written off."""
UNSEEN: Final = 0.01
"""Probability that a context is taken to have given to what it did not know."""
_LARGEST: Final = 1e100

_Context = Callable[[Sequence[str]], Hashable]


def verb_of(line: str) -> str:
    """The first word of a line."""
    return line.partition(" ")[0]


def _none(before: Sequence[str]) -> Hashable:
    return ()


def _verbs(many: int) -> _Context:
    return lambda before: tuple(map(verb_of, before[-many:]))


def _lines(many: int) -> _Context:
    return lambda before: tuple(before[-many:])


VERBS_KEPT: Final = (0.5, 0.7, 0.9, 0.95)
"""What is left of a count of verbs when its context is followed again, by the length of the context."""
LINES_KEPT: Final = (0.9, 0.9, 0.95)
"""The same for lines: there are many more of them, so they come back later."""
OF_VERBS: Final = ((_none, _verbs(1), _verbs(2), _verbs(3)), (_none, _verbs(1), _lines(1), _lines(2)))
OF_LINES: Final = ((_none, _verbs(1), _verbs(2)), (_none, _lines(1), _lines(2)))


class _Counts:
    """How often each symbol followed one context; the newest counts 1, older ones less."""

    def __init__(self, kept: float) -> None:
        self._growth = 1 / kept
        self._of: dict[str, float] = {}
        self._total = 0.0
        self._newest = 1.0  # grows, in place of all others being multiplied

    def add(self, symbol: str) -> None:
        self._newest *= self._growth
        self._of[symbol] = self._of.get(symbol, 0.0) + self._newest
        self._total += self._newest
        if self._newest > _LARGEST:
            self._of = {each: count / self._newest for each, count in self._of.items()}
            self._total /= self._newest
            self._newest = 1.0

    def probability(self, symbol: str, shorter: float) -> float:
        """That of one symbol, where ``shorter`` is what the shorter context gives it."""
        count = self._of.get(symbol, 0.0) / self._newest
        return (count + STRENGTH * shorter) / (self._total / self._newest + STRENGTH)

    def smoothed(self, shorter: Mapping[str, float]) -> dict[str, float]:
        """The probabilities of the symbols, where ``shorter`` are those of the shorter context."""
        total = self._total / self._newest + STRENGTH
        found = {symbol: STRENGTH * probability / total for symbol, probability in shorter.items()}
        for symbol, count in self._of.items():
            found[symbol] = found.get(symbol, 0.0) + count / self._newest / total
        return found


class _Chain:
    """Contexts from the shortest to the longest."""

    def __init__(self, contexts: Sequence[_Context], kept: Sequence[float]) -> None:
        self._levels = [
            (context, each, dict[Hashable, _Counts]()) for context, each in zip(contexts, kept, strict=True)
        ]

    def __len__(self) -> int:
        return len(self._levels)

    def probabilities(self, before: Sequence[str]) -> list[dict[str, float]]:
        """Of each length; what is missing from 1 is for a symbol that is new."""
        found: list[dict[str, float]] = []
        shorter: dict[str, float] = {}
        for context, _, tables in self._levels:
            if (table := tables.get(context(before))) is not None:
                shorter = table.smoothed(shorter)
            found.append(shorter)
        return found

    def learn(self, before: Sequence[str], symbol: str) -> list[float]:
        """Count ``symbol``; gives the probability that each length had given to it."""
        found, shorter = [], 0.0
        for context, kept, tables in self._levels:
            key = context(before)
            if (table := tables.get(key)) is None:
                table = tables[key] = _Counts(kept)
            else:
                shorter = table.probability(symbol, shorter)
            found.append(shorter)
            table.add(symbol)
        return found


class Mixture:
    """Chains of contexts for one kind of symbol, each length trusted as it deserves."""

    def __init__(self, chains: Sequence[Sequence[_Context]], kept: Sequence[float]) -> None:
        self._chains = [_Chain(contexts, kept) for contexts in chains]
        many = sum(map(len, self._chains))
        self._trust = [1 / many] * many

    def probabilities(self, before: Sequence[str]) -> dict[str, float]:
        """Of every symbol that came before; what is missing from 1 is for one that is new."""
        mixed: dict[str, float] = {}
        for trust, each in zip(self._trust, self._all(before), strict=True):
            for symbol, probability in each.items():
                mixed[symbol] = mixed.get(symbol, 0.0) + trust * probability
        return mixed

    def learn(self, before: Sequence[str], symbol: str) -> None:
        """``symbol`` is what came after ``before``."""
        given = [max(each, UNSEEN) for chain in self._chains for each in chain.learn(before, symbol)]
        right = sum(trust * each for trust, each in zip(self._trust, given, strict=True))
        even = SHARE / len(given)
        self._trust = [
            (1 - SHARE) * trust * each / right + even for trust, each in zip(self._trust, given, strict=True)
        ]

    def _all(self, before: Sequence[str]) -> list[dict[str, float]]:
        return [each for chain in self._chains for each in chain.probabilities(before)]


class LinePredictor:
    """Predicts lines of one person, who types one after another."""

    def __init__(self) -> None:
        self._before: list[str] = []
        self._verbs = Mixture(OF_VERBS, VERBS_KEPT)
        self._lines = Mixture(OF_LINES, LINES_KEPT)

    def learn(self, line: str) -> None:
        """``line`` was typed."""
        self._verbs.learn(self._before, verb_of(line))
        self._lines.learn(self._before, line)
        self._before = [*self._before, line][-MEMORY:]

    def verbs(self) -> dict[str, float]:
        """The probability of each known verb to be next, the likeliest first."""
        return _sorted(self._verbs.probabilities(self._before))

    def lines(self, begun: str = "") -> dict[str, float]:
        """The probability of each known line to be next, the likeliest first.

        Where ``begun`` is not empty, of those that begin so, and then they come to 1 together.
        """
        found = self._lines.probabilities(self._before)
        if not begun:
            return _sorted(found)
        found = {line: probability for line, probability in found.items() if line.startswith(begun)}
        total = sum(found.values())
        return _sorted({line: probability / total for line, probability in found.items()})


def _sorted(found: dict[str, float]) -> dict[str, float]:
    return dict(sorted(found.items(), key=lambda each: -each[1]))
