# SPDX-License-Identifier: Apache-2.0
"""The typed slots of templates: names, resources, devices, goals, quantities, found among tokens."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any, Final

from jepa.language.grammar import grammar
from jepa.language.inventory import Inventory
from jepa.language.lexicon import Lexicon, lexicon
from jepa.language.quantities import amounts, clocks, durations, iso
from jepa.language.template import Slot
from jepa.language.tokens import SHAPED, Token
from jepa.language.typos import one_edit

MOST_WORDS: Final = 6
_LONGEST_NAME: Final = 4
"""Words of a name."""
_MOST_NAMES: Final = 8
_SPARES: Final = frozenset(
    ("leave", "let", "keep", "spare", "protect", "disturb", "touch", "bar", "or", "nor", "and", ",", "&")
)
"""Before a word that ends in -ing, and may be the name of something to be left alone all the same."""
_PARTS: Final = {
    ("cpu",): "cpu",
    ("processor",): "cpu",
    ("gpu",): "gpu",
    ("graphics", "card"): "gpu",
    ("video", "card"): "gpu",
    ("disk",): "disk",
    ("ssd",): "disk",
    ("battery",): "battery",
    ("motherboard",): "motherboard",
}
_DEGREES: Final = ("degrees", "degree", "°", "c", "celsius", "°c")


def slots(tokens: Sequence[Token], said: Sequence[Token], inventory: Inventory) -> Mapping[str, Slot]:
    """Every slot there is. Names are never corrected: they are looked for in what was ``said``."""
    names = _Names(said, inventory)
    words = [token.text for token in tokens]
    known = lexicon()

    def phrases(table: Mapping[tuple[str, ...], Any]) -> Slot:
        longest = max(map(len, table))
        return lambda at: _phrases(words, at, table, longest)

    def only(*values: str) -> Slot:
        return phrases({phrase: value for phrase, value in known.resources.items() if value in values})

    return {
        "target": names.lists,
        "known": names.sure,
        "protect": _Names(said, inventory, strict=True).lists,
        "beside": names.beside,
        "device": names.device,
        "goal": names.goal,
        "resource": phrases(known.resources),
        "room": only("memory"),
        "store": only("disk"),
        "part": phrases(_PARTS),
        "amount": lambda at: amounts(tokens, at),
        "duration": lambda at: ((end, iso(seconds)) for end, seconds in durations(tokens, at)),
        "after": lambda at: ((end, iso(seconds)) for end, seconds in durations(tokens, at)),
        "clock": lambda at: clocks(tokens, at),
        "words": lambda at: _words(tokens, at),
        "degrees": lambda at: _degrees(tokens, at),
    }


def _words(tokens: Sequence[Token], at: int) -> Iterator[tuple[int, None]]:
    """Some words, whatever they are; only questions may hold them."""
    for end in range(at + 1, min(at + MOST_WORDS, len(tokens)) + 1):
        if tokens[end - 1].kind == "other":
            return
        yield end, None


def _phrases(
    words: Sequence[str], at: int, table: Mapping[tuple[str, ...], Any], longest: int
) -> Iterator[tuple[int, Any]]:
    """Phrases of ``table`` from ``at`` on, the longest first."""
    for length in range(min(longest, len(words) - at), 0, -1):
        value = table.get(tuple(words[at : at + length]))
        if value is not None:
            yield at + length, value


def _degrees(tokens: Sequence[Token], at: int) -> Iterator[tuple[int, float]]:
    if at < len(tokens) and tokens[at].kind == "number" and ":" not in tokens[at].text:
        value = float(tokens[at].text.replace(",", "."))
        end = at + 1
        while end < len(tokens) and tokens[end].text in _DEGREES:
            end += 1
        yield end, value


class _Names:
    """Names of things: what stands in quotation marks, what is known, and what can be nothing else."""

    def __init__(self, tokens: Sequence[Token], inventory: Inventory, strict: bool = False) -> None:
        """``strict``: no word of the grammar is a name, though a program be called so, as make is."""
        self._strict = strict
        self._tokens = tokens
        self._inventory = inventory
        self._lexicon: Lexicon = lexicon()
        self._grammar = grammar().words

    def lists(self, at: int) -> Iterator[tuple[int, tuple[str, ...]]]:
        """One name or several, joined by a comma, "and" or "or"; the most first."""
        yield from self._more(at, (), self._single)

    def sure(self, at: int) -> Iterator[tuple[int, tuple[str, ...]]]:
        """As ``lists``, of names alone that are no word that anybody would say of anything else."""
        for end, found in self.lists(at):
            headed = any(
                token.kind == "quoted" or token.text in self._lexicon.heads for token in self._tokens[at:end]
            )
            if headed or all(" " in name or SHAPED.search(name) or self._is_known(name) for name in found):
                yield end, found

    def device(self, at: int) -> Iterator[tuple[int, tuple[str, ...]]]:
        """Devices, by the same rules."""
        yield from self._more(at, (), self._device)

    def beside(self, at: int) -> Iterator[tuple[int, tuple[str, ...]]]:
        """What a wish is compared with and not about: a name, or all the rest."""
        start = self._behind_determiners(at)
        words = tuple(token.text for token in self._tokens[at : at + 3])
        for phrase in (
            ("everything", "else"),
            ("the", "rest"),
            ("all", "else"),
            ("anything", "else"),
            ("everything",),
            ("anything",),
            ("others",),
            ("it",),
        ):
            if words[: len(phrase)] == phrase:
                yield at + len(phrase), ()
        yield from self._more(start, (), self._single)

    def goal(self, at: int) -> Iterator[tuple[int, str]]:
        """The name of a goal: a quotation, or one word."""
        at = self._behind_determiners(at)
        if at < len(self._tokens):
            token = self._tokens[at]
            if token.kind == "quoted" or (token.kind == "word" and self._may_name(token, goal=True)):
                yield at + 1, token.text[:64]

    def _more(
        self, at: int, before: tuple[str, ...], one: Callable[[int], Iterable[tuple[int, str]]]
    ) -> Iterator[tuple[int, tuple[str, ...]]]:
        for end, name in one(at):
            names = (*before, name)
            if len(names) < _MOST_NAMES:
                for start in self._behind_joints(end):
                    yield from self._more(start, names, one)
            yield end, tuple(dict.fromkeys(names))

    def _behind_joints(self, at: int) -> Iterator[int]:
        end = at
        while (
            end < len(self._tokens)
            and end < at + 3
            and self._tokens[end].text in (",", "and", "or", "nor", "&", "from")
        ):
            end += 1
        if end > at:
            yield end

    def _behind_determiners(self, at: int) -> int:
        while at < len(self._tokens) and self._tokens[at].text in self._lexicon.determiners:
            at += 1
        return at

    def _single(self, at: int) -> Iterator[tuple[int, str]]:
        """One name from ``at`` on: where it ends, and how it is called; the longest first."""
        start = self._behind_determiners(at)
        determined = start > at or (at > 0 and self._tokens[at - 1].text in self._lexicon.determiners)
        if start == at > 0 and self._strict and self._tokens[at - 1].text == "that":
            determined = False  # "provided that caddy does not suffer"
        for length in range(min(_LONGEST_NAME, len(self._tokens) - start), 0, -1):
            part = self._tokens[start : start + length]
            if (name := self._name(part, determined)) is not None:
                yield start + length, name

    def _name(self, part: Sequence[Token], determined: bool) -> str | None:
        words = tuple(token.text for token in part)
        phrase = " ".join(words)
        if words in self._lexicon.roles:
            return self._lexicon.roles[words]
        if any(token.kind not in ("word", "quoted") for token in part):
            return None
        if words in self._lexicon.classes or (
            words in self._lexicon.devices and words not in self._lexicon.resources
        ):
            return phrase
        kind = words[-1] in self._lexicon.heads or words[-1:] in self._lexicon.classes
        if kind and len(words) > 1:
            name = words[:-1]
            if not all(map(self._may_name, part[:-1])):
                return None
            return " ".join(name if words[-1] in self._lexicon.dropped_heads else words)
        if len(words) > 1 and words[0] in self._lexicon.dropped_heads and words[0] not in self._lexicon.idle:
            rest = self._name(part[1:], False)
            return rest if rest is not None and len(words) == 2 else None
        if len(part) > 1:
            return phrase if self._inventory.knows(phrase) else None
        token = part[0]
        if token.text.endswith("'s"):
            token = replace(token, text=token.text[:-2])
        if token.kind == "quoted":
            return token.text if token.text.strip() else None
        if not self._may_name(token):
            return None
        if self._is_known(token.text) or token.shaped:
            return token.text
        # Any other word is a name only where nothing says that it is a common noun.
        common = token.text.endswith("ing") and not (self._strict and self._before(token) in _SPARES)
        return None if determined or common or len(token.text) < 2 else token.text

    def _before(self, token: Token) -> str:
        """The word before ``token``."""
        return next((each.text for each in reversed(self._tokens) if each.end <= token.start), "")

    def _device(self, at: int) -> Iterator[tuple[int, str]]:
        start = self._behind_determiners(at)
        for length in range(min(_LONGEST_NAME, len(self._tokens) - start), 0, -1):
            part = self._tokens[start : start + length]
            words = tuple(token.text for token in part)
            phrase = " ".join(words)
            named = len(part) == 1 and (
                part[0].kind == "quoted"
                or (part[0].shaped and self._may_name(part[0]))
                or _is_block_device(phrase)
            )
            if words in self._lexicon.devices or named:
                yield start + length, phrase

    def _may_name(self, token: Token, goal: bool = False) -> bool:
        """Whether ``token`` can be part of a name at all."""
        if token.kind == "quoted":
            return True
        text, words = token.text, self._lexicon
        if text in words.negations or token.kind != "word":
            return False
        if self._is_known(text):
            return True
        if text in words.function or text in words.idle or (text,) in words.resources:
            return False
        if text.endswith(("/s", "/sec")) and not text.startswith("/"):
            return False
        if text in self._grammar and not goal:
            return False
        return "'" not in text and not near_negation(text)

    def _is_known(self, text: str) -> bool:
        words = self._lexicon
        if text in words.function or (self._strict and text in self._grammar):
            return False
        return text in words.known or (text,) in words.classes or self._inventory.knows(text)


@lru_cache(1024)
def near_negation(text: str) -> bool:
    """Whether an unknown word may be a negation that was misspelt: then nothing is done."""
    return any(one_edit(text, word) for word in _long_negations() if abs(len(word) - len(text)) < 2)


@cache
def _long_negations() -> tuple[str, ...]:
    return tuple(word for word in lexicon().negations if len(word) > 2)


def _is_block_device(text: str) -> bool:
    disk = text.removeprefix("/dev/")
    return (disk.startswith(("sd", "vd", "hd", "xvd")) and 3 <= len(disk) <= 6) or disk.startswith(
        ("nvme", "mmcblk")
    )
