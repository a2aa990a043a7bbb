# SPDX-License-Identifier: Apache-2.0
"""A sentence to a task spec, by templates; whatever is unclear becomes ``none`` with a question.

First what any wish may carry is taken out of the sentence: what is protected, conditions, durations, that a
person wants to be told. What is left must be one sentence of one intent, word for word; a negation or an
unknown word that no template names leaves no sentence, so that nothing is done.
"""

import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

from jepa.language.grammar import MODIFIERS, grammar
from jepa.language.inventory import Inventory, Nothing
from jepa.language.lexicon import lexicon
from jepa.language.slots import near_negation, slots
from jepa.language.template import Capture, Match, Reading, Sequence, Template
from jepa.language.tokens import Token, Unreadable, tokenise
from jepa.language.typos import MOST, Spelling

TIER: Final = "templates"
READS: Final = frozenset(("status", "query", "explain", "forecast", "history", "help", "none"))
"""Intents that change nothing."""
_JOINTS: Final = ("and", "then", ";", ".", ",", "...", "!")
_MOST_JOINTS: Final = 4
_FIELDS: Final = {
    "target": "targets",
    "device": "targets",
    "store": "resource",
    "room": "resource",
    "part": "targets",
}
"""Slots that fill a field of another name."""
_RAREST: Final = ("explain", "forecast", "query")
_LOOSE: Final = 4.0
"""How much a question with skipped words weighs less than any that has none."""
_SURE, _CORRECTED, _UNKNOWN_NAME, _SKIPPED = 1.0, 0.9, 0.8, 0.6


@dataclass(frozen=True, slots=True)
class Found:
    """One way to read a sentence."""

    template: Template
    match: Match
    tokens: tuple[Token, ...]
    modifiers: "tuple[Modifier, ...]"
    changed: int
    """How many words were taken for misspelt."""

    @property
    def acts(self) -> bool:
        """Whether it would change something."""
        return bool(self.template.fields.get("acts")) and not self.template.fields.get("reads")


@dataclass(frozen=True, slots=True)
class Modifier:
    """What a wish carries beside itself, taken out of the sentence."""

    kind: str
    fields: Mapping[str, Any]
    captures: tuple[Capture, ...]
    tokens: tuple[Token, ...]
    """Those it was said with."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a sentence means, and what could answer the question where it is unclear."""

    spec: dict[str, Any]
    choices: tuple[dict[str, Any], ...] = ()
    """Task specs between which the question asks."""
    open: dict[str, Any] | None = None
    """The task spec whose target the question asks for."""


def parse(text: str, inventory: Inventory | None = None) -> dict[str, Any]:
    """The task spec of ``text``, with every field of ``jepa.tasks.spec.TaskSpec``. Never raises."""
    return parse_openly(text, inventory).spec


def parse_openly(text: str, inventory: Inventory | None = None) -> Parsed:
    """As ``parse``, with what the question asks between."""
    text = unicodedata.normalize("NFC", text)
    try:
        tokens = tokenise(text)
    except Unreadable as unreadable:
        return Parsed(_none(str(unreadable)))
    here = inventory or Nothing()
    found = _Reader(here).ways(tokens)
    if all(_skips(each) for each in found) or any(_names_unknown(each, here) for each in found):
        found = _better_spelled(tokens, found, here)
    if not found:
        return _unclear(text, tokens, here)
    most = max(_weight(each, here) for each in found)
    likely = [each for each in found if _weight(each, here) == most]
    if all(
        map(_skips, likely)
    ):  # a question in which words are skipped has no exact meaning: the rarest one
        intent = min((each.template.fields["intent"] for each in likely), key=_RAREST.index)
        likely = [each for each in likely if each.template.fields["intent"] == intent][:1]
    best = [_spec(each) for each in likely]
    if any(_meaning(each) != _meaning(best[0]) for each in best):
        wishes = " or ".join(dict.fromkeys(_said(each) for each in best))
        question = _none(f"That may mean {wishes}: which?", protect=best[0]["protect"])
        settled = [_settled(*each, here).spec for each in zip(best, likely, strict=True)]
        distinct = {_said(each): each for each in settled if each["intent"] != "none"}
        return Parsed(question, tuple(distinct.values()))
    return _settled(best[0], likely[0], here)


def _skips(found: Found) -> bool:
    """Whether it is a question in which words are skipped."""
    return any(capture.name == "words" for capture in found.match.captures)


def _names_unknown(found: Found, inventory: Inventory) -> bool:
    """Whether a name in it is nothing but a word that nobody knows."""
    names = [
        name
        for capture in found.match.captures
        if capture.name in ("target", "beside")
        for name in capture.value
    ]
    return not found.acts and not all(_known(name, inventory) for name in names)


def _better_spelled(tokens: tuple[Token, ...], found: list[Found], inventory: Inventory) -> list[Found]:
    """The ways to read the corrected sentence, where these say more than ``found`` or there are none."""
    spelled = _spelled(tokens, inventory)
    if spelled == tokens:
        return found
    others = _Reader(inventory).ways(spelled, tokens)
    most = max((_weight(each, inventory) for each in found), default=-1.0)
    better = any(_weight(each, inventory) >= most for each in others)
    return others if better and not (found and any(each.acts for each in others)) else found


def _weight(found: Found, inventory: Inventory) -> float:
    """How well it fits: words that a template names weigh more than what fills its slots."""
    named = sum(
        0.5
        for capture in found.match.captures
        if capture.name in ("target", "device") and all(_known(name, inventory) for name in capture.value)
    )
    needed = 0.5 if found.template.fields.get("needs") else 0.0
    # Words that a question skips count against it.
    skipped = sum(each.end - each.start for each in found.match.captures if each.name == "words")
    return found.match.words + named + needed - (_LOOSE + skipped if skipped else 0.0)


def _known(name: str, inventory: Inventory) -> bool:
    words = lexicon()
    phrase = tuple(name.split())
    return (
        name in words.known
        or phrase in words.classes
        or phrase in words.devices
        or inventory.knows(name)
        or name in words.roles.values()
    )


# Reading


class _Reader:
    """Finds the ways to read one sentence."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._readings: dict[tuple[Token, ...], Reading] = {}

    def ways(self, tokens: tuple[Token, ...], original: tuple[Token, ...] | None = None) -> list[Found]:
        """Every way in which a template fits, with as many modifiers taken out as possible.

        ``original`` are the tokens before their spelling was corrected: names are looked for in these.
        """
        said = original or tokens
        changed = sum(one != other for one, other in zip(tokens, said, strict=True))
        tried: set[tuple[Token, ...]] = set()
        for kinds in (
            MODIFIERS,
            MODIFIERS[:-1],
            ("protect", "until", "vague", "courtesy"),
            ("protect",),
            (),
        ):
            rest, rest_said, modifiers = self.without_modifiers(tokens, said, kinds)
            rest, rest_said = self._without_openers(rest, rest_said)
            if rest in tried:
                continue
            tried.add(rest)
            found = self._fitting(rest, rest_said, modifiers, changed)
            if found:
                return found
        return []

    def _fitting(
        self,
        tokens: tuple[Token, ...],
        said: tuple[Token, ...],
        modifiers: tuple[Modifier, ...],
        changed: int,
    ) -> list[Found]:
        reading = self._reading(tokens, said)
        conditions = [each.fields["kind"] for each in modifiers if each.kind == "condition"]
        found = [
            Found(template, match, said, modifiers, changed)
            for template in grammar().intents.fitting(reading)
            if _needs_met(template, conditions)
            for match in template.whole(reading)
        ]
        if not found and all(reading.idle) and _asks_to_be_told(modifiers):
            template = Template("", Sequence(()), {"intent": "watch", "acts": True})
            found = [Found(template, Match(0), said, modifiers, changed)]
        found = [each for each in found if not _too_vague(each)]
        return found

    def _reading(self, tokens: tuple[Token, ...], said: tuple[Token, ...]) -> Reading:
        """``tokens`` as templates see them."""
        known = self._readings.get(tokens)
        if known is None:
            known = self._readings[tokens] = reading_of(tokens, said, self._inventory)
        return known

    def without_modifiers(
        self, tokens: tuple[Token, ...], said: tuple[Token, ...], kinds: Iterable[str]
    ) -> tuple[tuple[Token, ...], tuple[Token, ...], tuple[Modifier, ...]]:
        """The tokens less those of modifiers, the longest first; also as they were said."""
        reading = self._reading(tokens, said)
        fitting = [
            (kind, template) for kind in kinds for template in grammar().modifiers[kind].fitting(reading)
        ]
        kept: list[int] = []
        modifiers: list[Modifier] = []
        at = 0
        while at < len(tokens):
            longest: tuple[int, int, str, Template, Match] | None = None
            for kind, template in fitting:
                for match in template.at(reading, at):
                    if match.end > at and (longest is None or (match.end, match.words) > longest[:2]):
                        longest = (match.end, match.words, kind, template, match)
            if longest is None or (reading.idle[at] and _fits_later(longest, reading, at)):
                kept.append(at)
                at += 1
                continue
            end, _, kind, template, match = longest
            modifiers.append(Modifier(kind, template.fields, match.captures, said[at:end]))
            at = end
        return tuple(tokens[i] for i in kept), tuple(said[i] for i in kept), tuple(modifiers)

    def _without_openers(
        self, tokens: tuple[Token, ...], said: tuple[Token, ...]
    ) -> tuple[tuple[Token, ...], tuple[Token, ...]]:
        while tokens:
            reading = self._reading(tokens, said)
            ends = [
                match.end for opener in grammar().openers.fitting(reading) for match in opener.at(reading, 0)
            ]
            if not ends or max(ends) == len(tokens):
                break
            tokens, said = tokens[max(ends) :], said[max(ends) :]
        return tokens, said


def reading_of(tokens: tuple[Token, ...], said: tuple[Token, ...], inventory: Inventory) -> Reading:
    """``tokens`` as templates see them; names are looked for in what was ``said``."""
    idle = lexicon().idle
    return Reading(
        [token.text for token in tokens],
        [token.kind == "pause" or (token.kind == "word" and token.text in idle) for token in tokens],
        slots(tokens, said, inventory),
    )


def protected_alone(tokens: tuple[Token, ...], inventory: Inventory) -> tuple[str, ...]:
    """The names that ``tokens`` say must not be touched, where they say nothing else."""
    reader = _Reader(inventory)
    rest, rest_said, modifiers = reader.without_modifiers(tokens, tokens, ("protect",))
    if not all(reading_of(rest, rest_said, inventory).idle):
        return ()
    return _names_in(modifiers)


def _names_in(modifiers: Iterable[Modifier]) -> tuple[str, ...]:
    names = (name.lower() for each in modifiers for capture in each.captures for name in capture.value)
    return tuple(dict.fromkeys(names))


def _asks_to_be_told(modifiers: Iterable[Modifier]) -> bool:
    return {"condition", "notify"} <= {each.kind for each in modifiers}


def _needs_met(template: Template, conditions: Collection[str]) -> bool:
    needed = template.fields.get("needs")
    return needed is None or (bool(conditions) if needed == "condition" else needed in conditions)


def _too_vague(found: Found) -> bool:
    """Whether it would act at a time that no task spec holds, or under two conditions at once."""
    kinds = [each.kind for each in found.modifiers]
    return found.acts and (kinds.count("condition") > 1 or kinds.count("until") > 1 or "vague" in kinds)


def _fits_later(longest: tuple[int, int, str, Template, Match], reading: Reading, at: int) -> bool:
    """Whether the modifier begins with a word that carries no meaning: then it begins behind that."""
    return any(
        match.end == longest[0] and match.words == longest[1] for match in longest[3].at(reading, at + 1)
    )


def _spelled(tokens: tuple[Token, ...], inventory: Inventory) -> tuple[Token, ...]:
    """The tokens with unknown words as the grammar spells them; never to or from a negation or a name."""
    changed = 0
    spelled: list[Token] = []
    for token in tokens:
        text = token.text
        better = None
        if changed < MOST and token.kind == "word" and not token.shaped and not _right(text, inventory):
            better = _spelling().corrected(text)
        changed += better is not None
        spelled.append(token if better is None else replace(token, text=better))
    return tuple(spelled)


def _right(text: str, inventory: Inventory) -> bool:
    """Whether a word is left as it is: it is known, or might be a negation."""
    words = lexicon()
    return (
        text in _vocabulary()
        or text in words.negations
        or text in words.function
        or text in words.spelled
        or _known(text, inventory)
        or near_negation(text)
    )


@cache
def _vocabulary() -> frozenset[str]:
    """The words that a misspelt one may have been."""
    words = lexicon()
    phrases = {word for phrase in words.resources for word in phrase}
    return (grammar().words | words.idle | phrases) - words.negations


@cache
def _spelling() -> Spelling:
    return Spelling(_vocabulary(), lexicon().idle)


# The task spec


def _spec(found: Found) -> dict[str, Any]:
    """The fields of ``found``."""
    fields = found.template.fields
    spec = empty(fields["intent"])
    spec["operation"] = fields.get("operation")
    spec["resource"] = fields.get("resource")
    spec["notify"] = bool(fields.get("notify")) or fields.get("notify_by") == "tell"
    spans: dict[str, list[list[int]]] = {}
    _mark(spans, "intent", found.tokens)
    for capture in found.match.captures:
        _fill(spec, spans, capture, found.tokens)
    for each in found.modifiers:
        _modify(spec, spans, each)
    if fields.get("fails") and spec["condition"] is None:
        spec["condition"] = {"kind": "failed"}
    _infer(spec)
    spec["spans"] = spans
    return spec


def empty(intent: str) -> dict[str, Any]:
    """A task spec that says nothing but its intent."""
    return {
        "intent": intent,
        "operation": None,
        "resource": None,
        "targets": [],
        "amount": None,
        "condition": None,
        "until": None,
        "protect": [],
        "notify": False,
        "goal": None,
        "confidence": None,
        "tier": TIER,
        "spans": None,
        "question": None,
    }


def _fill(
    spec: dict[str, Any], spans: dict[str, list[list[int]]], capture: Capture, tokens: tuple[Token, ...]
) -> None:
    name, value = capture.name, capture.value
    if name in ("beside", "clock", "duration", "degrees", "after", "words"):
        return
    if name == "goal" and spec["intent"] == "packs":
        name, value = "target", (value,)
    if name == "part":
        value = (value,)
    name = _FIELDS.get(name, name)
    if name == "targets":
        spec["targets"] += [each.lower() for each in value if each.lower() not in spec["targets"]]
    elif name == "resource" and spec["resource"] is not None:
        return
    else:
        spec[name] = value
    _mark(spans, name, tokens[capture.start : capture.end])


def _modify(spec: dict[str, Any], spans: dict[str, list[list[int]]], modifier: Modifier) -> None:
    values = {capture.name: capture.value for capture in modifier.captures}
    _mark(spans, modifier.kind, modifier.tokens)
    match modifier.kind:
        case "protect":
            for capture in modifier.captures:
                spec["protect"] += [
                    each.lower() for each in capture.value if each.lower() not in spec["protect"]
                ]
        case "until":
            spec["until"] = values["duration"]
        case "notify":
            spec["notify"] = True
        case "condition":
            condition: dict[str, Any] = {"kind": modifier.fields["kind"]}
            if "amount" in values:
                condition |= values["amount"]
            if "degrees" in values:
                condition |= {"value": values["degrees"], "unit": "°C", "resource": "temperature"}
            if "resource" in values:
                condition["resource"] = values["resource"]
            for name in ("target", "device"):
                if name in values:
                    condition["targets"] = [each.lower() for each in values[name]]
            if "clock" in values:
                condition["at"] = values["clock"]
            if "after" in values:
                condition["after"] = values["after"]
            spec["condition"] = condition


def _mark(spans: dict[str, list[list[int]]], name: str, tokens: tuple[Token, ...]) -> None:
    if tokens:
        spans.setdefault(name, []).append([tokens[0].start, tokens[-1].end])


def _infer(spec: dict[str, Any]) -> None:
    """What follows from the rest: a condition's subject, a resource, who is restarted when it fails."""
    condition, amount = spec["condition"], spec["amount"]
    if spec["intent"] in READS:
        spec["notify"], spec["until"] = False, None
        if condition is not None and condition["kind"] == "time":  # what is asked is told now
            spec["condition"] = condition = None
    if condition is not None:
        subject = condition.get("targets", [])
        if spec["intent"] == "watch":
            spec["targets"] = spec["targets"] or subject
            spec["resource"] = spec["resource"] or condition.get("resource")
        restart = (spec["intent"], spec["operation"]) == ("service", "restart")
        if restart and condition["kind"] == "failed" and subject in ([], spec["targets"]):
            spec["intent"] = "watch"
        if subject == spec["targets"]:
            condition.pop("targets", None)
    if amount is not None and spec["intent"] in ("limit", "prioritize") and spec["resource"] is None:
        spec["resource"] = {"cores": "cpu", "MiB": "memory", "GiB": "memory", "MiB/s": "io"}.get(
            amount["unit"]
        )
    if amount is not None and amount["unit"] == "MiB/s" and spec["resource"] == "disk":
        spec["resource"] = "io"
    if (
        spec["intent"] in ("limit", "prioritize")
        and spec["resource"] == "disk"
        and (amount is None or amount["unit"] == "MiB/s")
    ):
        spec["resource"] = "io"


def _meaning(spec: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in spec.items() if name not in ("spans", "confidence")}


def _said(spec: dict[str, Any]) -> str:
    """A spec in a few words."""
    return " ".join(filter(None, (spec["intent"], spec["operation"], spec["resource"], *spec["targets"])))


def _settled(spec: dict[str, Any], found: Found, inventory: Inventory) -> Parsed:
    """The spec, if it can be acted upon as it is: what is protected is no target."""
    if found.acts and not found.template.fields.get("reads"):
        both = [name for name in spec["targets"] if name in spec["protect"]]
        if both:
            return Parsed(
                _none(f"{both[0]} is to be changed and left alone at once: which?", protect=spec["protect"])
            )
        if spec["intent"] == "watch" and not (
            spec["targets"] or spec["resource"] or _of_the_machine(spec["condition"])
        ):
            return Parsed(_none("What should be watched?", protect=spec["protect"]), open=spec)
        if spec["intent"] == "watch" and spec["operation"] == "restart" and not spec["targets"]:
            question = _none("What should be restarted when it fails?", protect=spec["protect"])
            return Parsed(question, open=spec)
    spec["confidence"] = (
        _SKIPPED
        if _skips(found)
        else _CORRECTED
        if found.changed
        else _SURE
        if all(_known(name, inventory) for name in spec["targets"])
        else _UNKNOWN_NAME
    )
    return Parsed(spec)


def _of_the_machine(condition: Mapping[str, Any] | None) -> bool:
    """Whether a condition says by itself what it is about."""
    return condition is not None and condition["kind"] != "failed"


# What is not understood


def unreadable(question: str) -> dict[str, Any]:
    """The answer to what cannot even be read."""
    return _none(question)


def _none(question: str, protect: Iterable[str] = ()) -> dict[str, Any]:
    return {**empty("none"), "protect": list(protect), "question": question}


def _unclear(text: str, tokens: tuple[Token, ...], inventory: Inventory) -> Parsed:
    """Why nothing was understood, as a question."""
    words = lexicon()
    *_, modifiers = _Reader(inventory).without_modifiers(tokens, tokens, ("protect",))
    protect = _names_in(modifiers)
    negated = [token.text for token in tokens if token.text in words.negations]
    if protect or negated:
        kept = f"{', '.join(protect)} is left alone; " if protect else ""
        return Parsed(_none(f"{kept}nothing is done. What should be done instead?", protect))
    if two := next(_two(tokens, inventory), None):
        question = _none(f"These are two wishes, {' and '.join(two.values())}: which one first?")
        wishes = [_part(text, tokens[start:end], inventory) for start, end in two]
        return Parsed(question, () if any(each["intent"] == "none" for each in wishes) else tuple(wishes))
    return Parsed(_none("`jepa help` says what can be asked; say it in other words?"))


def _two(tokens: tuple[Token, ...], inventory: Inventory) -> Iterator[dict[tuple[int, int], str]]:
    """Two wishes in one sentence: from which token to which, and the wish in a few words."""
    joints = [at for at, token in enumerate(tokens[1:-1], 1) if token.text in _JOINTS]
    for at in joints[:_MOST_JOINTS]:
        first = _Reader(inventory).ways(tokens[:at])
        second = _Reader(inventory).ways(tokens[at + 1 :]) if first else []
        if second:
            yield {
                (0, at): _said(_spec(first[0])),
                (at + 1, len(tokens)): _said(_spec(second[0])),
            }


def _part(text: str, tokens: tuple[Token, ...], inventory: Inventory) -> dict[str, Any]:
    """The task spec of a part of ``text``, its spans as places in the whole."""
    start = tokens[0].start
    spec = parse(text[start : tokens[-1].end], inventory)
    spans = {
        name: [[start + at for at in span] for span in found]
        for name, found in (spec["spans"] or {}).items()
    }
    return {**spec, "spans": spans or None}
