# SPDX-License-Identifier: Apache-2.0
"""Sentence templates in hassil's notation, matched against tokens.

``(a|b)`` is one of several, ``[a]`` may be left out, ``<name>`` stands for a rule of that name and
``{name}`` for a typed slot. Words that carry no meaning may stand between any two parts; nothing else may:
what a template does not name, it does not match.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Protocol

_PART: Final = re.compile(
    r"\s*(?P<mark>[()\[\]|])|\s*<(?P<rule>\w+)>|\s*\{(?P<slot>\w+)\}|\s*(?P<word>[^\s()\[\]|<>{}]+)"
)

Slot = Callable[[int], Iterable[tuple[int, Any]]]
"""From where it may begin to each place where it may end, and its value there."""


@dataclass(frozen=True, slots=True)
class Capture:
    """What one slot was filled with."""

    name: str
    value: Any
    start: int
    end: int
    """The tokens from ``start`` on, without ``end``."""


@dataclass(frozen=True, slots=True)
class Match:
    """One way in which a template fits."""

    end: int
    captures: tuple[Capture, ...] = ()
    words: int = 0
    """How many tokens were matched by words of the template itself."""


@dataclass(frozen=True, slots=True)
class First:
    """What a part of a template may begin with: its FIRST set, as in the theory of LL(1) parsers."""

    words: frozenset[str] = frozenset()
    slots: frozenset[str] = frozenset()
    empty: bool = False
    """Whether the part may match nothing at all, so that what follows it may come first, too."""


class TokenView:
    """The tokens as a template sees them: their words, which may be skipped, and what slots find there."""

    def __init__(self, words: list[str], idle: list[bool], slots: Mapping[str, Slot]) -> None:
        self.words = words
        self.idle = idle
        """Which tokens carry no meaning."""
        self._slots = slots
        self._found: dict[tuple[str, int], tuple[tuple[int, Any], ...]] = {}
        self._anywhere: dict[str, bool] = {}
        self._has: dict[frozenset[str], bool] = {}
        self._present = frozenset(words)
        self._starts: list[tuple[int, ...]] = [(len(words),)]
        for at in reversed(range(len(words))):
            self._starts.append((at, *self._starts[-1]) if idle[at] else (at,))
        self._starts.reverse()
        self._next = [
            frozenset(words[each] for each in starts if each < len(words)) for starts in self._starts
        ]

    def has(self, group: frozenset[str]) -> bool:
        """Whether one of ``group`` is here: a word, or as ``{name}`` what a slot may be filled with."""
        found = self._has.get(group)
        if found is None:
            found = self._has[group] = not group.isdisjoint(self._present) or any(
                self._somewhere(each[1:-1]) for each in group if each[0] == "{"
            )
        return found

    def _somewhere(self, slot: str) -> bool:
        found = self._anywhere.get(slot)
        if found is None:
            found = self._anywhere[slot] = any(self.fillings(slot, at) for at in range(len(self.words)))
        return found

    def fillings(self, slot: str, at: int) -> tuple[tuple[int, Any], ...]:
        """What ``slot`` may be filled with from ``at`` on."""
        found = self._found.get((slot, at))
        if found is None:
            found = self._found[slot, at] = tuple(self._slots[slot](at)) if at < len(self.words) else ()
        return found

    def starts(self, at: int) -> tuple[int, ...]:
        """Where the next part may begin: here, and behind each token that carries no meaning."""
        return self._starts[at]

    def may_begin(self, first: First, at: int) -> bool:
        """Whether a part that begins with ``first`` can match from ``at`` on."""
        if first.empty or not first.words.isdisjoint(self._next[at]):
            return True
        for slot in first.slots:
            for start in self._starts[at]:
                if self.fillings(slot, start):
                    return True
        return False


class Node(Protocol):
    """A part of a template."""

    def match(self, reading: TokenView, so_far: Match) -> Iterator[Match]:
        """Each way to go on from ``so_far``."""

    def groups(self) -> tuple[frozenset[str], ...]:
        """Sets of words of each of which one must be there, for a template to fit at all."""

    @property
    def first(self) -> First:
        """What it may begin with."""


@dataclass(frozen=True)
class Word:
    """A word, as it is."""

    text: str

    def match(self, reading: TokenView, so_far: Match) -> Iterator[Match]:
        """Once, where it comes next."""
        for at in reading.starts(so_far.end):
            if at < len(reading.words) and reading.words[at] == self.text:
                yield Match(at + 1, so_far.captures, so_far.words + 1)
                return

    def groups(self) -> tuple[frozenset[str], ...]:
        """Itself."""
        return (frozenset((self.text,)),)

    @cached_property
    def first(self) -> First:
        """Itself."""
        return First(words=frozenset((self.text,)))


@dataclass(frozen=True)
class Filled:
    """A slot."""

    name: str

    def match(self, reading: TokenView, so_far: Match) -> Iterator[Match]:
        """Every value that may stand next."""
        for at in reading.starts(so_far.end):
            for end, value in reading.fillings(self.name, at):
                yield Match(end, (*so_far.captures, Capture(self.name, value, at, end)), so_far.words)

    def groups(self) -> tuple[frozenset[str], ...]:
        """Something that can fill it."""
        return (frozenset((f"{{{self.name}}}",)),)

    @cached_property
    def first(self) -> First:
        """Whatever fills it."""
        return First(slots=frozenset((self.name,)))


@dataclass(frozen=True)
class Sequence:
    """One part behind the other."""

    parts: tuple[Node, ...]

    def match(self, reading: TokenView, so_far: Match) -> Iterator[Match]:
        """By each part in turn."""
        return self._from(0, reading, so_far)

    def _from(self, part: int, reading: TokenView, so_far: Match) -> Iterator[Match]:
        if part == len(self.parts):
            yield so_far
            return
        for match in self.parts[part].match(reading, so_far):
            yield from self._from(part + 1, reading, match)

    def groups(self) -> tuple[frozenset[str], ...]:
        """Those of all parts."""
        return tuple(group for part in self.parts for group in part.groups())

    @cached_property
    def first(self) -> First:
        """That of the first part that has to be there, and of those before it."""
        words, slots = frozenset[str](), frozenset[str]()
        for part in self.parts:
            words, slots = words | part.first.words, slots | part.first.slots
            if not part.first.empty:
                return First(words, slots)
        return First(words, slots, empty=True)


@dataclass(frozen=True)
class Choice:
    """One of several; the empty one makes it optional."""

    of: tuple[Node, ...]

    def match(self, reading: TokenView, so_far: Match) -> Iterator[Match]:
        """By each in turn."""
        for each in self.of:
            if reading.may_begin(each.first, so_far.end):
                yield from each.match(reading, so_far)

    def groups(self) -> tuple[frozenset[str], ...]:
        """One group that holds a word of each, where each needs one."""
        needed = [each.groups() for each in self.of]
        if not all(needed):
            return ()
        return (frozenset().union(*(groups[0] for groups in needed)),)

    @cached_property
    def first(self) -> First:
        """Those of all."""
        firsts = [each.first for each in self.of]
        words, slots = (frozenset[str]().union(*sets) for sets in
                        ([each.words for each in firsts], [each.slots for each in firsts]))  # fmt: skip
        return First(words, slots, any(each.empty for each in firsts))


@dataclass(frozen=True)
class Template:
    """One template, ready to be matched."""

    text: str
    node: Node
    fields: Mapping[str, Any] = field(default_factory=dict)
    """What a sentence of this kind says beside its slots."""

    @cached_property
    def needs(self) -> tuple[frozenset[str], ...]:
        """Sets of words of each of which a sentence must have one."""
        return self.node.groups()

    def may_fit(self, reading: TokenView) -> bool:
        """Whether the words that it needs are there at all."""
        return all(map(reading.has, self.needs))

    def whole(self, reading: TokenView) -> Iterator[Match]:
        """Each way in which it fits all of ``reading``."""
        if self.may_fit(reading):
            last = len(reading.words)
            for match in self.node.match(reading, Match(0)):
                if all(reading.idle[match.end : last]):
                    yield match

    def at(self, reading: TokenView, start: int) -> Iterator[Match]:
        """Each way in which it fits from ``start`` on, to wherever it ends."""
        return (
            self.node.match(reading, Match(start)) if reading.may_begin(self.node.first, start) else iter(())
        )


class Templates:
    """Many templates, of which few share a word with a sentence."""

    def __init__(self, templates: Iterable[Template]) -> None:
        self.every = tuple(templates)
        self._by_word: dict[str, list[Template]] = {}
        self._others: list[Template] = []
        for template in self.every:
            groups = [group for group in template.needs if not any(word[0] == "{" for word in group)]
            for word in min(groups, key=len, default=()):
                self._by_word.setdefault(word, []).append(template)
            if not groups:
                self._others.append(template)

    def fitting(self, reading: TokenView) -> list[Template]:
        """Those that may fit ``reading``, in no order that means anything."""
        shared = {id(each): each for word in reading.words for each in self._by_word.get(word, ())}
        return [each for each in (*shared.values(), *self._others) if each.may_fit(reading)]


def compile_template(text: str, rules: Mapping[str, Node], fields: Mapping[str, Any]) -> Template:
    """The template ``text``; ValueError where it is not well formed or names no rule."""
    return Template(text, parse_node(text, rules), fields)


def parse_node(text: str, rules: Mapping[str, Node]) -> Node:
    """The parts of ``text``."""
    parts: list[re.Match[str]] = []
    at = 0
    while text[at:].strip():
        part = _PART.match(text, at)
        if part is None:
            raise ValueError(f"{text!r}: {text[at:]!r} is not understood")
        parts.append(part)
        at = part.end()
    node, rest = _choice(text, parts, rules)
    if rest:
        raise ValueError(f"{text!r}: {rest[0][0].strip()!r} closes nothing")
    return node


def _choice(
    text: str, parts: list[re.Match[str]], rules: Mapping[str, Node]
) -> tuple[Node, list[re.Match[str]]]:
    choices: list[Node] = []
    sequence: list[Node] = []
    while parts and parts[0]["mark"] not in (")", "]"):
        part, parts = parts[0], parts[1:]
        if part["mark"] == "|":
            choices.append(_joined(sequence))
            sequence = []
        elif part["mark"]:
            inner, parts = _choice(text, parts, rules)
            closing = ")" if part["mark"] == "(" else "]"
            if not parts or parts[0]["mark"] != closing:
                raise ValueError(f"{text!r}: {part['mark']!r} is not closed")
            parts = parts[1:]
            sequence.append(inner if closing == ")" else Choice((inner, Sequence(()))))
        elif part["rule"]:
            if part["rule"] not in rules:
                raise ValueError(f"{text!r}: there is no rule <{part['rule']}>")
            sequence.append(rules[part["rule"]])
        else:
            sequence.append(Filled(part["slot"]) if part["slot"] else Word(part["word"]))
    choices.append(_joined(sequence))
    return (choices[0] if len(choices) == 1 else Choice(tuple(choices))), parts


def _joined(parts: list[Node]) -> Node:
    return parts[0] if len(parts) == 1 else Sequence(tuple(parts))


def words_of(node: Node) -> Iterator[str]:
    """Every word that ``node`` may match."""
    match node:
        case Word(text):
            yield text
        case Sequence(parts) | Choice(parts):
            for part in parts:
                yield from words_of(part)
