# SPDX-License-Identifier: Apache-2.0
"""Finds what is named in a sentence: by what is a name anywhere, and by what the encoder takes for one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from jepa.language.gist import Gist, is_name, said
from jepa.language.grammar import grammar
from jepa.language.inventory import Inventory
from jepa.language.lexicon import lexicon
from jepa.language.reading import known_name, reading_of
from jepa.language.slots import near_negation
from jepa.language.tokens import Token

if TYPE_CHECKING:
    from jepa.language.encoder import Heard


_SHORTEST: Final = 4
"""Letters of a word that may be a name which nobody knows: shorter ones are mostly particles."""
_SPOKEN_OF: Final = 0.1
"""Below, a word is no part of the name of what is meant."""


@dataclass(frozen=True, slots=True)
class Name:
    """What is named, and how sure that is."""

    text: str
    start: int
    end: int
    """Tokens of the gist."""
    sure: float


class Naming:
    """The names of one gist."""

    def __init__(self, gist: Gist, heard: "Heard", inventory: Inventory, least: float) -> None:
        """``least`` is the probability from which the encoder is believed that a word is part of a name."""
        self._gist, self._inventory, self._least = gist, inventory, least
        self._tags: dict[int, Mapping[str, float]] = {}
        for word, tags in zip(gist.words, heard.tags, strict=True):
            self._tags.setdefault(word.start, tags)
        self._rare = {
            word.start
            for word, rare in zip(gist.words, heard.rare or (False,) * len(gist.words), strict=True)
            if rare and not word.name
        }
        self._names: dict[tuple[bool, bool], tuple[Name, ...]] = {}

    def names(self, device: bool, goal: bool) -> tuple[Name, ...]:
        """What is named, in its order: what is a name anywhere, and what the encoder takes for one."""
        if (device, goal) not in self._names:
            self._names[device, goal] = tuple(self._looked_for(device, goal))
        return self._names[device, goal]

    def _looked_for(self, device: bool, goal: bool) -> Iterator[Name]:
        tokens = self._gist.tokens
        here = reading_of(tokens, tokens, self._inventory)
        at = 0
        while at < len(tokens):
            resource = max((end for end, _ in here.fillings("resource", at)), default=at)
            if at in self._gist.measures or resource > at + 1:
                at = max(resource, at + 1)
                continue
            found = None if goal else self._certain(here.fillings("device" if device else "target", at), at)
            found = found or self._likely(at, "goal" if goal else "target")
            if found is None:
                at += 1
                continue
            yield from found
            at = found[-1].end

    def called(self) -> list[Name]:
        """What the last clause that could says a state of the machine is called: "name it desk"."""
        tokens, words = self._gist.tokens, lexicon()
        found = [
            at
            for at in range(1, len(tokens))
            if tokens[at].kind in ("word", "quoted")
            and tokens[at - 1].text in words.groups["called"]
            and not tokens[at].text.endswith("ing")
            and (tokens[at].kind == "quoted" or self._may_call(tokens[at]))
            and all(each.kind == "pause" or each.text in words.idle for each in tokens[at + 1 : at + 2])
        ]
        return [Name(tokens[at].text[:64], at, at + 1, 0.5) for at in found[-1:]]

    def _may_call(self, token: Token) -> bool:
        words = lexicon()
        taken = words.function | words.idle | words.negations | words.relating | words.groups["called"]
        return token.text not in taken and (token.text,) not in words.resources and self._may_name(token)

    @cached_property
    def spared(self) -> list[Name]:
        """What the encoder takes for the name of something to be left alone, known or not."""
        tokens = self._gist.tokens
        here = reading_of(tokens, tokens, self._inventory)
        found: list[Name] = []
        at = 0
        while at < len(tokens):
            names = None
            if at not in self._gist.measures and self._tags.get(at, {}).get("protect", 0.0) >= self._least:
                names = self._certain(here.fillings("target", at), at) or self._likely(at, "protect")
            found += names or ()
            at = at + 1 if names is None else names[-1].end
        spared = {place for name in found for place in range(name.start, name.end)}
        said = {name.text for name in found}
        # Who is in one list with them is spared, too.
        found += [
            name
            for name in self.names(False, False)
            if name.text not in said and not spared.isdisjoint(range(name.start, name.end))
        ]
        return found

    def beside(self, name: Name) -> bool:
        """Whether the encoder is sure that ``name`` is only spoken of: neither meant nor to be spared."""
        return self.share(name, "target") < _SPOKEN_OF and self.share(name, "protect") < _SPOKEN_OF

    def surest_of_names(self) -> float:
        """How sure the encoder is, at least, of what a word is that is a name anywhere; 1 without one."""
        tags = (self._tags[at] for at in self.certain if at in self._tags)
        return min((max(each.values()) for each in tags), default=1.0)

    def unspared(self) -> float:
        """The most that the encoder makes of a word being spared, of those that are not taken for it."""
        spared = {at for name in self.spared for at in range(name.start, name.end)}
        return max((tags["protect"] for at, tags in self._tags.items() if at not in spared), default=0.0)

    @cached_property
    def mentioned(self) -> set[int]:
        """The tokens that are, or may be, part of a name."""
        names = {at for name in self.names(True, False) for at in range(name.start, name.end)}
        names |= {at for name in self.names(False, False) for at in range(name.start, name.end)}
        names = {at for at in names if (self._gist.tokens[at].text,) not in lexicon().resources}
        return names | self.certain

    def stranger(self, at: int) -> bool:
        """Whether the token at ``at`` may be a name that nobody knows: a rare word, none of the grammar."""
        words, token = lexicon(), self._gist.tokens[at]
        return (
            at in self._rare
            and token.text not in grammar().words | words.function | words.idle | words.spelled
            and len(token.text) >= _SHORTEST
            and not self.negates(token)
        )

    @cached_property
    def certain(self) -> set[int]:
        """The tokens that are a name wherever they stand, and part of no amount."""
        tokens = enumerate(self._gist.tokens)
        return {at for at, token in tokens if self.known(token) and at not in self._gist.measures}

    def _certain(self, fillings: tuple[tuple[int, Any], ...], at: int) -> list[Name] | None:
        tokens = self._gist.tokens
        if tokens[at].text in lexicon().determiners:
            return None
        for end, names in fillings:
            if all(self._is_certain(name) for name in names):
                return [Name(name.lower(), at, end, 1.0) for name in names]
        return None

    def _is_certain(self, name: str) -> bool:
        """Whether ``name`` is one wherever it stands."""
        words = tuple(name.split())
        if len(words) > 1 or words in lexicon().classes or words in lexicon().devices:
            return known_name(name, self._inventory)
        if name in lexicon().roles.values():
            return True
        return any(is_name(token, self._inventory) for token in self._gist.tokens if token.text == name)

    def _likely(self, at: int, tag: str) -> list[Name] | None:
        """Words in a row that the encoder takes for a name."""
        tokens = self._gist.tokens
        end = at
        while (
            end < len(tokens)
            and tokens[end].kind in ("word", "quoted")
            and self._may_name(tokens[end])
            and self._tags.get(end, {}).get(tag, 0.0) >= self._least
        ):
            end += 1
        words = [place for place in range(at, end) if tokens[place].text not in lexicon().determiners]
        if len(words) > 1 and tokens[words[-1]].text in lexicon().dropped_heads:
            words = words[:-1]
        if not words or (tag == "target" and len(words) > 4):
            return None
        sure = min(self._tags[place][tag] for place in words)
        return [Name(said(tokens, words[0], words[-1] + 1).removesuffix("'s")[:64], at, end, sure)]

    def share(self, name: Name, tag: str) -> float:
        """The most that the encoder makes of a word of ``name`` being ``tag``."""
        shares = (self._tags[at][tag] for at in range(name.start, name.end) if at in self._tags)
        return max(shares, default=0.0)

    def _may_name(self, token: Token) -> bool:
        words = lexicon()
        return token.text in words.determiners or not (self.negates(token) or token.text in words.function)

    def known(self, token: Token) -> bool:
        """Whether ``token`` is a name wherever it stands, or what such a one has: "caddy's"."""
        own = token.text.removesuffix("'s")
        return is_name(token, self._inventory) or (
            own != token.text and is_name(replace(token, text=own), self._inventory)
        )

    def negates(self, token: Token) -> bool:
        """Whether ``token`` is a negation, or an unknown word that is one letter from one."""
        words = lexicon()
        if token.kind != "word" or token.text in words.negations:
            return token.kind == "word"
        right = (grammar().words, words.function, words.idle, words.spelled, words.known)
        if any(token.text in of for of in right) or self.known(token):
            return False
        return near_negation(token.text)
