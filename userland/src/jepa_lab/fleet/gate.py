# SPDX-License-Identifier: Apache-2.0
"""Decides, hour by hour, whether a version may go on to more machines, has to be taken back, or neither yet.

Of each figure it looks at the difference that the version makes: how far the machines that have it moved
from what they were before, less how far the others moved in the same hour. Of the two hypotheses, that it
is worse by more than is tolerated and that it is not, exactly one is true, and against each a bet is placed
every hour; capital that grew twentyfold says that the hypothesis is wrong. Because under a true hypothesis
the capital does not grow on average, it gets there with a probability of at most one in twenty, *however
often and whenever it is looked at* (Ville's inequality). The bets are those of Waudby-Smith and Ramdas,
"Estimating means of bounded random variables by betting" (JRSS B 86, 2024), of which sequential probability
ratio tests with a mixture (Robbins 1970; Johari et al. 2017) are relatives that have to know a variance;
here a bound is enough, and a difference beyond it counts as the bound.

What it rests on: an hour's expected difference does not depend on the hours before. A machine whose work
changed for good in the same week as its pack breaks that; the tolerance is there for such.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

ERROR: Final = 0.05
"""At most so probable is it that a worse version goes on, and that one that is not is taken back."""
_MOST: Final = 0.75
"""Of the capital, what one bet may lose at worst."""


class Decision(StrEnum):
    """What is to become of a version."""

    GO = "go"
    WAIT = "wait"
    BACK = "back"


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure that is looked at; more of it is better."""

    name: str
    tolerated: float
    """So much worse is let be."""
    bound: float
    """A difference further from 0 counts as this."""


FIGURES: Final = (
    Figure("accuracy above repetition", 0.02, 0.1),
    Figure("nearness of coverage to 90 %", 0.02, 0.1),
    Figure("frames that do not surprise", 0.02, 0.1),
    Figure("hours without a false alarm", 0.05, 0.25),
    Figure("time in order", 0.02, 0.1),
)
"""Bounds are so near that a day without a difference is enough to go on."""

Hour = Mapping[str, float]
"""The figures of one machine in one hour, by name; those that it had."""


@dataclass(slots=True)
class _Bet:
    """Capital that grows on average only where differences are below (``sign`` -1) or above (1) a limit."""

    sign: int
    limit: float
    bound: float
    capital: float = 1.0
    most: float = 1.0
    """The most it ever was."""
    _sum: float = 0.0
    _squares: float = 0.0
    _count: int = 0

    def push(self, difference: float) -> None:
        """Take an hour; what is staked follows from those before it."""
        gain = self.sign * (max(-self.bound, min(self.bound, difference)) - self.limit)
        mean = self._sum / (self._count + 1)
        variance = ((self.bound / 2) ** 2 + self._squares) / (self._count + 1)
        worst = self.bound + self.sign * self.limit
        stake = max(0.0, min(mean / (variance + mean**2), _MOST / worst))
        self.capital *= 1 + stake * gain
        self.most = max(self.most, self.capital)
        self._sum += gain
        self._count += 1
        self._squares += (gain - self._sum / (self._count + 1)) ** 2


@dataclass(frozen=True, slots=True)
class Finding:
    """What the hours so far say of one figure."""

    name: str
    hours: int
    difference: float | None
    """The mean of the hours' differences; None before the first."""
    worse: float
    """Capital of the bet that it is worse by more than is tolerated."""
    sound: float
    """The most that the bet had that it is not."""


@dataclass(slots=True)
class Gate:
    """The bets on one version; one hour after the other is pushed."""

    figures: Sequence[Figure] = FIGURES
    decision: Decision = Decision.WAIT
    """Once it is not ``WAIT`` it stays."""
    _worse: dict[str, _Bet] = field(init=False)
    _sound: dict[str, _Bet] = field(init=False)
    _differences: dict[str, list[float]] = field(init=False)

    def __post_init__(self) -> None:
        self._worse = {each.name: _Bet(-1, -each.tolerated, each.bound) for each in self.figures}
        self._sound = {each.name: _Bet(1, -each.tolerated, each.bound) for each in self.figures}
        self._differences = {each.name: [] for each in self.figures}

    def push(self, differences: Hour) -> Decision:
        """Take an hour's differences; of a figure that is not in them nothing is learned."""
        if self.decision is not Decision.WAIT:
            return self.decision
        for name, difference in differences.items():
            self._worse[name].push(difference)
            self._sound[name].push(difference)
            self._differences[name].append(difference)
        # The mean of capitals does not grow on average where none does, so that one error is shared by all
        # figures; and all of them have to be found sound, each of which is an error of its own.
        if sum(bet.capital for bet in self._worse.values()) / len(self._worse) >= 1 / ERROR:
            self.decision = Decision.BACK
        elif all(bet.most >= 1 / ERROR for bet in self._sound.values()):
            self.decision = Decision.GO
        return self.decision

    def findings(self) -> list[Finding]:
        """What is known of each figure."""
        return [
            Finding(
                name,
                len(seen),
                sum(seen) / len(seen) if seen else None,
                self._worse[name].capital,
                self._sound[name].most,
            )
            for name, seen in self._differences.items()
        ]


def differences(now: Mapping[str, Hour], before: Mapping[str, Hour], with_it: Iterable[str]) -> Hour:
    """What an hour says: the mean change of the machines ``with_it``, less that of the others.

    Machines of which nothing is known from ``before`` are left out. Where no other machine is left, the
    change of those with it is taken as it is.
    """
    chosen = set(with_it)
    found: dict[str, float] = {}
    for figure in FIGURES:
        changes = {
            machine: hour[figure.name] - before[machine][figure.name]
            for machine, hour in now.items()
            if figure.name in hour and figure.name in before.get(machine, {})
        }
        theirs = [change for machine, change in changes.items() if machine in chosen]
        others = [change for machine, change in changes.items() if machine not in chosen]
        if theirs:
            found[figure.name] = sum(theirs) / len(theirs) - (sum(others) / len(others) if others else 0.0)
    return found
