# SPDX-License-Identifier: Apache-2.0
"""Rules of the policy: what each permits or forbids, under which conditions, and why.

The semantics are Cedar's: what no rule permits is denied, and a rule that forbids wins over all that permit,
whatever their order.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import inf
from typing import Any, Final, Literal

from jepa.actions.catalogue import TargetKind, Tier, Value
from jepa.actions.change import Caller
from jepa.actions.guard.caller import is_person
from jepa.actions.guard.identity import matches_exactly, matches_widely, names_of

Effect = Literal["permit", "forbid"]
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_HOURS = re.compile(r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d", re.ASCII)
_SIZE: Final = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


@dataclass(frozen=True, slots=True)
class JudgedProposal:
    """A proposal as rules see it."""

    action: str
    family: str
    tier: Tier
    kind: TargetKind
    names: tuple[str, ...]
    """The canonical names of the target; of a process also its unit's; ``machine`` for the machine."""
    touched: frozenset[str]
    """Every name of everything that would be touched."""
    role: str
    """``foreground``, ``background`` or ``system``; empty where the target has none."""
    value: Value
    caller: Caller
    on_battery: bool
    now: datetime
    """Local time, for rules that hold at certain hours."""
    protected: bool = False
    """Whether the target is protected and the change only gives it more."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. An empty condition holds always; several have to hold together."""

    id: str
    effect: Effect
    reason: str
    """One sentence, shown to whoever is answered by it."""
    source: str
    """The file."""
    final: bool = False
    """Whether no later file may disable it."""
    ask: bool = False
    """A permit that needs the caller's consent each time."""
    action: tuple[str, ...] = ()
    family: tuple[str, ...] = ()
    tier: tuple[Tier, ...] = ()
    kind: tuple[TargetKind, ...] = ()
    target: tuple[str, ...] = ()
    role: tuple[str, ...] = ()
    caller: str = ""
    """``person``, ``root``, ``service`` (no person) or ``autonomous`` (a daemon of JEPA OS)."""
    uid: tuple[int, ...] = ()
    unit: tuple[str, ...] = ()
    """The caller's unit."""
    minimum: float | None = None
    maximum: float | None = None
    hours: str = ""
    """A span of the day, ``22:00-06:00``, by the wall clock."""
    on_battery: bool | None = None
    raises_protected: bool = False
    """A permit for protected targets, if the change only gives them more. No other permit reaches these."""

    @property
    def said(self) -> str:
        """The reason with the rule's name."""
        return f"{self.reason} (rule {self.id}, {self.source})"

    def holds(self, question: JudgedProposal) -> bool:
        """Whether all conditions are met. A permit is read narrowly, a forbid widely."""
        wide = self.effect == "forbid"
        return (
            (wide or self.raises_protected == question.protected)
            and self._names(self.action, question.action, wide)
            and self._names(self.family, question.family, wide)
            and (not self.tier or question.tier in self.tier)
            and (not self.kind or question.kind in self.kind)
            and self._target(question, wide)
            and (not self.role or question.role in self.role)
            and self._caller(question.caller)
            and (not self.uid or question.caller.uid in self.uid)
            and self._names(self.unit, question.caller.unit, wide)
            and self._value(question.value, wide)
            and (not self.hours or _within(self.hours, question.now))
            and (self.on_battery is None or self.on_battery == question.on_battery)
        )

    @staticmethod
    def _names(patterns: tuple[str, ...], name: str, wide: bool) -> bool:
        if not patterns:
            return True
        if wide:
            return matches_widely(patterns, (name,))
        return any(matches_exactly(pattern, name) for pattern in patterns)

    def _target(self, question: JudgedProposal, wide: bool) -> bool:
        if not self.target:
            return True
        if not wide:
            return any(matches_exactly(pattern, name) for pattern in self.target for name in question.names)
        names = [each for name in {*question.names, *question.touched} for each in names_of(name)]
        return matches_widely(self.target, names)

    def _caller(self, caller: Caller) -> bool:
        match self.caller:
            case "":
                return True
            case "autonomous":
                return caller.autonomous
            case "root":
                return caller.uid == 0 and not caller.autonomous
            case "service":
                return not caller.autonomous and not is_person(caller)
            case _:
                return is_person(caller)

    def _value(self, value: Value, wide: bool) -> bool:
        if self.minimum is None and self.maximum is None:
            return True
        return within(value, self.minimum, self.maximum, wide)


def within(value: Value, minimum: float | None, maximum: float | None, wide: bool) -> bool:
    """Whether all numbers in ``value`` lie in a range; ``wide``: any of them, or what is no number.

    A word for no limit is infinite. A value may hold several: ``sda:1048576 sdb:max``.
    """
    numbers = [_amount(part) for part in value.split()] if isinstance(value, str) else [_amount(value)]
    low = -inf if minimum is None else minimum
    high = inf if maximum is None else maximum
    if wide:
        return any(number is None or low <= number <= high for number in numbers or [None])
    return bool(numbers) and all(number is not None and low <= number <= high for number in numbers)


def _amount(value: Value) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return None if value != value else float(value)
    text = value.rpartition(":")[2]
    if text in ("max", "infinity"):
        return inf
    return float(text) if re.fullmatch(r"-?\d{1,19}(\.\d{1,6})?", text, re.ASCII) else None


def parse(effect: Effect, entry: Mapping[str, Any], source: str) -> Rule:
    """The rule that one table of a policy file states. ValueError says what is wrong with it."""
    given = dict(entry)
    rule_id, reason = given.pop("id", None), given.pop("reason", None)
    if not isinstance(rule_id, str) or not _NAME.fullmatch(rule_id):
        raise ValueError(
            f"{source}: a {effect} rule needs an id of letters, digits, - and _, not {rule_id!r}"
        )
    where = f"{source}: rule {rule_id}"
    if not isinstance(reason, str) or not reason.strip() or len(reason) > 300 or not reason.isprintable():
        raise ValueError(
            f"{where}: reason has to say in a sentence of at most 300 characters why it is there"
        )
    try:
        fields = {name: _CONDITIONS[name](given[name]) for name in given}
    except KeyError as error:
        # A condition that is not understood must not be left out: the rule would hold more often.
        raise ValueError(f"{where}: there is no condition {error.args[0]!r}") from None
    except (ValueError, TypeError) as error:
        raise ValueError(f"{where}: {error}") from None
    rule = Rule(rule_id, effect, reason.strip(), source, **fields)
    if rule.caller == "autonomous" and effect == "permit":
        raise ValueError(f"{where}: what a daemon may do by itself is a grant's to say, not a rule's")
    if effect == "forbid" and (rule.ask or rule.raises_protected):
        raise ValueError(f"{where}: ask and raises_protected are for rules that permit")
    if rule.minimum is not None and rule.maximum is not None and rule.minimum > rule.maximum:
        raise ValueError(f"{where}: minimum is above maximum")
    return rule


def _strings(value: Any) -> tuple[str, ...]:
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or not items or not all(isinstance(each, str) and each for each in items):
        raise ValueError(f"{value!r} is no text and no list of texts")
    return tuple(items)


def _of(kind: Any) -> Any:
    return lambda value: tuple(kind(each) for each in _strings(value))


def _uids(value: Any) -> tuple[int, ...]:
    items = value if isinstance(value, list) else [value]
    if not items or not all(type(each) is int and 0 <= each < 2**31 for each in items):
        raise ValueError(f"{value!r} is no user number")
    return tuple(items)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither true nor false")
    return value


def _number(value: Any) -> float:
    if isinstance(value, str) and (found := re.fullmatch(r"(\d{1,15})([KMGT])", value, re.ASCII)):
        return float(int(found[1]) * _SIZE[found[2]])
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise ValueError(f"{value!r} is no number, such as 50 or 512M")
    return float(value)


def _hours(value: Any) -> str:
    if not isinstance(value, str) or not _HOURS.fullmatch(value):
        raise ValueError(f"{value!r} is no span of the day, such as 22:00-06:00")
    start, _, end = value.partition("-")
    if start == end:
        raise ValueError(f"{value!r} is empty")
    return value


def _within(hours: str, now: datetime) -> bool:
    start, _, end = hours.partition("-")
    minute = f"{now:%H:%M}"  # compares as the times do
    return start <= minute < end if start < end else minute >= start or minute < end


def _word(choices: Iterable[str]) -> Any:
    known = tuple(choices)

    def read(value: Any) -> str:
        if value not in known:
            raise ValueError(f"{value!r} is none of {', '.join(known)}")
        return str(value)

    return read


def _roles(value: Any) -> tuple[str, ...]:
    return tuple(map(_word(("foreground", "background", "system")), _strings(value)))


_CONDITIONS: Final[dict[str, Any]] = {
    "final": _flag,
    "ask": _flag,
    "action": _strings,
    "family": _strings,
    "tier": _of(Tier),
    "kind": _of(TargetKind),
    "target": _strings,
    "role": _roles,
    "caller": _word(("person", "root", "service", "autonomous")),
    "uid": _uids,
    "unit": _strings,
    "minimum": _number,
    "maximum": _number,
    "hours": _hours,
    "on_battery": _flag,
    "raises_protected": _flag,
}
