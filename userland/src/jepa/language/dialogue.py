# SPDX-License-Identifier: Apache-2.0
"""Sentences that refer to the one before: "make it 60 % instead", "not the database", "the second", "why?".

A follow-up changes the task spec that was understood, and never makes it wider: what is protected stays so,
and no name that was not said before becomes a target unless a target was asked for.
"""

import tomllib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any, Final, Literal

from jepa.language.inventory import Inventory
from jepa.language.lexicon import HERE, lexicon
from jepa.language.parser import Parsed, parse_openly
from jepa.language.quantities import span_to
from jepa.language.reading import protected_alone, reading_of
from jepa.language.resolve import units
from jepa.language.saying import is_it, understood
from jepa.language.specs import READS
from jepa.language.template import Capture, Match, Templates, compile_template
from jepa.language.tokens import Token, Unreadable, tokenise

LASTS_S: Final = 300.0
"""How long after a sentence another may refer to it."""
_ASKED: Final = {"first": 0, "second": 1, "third": 2, "last": -1}
_TAKES_AMOUNT: Final = ("limit", "prioritize", "reclaim")
_TAKES_NO_TIME: Final = (*READS, "undo", "packs", "goal_capture")
_RESOURCE_OF: Final = {
    "cores": ("cpu",),
    "MiB": ("memory", "disk"),
    "GiB": ("memory", "disk"),
    "MiB/s": ("io", "network"),
}
"""What an amount of each unit may be an amount of."""
_SHARES: Final = ("half", "quarter", "third")
_NOTHING_BEFORE: Final = (
    'There is nothing before it that it could refer to; say the whole wish, such as "limit gcc to 60 %".'
)
_TOO_LONG_AGO: Final = (
    "The sentence that it could refer to is more than five minutes old; say the whole wish again."
)

About = Literal["wish", "why", "undo", "yes", "no", "unclear"]


@dataclass(frozen=True, slots=True)
class DialogueTurn:
    """One thing that was said and understood."""

    said: str
    spans: Mapping[str, Any]
    """Which words gave which field: places in ``said``."""


@dataclass(frozen=True, slots=True)
class Dialogue:
    """What was understood so far, and what was asked back."""

    spec: Mapping[str, Any]
    """The task spec, its names as they were said; ``none`` with a question until that is answered."""
    at_s: float
    """When the last of it was said, in seconds of a clock that never jumps."""
    turns: tuple[DialogueTurn, ...] = ()
    choices: tuple[Mapping[str, Any], ...] = ()
    """Task specs between which was asked, or of which one was chosen."""
    chosen: int | None = None
    open: Mapping[str, Any] | None = None
    """The task spec whose target was asked for."""
    protect: tuple[str, ...] = ()
    """All that was said to be left alone, in any turn."""


@dataclass(frozen=True, slots=True)
class FollowUp:
    """What a line means that refers to the one before."""

    about: About
    dialogue: Dialogue | None
    """What is understood now."""
    answer: str = ""
    """One sentence for the person, where there is no wish to go on with."""


def begin(text: str, parsed: Parsed, at_s: float) -> Dialogue:
    """The dialogue that begins with ``text``, a sentence that stands by itself, as it was ``parsed``."""
    text = unicodedata.normalize("NFC", text)
    protect = [*parsed.spec["protect"]]
    for each in (*parsed.choices, *([parsed.open] if parsed.open else [])):
        protect += each["protect"]
    turn = DialogueTurn(text, parsed.spec["spans"] or {})
    return Dialogue(
        parsed.spec, at_s, (turn,), parsed.choices, None, parsed.open, tuple(dict.fromkeys(protect))
    )


def goes_on(before: Dialogue | None, new: Dialogue) -> Dialogue:
    """What to keep: ``before`` where ``new`` was not understood, asks nothing and forbids nothing.

    A line that holds a negation ends what was before it, whether it was understood or not.
    """
    if before is None or new.spec["intent"] != "none" or new.choices or new.open is not None or new.protect:
        return new
    try:
        words = [token.text for token in tokenise(new.turns[0].said)]
    except Unreadable:
        return before
    return before if lexicon().negations.isdisjoint(words) else new


def follow_up(
    before: Dialogue | None, text: str, inventory: Inventory, at_s: float, now: datetime
) -> FollowUp | None:
    """What ``text`` means after ``before``; None where it is a sentence by itself, or nothing that refers.

    ``at_s`` is the time on the clock of ``Dialogue.at_s``, ``now`` the local time of day without a zone.
    """
    text = unicodedata.normalize("NFC", text)
    try:
        tokens = tokenise(text)
    except Unreadable:
        return None
    found = _found(tokens, inventory)
    if found is None:
        return None
    asked = before is not None and (before.open is not None or (before.choices and before.chosen is None))
    if found.kind == "name" and not asked:
        return None
    live = before is not None and at_s - before.at_s <= LASTS_S
    # These alone mean something by themselves, too.
    by_itself = found.kind in ("why", "undo")
    if (not live or not by_itself) and parse_openly(text, inventory).spec["intent"] != "none":
        return None
    if before is None or not live:
        if found.kind == "protect":  # by itself it is answered better: what should be done instead?
            return None
        return FollowUp("unclear", None, _NOTHING_BEFORE if before is None else _TOO_LONG_AGO)
    turn = DialogueTurn(text, _spans(found, tokens))
    return _Answering(replace(before, at_s=at_s), turn, inventory, now).to(found)


@dataclass(frozen=True, slots=True)
class _Found:
    kind: str
    value: Any = None
    at: Capture | None = None
    shares: bool = False
    """Whether an amount was said as a share of something: half, a quarter."""


@cache
def _kinds() -> dict[str, Templates]:
    tables = tomllib.loads((HERE / "follow_ups.toml").read_text(encoding="utf-8"))
    rules = lexicon().rules
    return {
        kind: Templates(compile_template(text, rules, {}) for text in table["say"])
        for kind, table in tables.items()
    }


def _found(tokens: tuple[Token, ...], inventory: Inventory) -> _Found | None:
    """The kind of follow-up that ``tokens`` are, word for word; None where they are none."""
    reading = reading_of(tokens, tokens, inventory)
    for kind, templates in _kinds().items():
        matches: list[Match] = [
            match for template in templates.fitting(reading) for match in template.whole(reading)
        ]
        if matches:
            best = max(matches, key=lambda match: (match.words, len(match.captures)))
            if not best.captures:
                return _Found(kind)
            capture = best.captures[0]
            said = [token.text for token in tokens[capture.start : capture.end]]
            shares = any(word in _SHARES for word in said) and not any(
                word in ("core", "cores") for word in said
            )
            value = capture.value
            if capture.name == "clock":
                kind = "clock"
            return _Found(kind, value, capture, shares)
    names = protected_alone(tokens, inventory)
    return _Found("protect", names) if names else None


def _spans(found: _Found, tokens: tuple[Token, ...]) -> dict[str, Any]:
    field = {"amount": "amount", "until": "until", "clock": "until", "protect": "protect", "name": "targets"}
    if found.kind not in field:
        return {}
    part = tokens if found.at is None else tokens[found.at.start : found.at.end]
    return {field[found.kind]: [[part[0].start, part[-1].end]]}


class _Answering:
    """One follow-up to a dialogue that is still alive."""

    def __init__(self, before: Dialogue, turn: DialogueTurn, inventory: Inventory, now: datetime) -> None:
        self._before = before
        self._turn = turn
        self._inventory = inventory
        self._now = now

    def to(self, found: _Found) -> FollowUp:
        match found.kind:
            case "why" | "undo":
                return FollowUp(found.kind, self._before)
            case "yes":
                return self._yes()
            case "no":
                return FollowUp("no", None, "Dropped.")
            case "amount":
                return self._amount(found)
            case "until":
                return self._until(found.value)
            case "clock":
                return self._until(span_to(found.value, self._now))
            case "protect":
                return self._protect(found.value)
            case "other":
                return self._other()
            case "name":
                return self._name(found.value)
        return self._choose(_ASKED[found.kind])

    # What was asked back

    def _yes(self) -> FollowUp:
        """To a question about one wish it says that it is one; a plan of it needs consent as any does."""
        before = self._before
        if before.chosen is None and len(before.choices) == 1:
            return self._chosen(0)
        return self._unclear(self._question()) if self._question() else FollowUp("yes", before)

    def _question(self) -> str:
        """What has been asked and not answered; empty where nothing was."""
        before = self._before
        if before.chosen is None and len(before.choices) == 1:
            return is_it(before.choices[0])
        if before.choices and before.chosen is None:
            listed = "; ".join(f"{n}. {understood(each)}" for n, each in enumerate(before.choices, 1))
            return f"Which one? {listed}."
        return str(before.spec["question"]) if before.open is not None else ""

    def _choose(self, place: int) -> FollowUp:
        choices = self._before.choices
        if not choices:
            return self._unclear("Nothing was asked between which to choose.")
        if place >= len(choices):
            return self._unclear(f"There are {len(choices)} to choose between. {self._question()}".rstrip())
        return self._chosen(place % len(choices))

    def _other(self) -> FollowUp:
        before = self._before
        if before.chosen is None or len(before.choices) != 2:
            return self._unclear(self._question() or "There is no other one: nothing was near to it.")
        return self._chosen(1 - before.chosen)

    def _chosen(self, place: int) -> FollowUp:
        return self._wish(self._before.choices[place], choices=self._before.choices, chosen=place)

    def _name(self, names: Iterable[str]) -> FollowUp:
        before = self._before
        names = [name.lower() for name in names]
        if before.open is not None:
            return self._wish({**before.open, "targets": names}, choices=(), chosen=None)
        fitting = [
            place
            for place, each in enumerate(before.choices)
            if set(names)
            <= {*each["targets"], each["resource"], each["intent"], each["operation"], each["goal"]}
        ]
        return self._chosen(fitting[0]) if len(fitting) == 1 else self._unclear(self._question())

    # What is changed in a wish

    def _amount(self, found: _Found) -> FollowUp:
        spec, amount = self._before.spec, found.value
        if refused := self._cannot_change(spec["intent"] in _TAKES_AMOUNT, "an amount"):
            return refused
        if found.shares:
            return self._unclear(f'Of what? Say it as a number, such as "make it {amount["value"]:g} %".')
        if amount["unit"] == "%" and not 0 <= amount["value"] <= 100:
            return self._unclear("From 0 to 100 % there is something to share out; how much of it?")
        of = _RESOURCE_OF.get(amount["unit"], ())
        if of and spec["resource"] not in (None, *of):
            return self._unclear(
                f"That is no amount of {spec['resource']}, which it was about; say the whole wish again."
            )
        resource = spec["resource"] or (of[0] if of and spec["intent"] != "reclaim" else None)
        return self._wish({**spec, "amount": amount, "resource": resource})

    def _until(self, span: str) -> FollowUp:
        spec = self._before.spec
        if refused := self._cannot_change(spec["intent"] not in _TAKES_NO_TIME, "a time"):
            return refused
        return self._wish({**spec, "until": span})

    def _protect(self, names: Iterable[str]) -> FollowUp:
        before = self._before
        protect = tuple(dict.fromkeys((*before.protect, *(name.lower() for name in names))))
        self._before = before = replace(before, protect=protect)
        if question := self._question():
            are = "is" if len(protect) == 1 else "are"
            kept = f"{' and '.join(protect)} {are} left alone. {question}"
            turns = (*before.turns, self._turn)
            return FollowUp("unclear", replace(before, turns=turns), kept)
        if refused := self._cannot_change(before.spec["intent"] not in READS, "a protection"):
            return refused
        return self._wish(before.spec)

    def _cannot_change(self, takes: bool, what: str) -> FollowUp | None:
        """Why the wish before cannot be given ``what``; None where it can."""
        if question := self._question():
            return self._unclear(question)
        spec = self._before.spec
        if spec["intent"] == "none":
            return self._unclear("The sentence before was not understood; say the whole wish.")
        return None if takes else self._unclear(f"{understood(spec)!r} takes no {what.split()[-1]}.")

    def _unclear(self, answer: str) -> FollowUp:
        return FollowUp("unclear", self._before, answer)

    def _wish(self, spec: Mapping[str, Any], **fields: Any) -> FollowUp:
        """Go on with ``spec``, if something is left of it that may be touched."""
        before = self._before
        protect = list(dict.fromkeys((*before.protect, *spec["protect"])))
        left = [name for name in spec["targets"] if not self._covers(protect, name)]
        turns = (*before.turns, self._turn)
        if spec["targets"] and not left and spec["intent"] not in READS:
            are = "is" if len(spec["targets"]) == 1 else "are"
            question = f"{' and '.join(spec['targets'])} {are} to be left alone, so nothing is done."
            nothing = {
                **spec,
                "intent": "none",
                "operation": None,
                "targets": [],
                "protect": protect,
                "question": question,
            }
            over = Dialogue(nothing, before.at_s, turns, protect=tuple(protect))
            return FollowUp("unclear", over, question)
        targets = left if spec["intent"] not in READS else spec["targets"]
        wish = {**spec, "targets": targets, "protect": protect, "spans": None, "question": None}
        dialogue = replace(before, spec=wish, turns=turns, open=None, protect=tuple(protect), **fields)
        return FollowUp("wish", dialogue)

    def _covers(self, protect: Iterable[str], target: str) -> bool:
        """Whether ``target`` is nothing but what is protected."""
        mine = set(units(target, self._inventory)) or {target}
        kept = {unit for name in protect for unit in (name, *units(name, self._inventory))}
        return target in kept or mine <= kept or any(_stem(target) == _stem(name) for name in kept)


def _stem(name: str) -> str:
    return name.removesuffix(".service").removesuffix(".scope").removesuffix(".slice")
