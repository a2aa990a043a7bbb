# SPDX-License-Identifier: Apache-2.0
"""Releases as chance has them, for the gate to decide on: quiet, wild, seldom far off, and in clusters."""

import random
from collections.abc import Callable, Iterator

from jepa_lab.fleet.gate import FIGURES, Decision, Gate

HOURS = 24 * 7
Draw = Callable[[random.Random], Iterator[float]]


def steady(mean: float, deviation: float) -> Draw:
    """Each hour by itself."""

    def draw(chance: random.Random) -> Iterator[float]:
        while True:
            yield chance.gauss(mean, deviation)

    return draw


def seldom(mean: float, size: float) -> Draw:
    """Nothing most of the time, and now and then a lot, on both sides."""

    def draw(chance: random.Random) -> Iterator[float]:
        while True:
            yield mean + (chance.choice((-size, size)) if chance.random() < 0.05 else 0.0)

    return draw


def clustered(mean: float, deviation: float) -> Draw:
    """Quiet and wild days: how far an hour may be off depends on those before, its mean does not."""

    def draw(chance: random.Random) -> Iterator[float]:
        wild = False
        while True:
            wild = wild if chance.random() < 0.9 else not wild
            yield chance.gauss(mean, deviation if wild else deviation / 5)

    return draw


NOISES: dict[str, Callable[[float], Draw]] = {
    "quiet": lambda mean: steady(mean, 0.01),
    "loud": lambda mean: steady(mean, 0.05),
    "seldom": lambda mean: seldom(mean, 0.05),
    "clustered": lambda mean: clustered(mean, 0.04),
}


def decided(
    noise: str, means: tuple[float, ...], runs: int, hours: int = HOURS
) -> list[tuple[Decision, int]]:
    """What the gate decided, and after how many hours, when it is looked at after every one.

    ``means`` are in units of what is tolerated.
    """
    found = []
    for run in range(runs):
        chance = random.Random(run)
        draws = [
            NOISES[noise](mean * figure.tolerated)(chance)
            for mean, figure in zip(means, FIGURES, strict=True)
        ]
        gate, passed = Gate(), 0
        while passed < hours and gate.decision is Decision.WAIT:
            gate.push({figure.name: next(draw) for figure, draw in zip(FIGURES, draws, strict=True)})
            passed += 1
        found.append((gate.decision, passed))
    return found


def share(found: list[tuple[Decision, int]], decision: Decision) -> float:
    return sum(1 for each, _ in found if each is decision) / len(found)
