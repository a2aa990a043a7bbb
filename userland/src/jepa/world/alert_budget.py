# SPDX-License-Identifier: Apache-2.0
"""Keeps alerts of one kind to at most one false alarm a day, whatever the machine.

Two things do that. A *threshold* follows what this machine's alerts came to: at each of a few levels it is
counted how often an alert from there would have been false, raised or not, and the lowest level is used
that promises no more than one a day; it begins high, and comes down a level with every few days without a
false alarm. And a *ledger* of the alerts that were raised has the last word: within a day after one that was
false none is raised. Counts fade within two weeks, so that a machine put to new work is learned anew.

The counts are those of a Poisson rate with a gamma prior, as SPOT (Siffer et al., 2017) and the conformal
methods choose their thresholds from a machine's own extremes; unlike these it needs no model of the tail,
since what an alert came to is known a minute later.
"""

from dataclasses import dataclass, field
from typing import Final

from jepa.world.hysteresis import Hysteresis

DAY_NS: Final = 86_400_000_000_000
_DAY_S: Final = 86_400.0
_MEMORY_S: Final = 14 * _DAY_S
"""Counts of false alarms weigh 1/e after so long, in time that was watched."""
_PRIOR_S: Final = _DAY_S
"""The prior's counts are those of so much time."""
_GAP_NS: Final = 60_000_000_000
"""After frames further apart, as after a suspend, nobody knows what an alert came to."""


@dataclass(slots=True)
class Ledger:
    """The alerts of one kind that were raised: what they came to, and whether another one may be raised."""

    right: int = 0
    false: int = 0
    last_false_ns: int | None = None
    open_ns: int | None = None
    """When the alert was raised whose outcome is not known yet."""

    def may_raise(self, now_ns: int) -> bool:
        """Whether an alert can be raised without a risk of two false ones within a day."""
        if self.open_ns is not None:
            return False
        # After the clock was set back by more than a day the time of the last one means nothing.
        last = self.last_false_ns
        return last is None or now_ns < last - DAY_NS or now_ns >= last + DAY_NS

    def note(self, now_ns: int) -> None:
        """Note that an alert is raised now."""
        self.open_ns = now_ns

    def settle(self, *, right: bool) -> None:
        """Note what the open alert came to; without one nothing happens."""
        if self.open_ns is None:
            return
        if right:
            self.right += 1
        else:
            self.false += 1
            self.last_false_ns = self.open_ns
        self.open_ns = None


@dataclass(frozen=True, slots=True)
class Levels:
    """The thresholds of one sort of alerts, and how a score passes them."""

    thresholds: tuple[float, ...]  # L, ascending
    prior: tuple[float, ...]  # L: false alarms supposed in the first day, 1 or less where alerts may start
    of: int
    enough: int
    """An alert begins when so many of the last ``of`` scores reach the threshold."""
    clear: float
    calm: int
    """It ends after so many scores below ``clear``."""
    horizon_s: int = 60
    """An alert is right when what it predicts begins within so many seconds."""


@dataclass(slots=True)
class Tally:
    """How many alerts of each level would have been false, in the time that was watched; both fade."""

    watched_s: float = 0.0
    false: list[float] = field(default_factory=list)  # L


@dataclass(slots=True)
class _Shadow:
    """An alert at one level as it would be, raised or not."""

    rule: Hysteresis
    raised: bool = False
    """Whether it was raised since it holds."""
    open_ns: int | None = None

    @property
    def at_rest(self) -> bool:
        """Whether a score below its threshold changes nothing."""
        return self.open_ns is None and self.rule.at_rest


class AlertBudget:
    """Decides when an alert of one kind is raised, from a score a frame and what happens."""

    def __init__(self, levels: Levels, counts: Tally | None = None, ledger: Ledger | None = None) -> None:
        """``counts`` and ``ledger`` are what an earlier process left; an alert left open was false."""
        self.levels = levels
        fits = counts is not None and len(counts.false) == len(levels.thresholds)
        self.counts = counts if counts is not None and fits else Tally(0.0, [0.0] * len(levels.thresholds))
        self.ledger = ledger or Ledger()
        self.ledger.settle(right=False)
        self._shadows = [
            _Shadow(Hysteresis(of=levels.of, enough=levels.enough, calm=levels.calm))
            for _ in levels.thresholds
        ]
        self._at_rest = False
        """Whether a score below every threshold changes nothing of the shadows, as at nearly all times."""
        self._last_ns: int | None = None
        self._told_level: int | None = None
        """Level of the alert that stands."""

    @property
    def threshold(self) -> float | None:
        """The score from which alerts are raised now; None while none is expected to keep the budget."""
        level = self._level()
        return None if level is None else self.levels.thresholds[level]

    @property
    def stands(self) -> bool:
        """Whether an alert was raised and has not ended."""
        return self._told_level is not None

    def push(self, now_ns: int, score: float, happens: bool, *, mute: bool = False) -> bool:
        """Take the score of one frame, and whether the predicted thing happens; True: raise an alert now.

        While ``mute``, as in the first minutes, nothing is raised nor counted.
        """
        self._pass_time(now_ns)
        self._settle(now_ns, happens)
        if self._at_rest and score < self.levels.thresholds[0]:
            return False
        pairs = zip(self._shadows, self.levels.thresholds, strict=True)
        raised = [self._raise(shadow, threshold, score, happens or mute) for shadow, threshold in pairs]
        if self._told_level is not None and not self._shadows[self._told_level].rule.holds:
            self._told_level = None
        for shadow, new in zip(self._shadows, raised, strict=True):
            if new and shadow.open_ns is None:
                shadow.open_ns = now_ns
        self._at_rest = all(shadow.at_rest for shadow in self._shadows)
        level = self._level()
        if level is None or not raised[level] or self.stands or not self.ledger.may_raise(now_ns):
            return False
        self.ledger.note(now_ns)
        self._told_level = level
        return True

    def _raise(self, shadow: _Shadow, threshold: float, score: float, withheld: bool) -> bool:
        shadow.rule.push(score >= (self.levels.clear if shadow.rule.holds else threshold))
        if not shadow.rule.holds:
            shadow.raised = False
            return False
        # What happens already needs no prediction; if it is as likely afterwards, it is raised then.
        if withheld or shadow.raised or score < threshold:
            return False
        shadow.raised = True
        return True

    def _pass_time(self, now_ns: int) -> None:
        last, self._last_ns = self._last_ns, now_ns
        if last is None:
            return
        if not 0 <= now_ns - last <= _GAP_NS:
            self.ledger.settle(right=False)
            self._told_level = None
            for shadow in self._shadows:
                shadow.rule.clear()
                shadow.raised, shadow.open_ns = False, None
            return
        seconds = (now_ns - last) / 1e9
        kept = 1 - seconds / _MEMORY_S
        self.counts.watched_s = self.counts.watched_s * kept + seconds
        self.counts.false = [count * kept for count in self.counts.false]

    def _settle(self, now_ns: int, happens: bool) -> None:
        for number, shadow in enumerate(() if self._at_rest else self._shadows):
            outcome = self._outcome(shadow.open_ns, now_ns, happens)
            if outcome is not None:
                shadow.open_ns = None
                self.counts.false[number] += not outcome
        outcome = self._outcome(self.ledger.open_ns, now_ns, happens)
        if outcome is not None:
            self.ledger.settle(right=outcome)

    def _outcome(self, open_ns: int | None, now_ns: int, happens: bool) -> bool | None:
        """Whether an alert raised at ``open_ns`` was right; None of no alert, or while nobody knows."""
        if open_ns is None:
            return None
        left_ns = open_ns + self.levels.horizon_s * 1_000_000_000 - now_ns
        if happens and left_ns >= 0:
            return True
        return False if left_ns <= 0 else None

    def _level(self) -> int | None:
        days = (_PRIOR_S + self.counts.watched_s) / _DAY_S
        for level, (prior, false) in enumerate(zip(self.levels.prior, self.counts.false, strict=True)):
            if prior + false <= days:
                return level
        return None
