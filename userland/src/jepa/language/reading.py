# SPDX-License-Identifier: Apache-2.0
"""Finds the ways to read a sentence: what any wish may carry is taken out, the rest must be one template."""

import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

from jepa.language.grammar import MODIFIERS, grammar
from jepa.language.inventory import Inventory
from jepa.language.lexicon import lexicon
from jepa.language.slots import near_negation, slots
from jepa.language.template import Capture, Match, Sequence, Template, TokenView
from jepa.language.tokens import Token
from jepa.language.typos import MOST, Spelling

CONDITIONS: Final = ("condition", "notify", "vague")
"""Modifiers that tell when."""
_JOINS: Final = ("because", "since", "as", "so", "and")
_LISTS: Final = ("and", "or", "nor", "&")
_OF_A_NAME: Final = ("the", "my", "our", "this")


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


_Fits = tuple[int, int, str, Template, Match]
"""Where a modifier ends, how many words its template has said, its kind, and how it fits."""


class _Seen:
    """Tokens as templates see them, and the modifiers among them, each looked for once."""

    def __init__(self, tokens: tuple[Token, ...], said: tuple[Token, ...], inventory: Inventory) -> None:
        self.inventory = inventory
        self.reading = reading_of(tokens, said, inventory)
        self._tokens = tokens
        self._fitting: dict[str, list[Template]] = {}
        self._longest: dict[tuple[str, int], _Fits | None] = {}

    def longest(self, kind: str, at: int) -> _Fits | None:
        """The longest modifier of ``kind`` that begins at ``at``."""
        if (kind, at) not in self._longest:
            self._longest[kind, at] = self._look(kind, at)
        return self._longest[kind, at]

    def _look(self, kind: str, at: int) -> _Fits | None:
        if kind not in self._fitting:
            self._fitting[kind] = grammar().modifiers[kind].fitting(self.reading)
        longest: _Fits | None = None
        for template in self._fitting[kind]:
            for match in template.at(self.reading, at):
                if kind == "remark" and not _is_clause(self._tokens, at, match.end):
                    continue
                if kind == "protect" and _is_none(self._tokens, at, match):
                    continue
                if match.end > at and (longest is None or (match.end, match.words) > longest[:2]):
                    longest = (match.end, match.words, kind, template, match)
        return longest


_MOST_SEEN: Final = 32
_last: "OrderedDict[tuple[int, tuple[Token, ...], tuple[Token, ...]], _Seen]" = OrderedDict()
"""What was last read: the parts of one sentence are read by several who do not know of each other."""
_lock: Final = threading.Lock()


def _seen(tokens: tuple[Token, ...], said: tuple[Token, ...], inventory: Inventory) -> _Seen:
    key = (id(inventory), tokens, said)
    with _lock:
        found = _last.get(key)
        if found is not None and found.inventory is inventory:
            _last.move_to_end(key)
            return found
    made = _Seen(tokens, said, inventory)
    with _lock:
        _last[key] = made
        while len(_last) > _MOST_SEEN:
            _last.popitem(last=False)
    return made


class Reader:
    """Finds the ways to read one sentence."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory

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
            ("protect", "until", "vague", "remark", "courtesy"),
            ("protect",),
            (),
        ):
            rest, rest_said, modifiers = self.without_modifiers(tokens, said, kinds)
            rest, rest_said = self.without_openers(rest, rest_said)
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

    def _reading(self, tokens: tuple[Token, ...], said: tuple[Token, ...]) -> TokenView:
        """``tokens`` as templates see them."""
        return _seen(tokens, said, self._inventory).reading

    def without_modifiers(
        self, tokens: tuple[Token, ...], said: tuple[Token, ...], kinds: Iterable[str]
    ) -> tuple[tuple[Token, ...], tuple[Token, ...], tuple[Modifier, ...]]:
        """The tokens less those of modifiers, the longest first; also as they were said."""
        seen, kinds = _seen(tokens, said, self._inventory), tuple(kinds)
        kept: list[int] = []
        modifiers: list[Modifier] = []
        at = 0
        while at < len(tokens):
            longest: _Fits | None = None
            for kind in kinds:
                found = seen.longest(kind, at)
                if found is not None and (longest is None or found[:2] > longest[:2]):
                    longest = found
            if longest is None or (seen.reading.idle[at] and _fits_later(longest, seen.reading, at)):
                kept.append(at)
                at += 1
                continue
            end, _, kind, template, match = longest
            modifiers.append(Modifier(kind, template.fields, match.captures, said[at:end]))
            at = end
        return tuple(tokens[i] for i in kept), tuple(said[i] for i in kept), tuple(modifiers)

    def without_openers(
        self, tokens: tuple[Token, ...], said: tuple[Token, ...]
    ) -> tuple[tuple[Token, ...], tuple[Token, ...]]:
        """The tokens less what may stand before a wish and says nothing of it."""
        while tokens and tokens[0].text not in _OF_A_NAME:  # "my computer is slow" calls nobody
            reading = self._reading(tokens, said)
            ends = [
                match.end for opener in grammar().openers.fitting(reading) for match in opener.at(reading, 0)
            ]
            if not ends or max(ends) == len(tokens):
                break
            tokens, said = tokens[max(ends) :], said[max(ends) :]
        return tokens, said


def reading_of(tokens: tuple[Token, ...], said: tuple[Token, ...], inventory: Inventory) -> TokenView:
    """``tokens`` as templates see them; names are looked for in what was ``said``."""
    idle = lexicon().idle
    return TokenView(
        [token.text for token in tokens],
        [token.kind == "pause" or (token.kind == "word" and token.text in idle) for token in tokens],
        slots(tokens, said, inventory),
    )


def protected_alone(tokens: tuple[Token, ...], inventory: Inventory) -> tuple[str, ...]:
    """The names that ``tokens`` say must not be touched, where they say nothing else."""
    reader = Reader(inventory)
    rest, rest_said, modifiers = reader.without_modifiers(tokens, tokens, ("protect",))
    if not all(reading_of(rest, rest_said, inventory).idle):
        return ()
    return names_in(modifiers)


def names_in(modifiers: Iterable[Modifier]) -> tuple[str, ...]:
    """The names that ``modifiers`` hold, in lower case."""
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


def _fits_later(longest: tuple[int, int, str, Template, Match], reading: TokenView, at: int) -> bool:
    """Whether the modifier begins with a word that carries no meaning: then it begins behind that."""
    return any(
        match.end == longest[0] and match.words == longest[1] for match in longest[3].at(reading, at + 1)
    )


def _is_none(tokens: tuple[Token, ...], at: int, match: Match) -> bool:
    """Whether what seems to spare something spares less, or nothing.

    "Restart caddy, redis remains untouched" is no list, as "caddy and redis remain untouched" is; "let
    caddy be served first" leaves nothing alone, nor does "not at all, but caddy may".
    """
    if at > 0 and (tokens[at - 1].text, tokens[at].text) == ("at", "all"):
        return True
    first = match.captures[0] if match.captures else None
    if first is not None and first.start == at and len(first.value) > 1:
        joints = [token for token in tokens[first.start : first.end] if _joins(token)]
        if joints and joints[-1].kind == "pause" and first.end < match.end:
            return True
    texts = [token.text for token in tokens[at : match.end + 1]]
    follows = tokens[match.end].text if match.end < len(tokens) else ""
    return "let" in texts[:2] and tokens[match.end - 1].text == "be" and follows.endswith(("ing", "ed", "n"))


def _joins(token: Token) -> bool:
    return token.kind == "pause" or token.text in _LISTS


def _is_clause(tokens: tuple[Token, ...], start: int, end: int) -> bool:
    """Whether those from ``start`` to ``end`` are a clause of their own, with a pause or a joint beside."""
    begins = (
        start == 0
        or tokens[start - 1].kind == "pause"
        or tokens[start].text in _JOINS
        or tokens[start - 1].text in _JOINS
    )
    return begins and (end == len(tokens) or tokens[end].kind == "pause" or tokens[end].text in _JOINS)


def spelled_right(tokens: tuple[Token, ...], inventory: Inventory) -> tuple[Token, ...]:
    """The tokens with unknown words as the grammar spells them; never to or from a negation or a name."""
    changed = 0
    tokens_now: list[Token] = []
    for token in tokens:
        text = token.text
        better = None
        if changed < MOST and token.kind == "word" and not token.shaped and not _right(text, inventory):
            better = _spelling().corrected(text)
        changed += better is not None
        tokens_now.append(token if better is None else replace(token, text=better))
    return tuple(tokens_now)


def _right(text: str, inventory: Inventory) -> bool:
    """Whether a word is left as it is: it is known, or might be a negation."""
    words = lexicon()
    return (
        text in _vocabulary()
        or text in words.negations
        or text in words.function
        or text in words.spelled
        or known_name(text, inventory)
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


def known_name(name: str, inventory: Inventory) -> bool:
    """Whether ``name`` is that of a thing here, or common enough to be known anywhere."""
    words = lexicon()
    phrase = tuple(name.split())
    return (
        name in words.known
        or phrase in words.classes
        or phrase in words.devices
        or inventory.knows(name)
        or name in words.roles.values()
    )
