# SPDX-License-Identifier: Apache-2.0
"""Says an example as another speaker would: in another kind of English, by other verbs, in other spelling.

The corpus was written by few hands, and whoever comes next speaks otherwise than all of them. Word lists are
no language, but they keep the encoder from hanging on single words of one.
"""

import random
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from jepa.language.gist import ANY_PROGRAM
from jepa_lab.language.examples import Example
from jepa_lab.language.names import invented
from jepa_lab.language.shape import TAGS

LONGEST: Final = 32
"""Words of what comes out; anything longer stays as it was."""
VERBS: Final = "verbs"
"""What is no dialect of its own: words that mean the same in any."""
SOURCE: Final = Path(__file__).with_name("dialects.toml").read_text(encoding="utf-8")
_DATA: Final = tomllib.loads(SOURCE)
_KEPT: Final = frozenset(_DATA.pop("kept").split())
"""Words on which hangs whether anything is asked for: they are never dropped."""
_AROUND: Final[Mapping[str, Any]] = _DATA.pop("around")
_BESIDE: Final = {line[0]: line[2:] for line in _DATA.pop("keys").strip().splitlines()}
"""For each letter those beside it."""
_OF_THE_NAME: Final = ("the", "my", "our", "this")
_BEFORE_TOPIC: Final = (
    (),
    (),
    (),
    ("as", "for"),
    ("about",),
    ("that",),
    ("this",),
    ("re",),
    ("it's", "about"),
    ("see",),
)
_BEHIND_TOPIC: Final = ((",",), (",",), ("-",), (":",), (".",), ())
_LEFT_BEHIND: Final = (
    ("it",),
    ("it",),
    ("that", "one"),
    ("that",),
    ("this", "one"),
    ("him",),
    ("her",),
    ("them",),
    (),
)
"""Words around, and in place of, what is put before a sentence as its topic."""
Tags = list[int] | None


@dataclass(frozen=True, slots=True)
class Dialect:
    """One way to speak."""

    words: Mapping[tuple[str, ...], tuple[tuple[str, ...], ...]]
    """Phrases, and what each may become."""
    share: float
    """Of the phrases, so many are changed at most."""
    drops: frozenset[str]
    begins: tuple[tuple[str, ...], ...]
    ends: tuple[tuple[str, ...], ...]

    def spoken(self, example: Example, chance: random.Random) -> Example:
        """``example`` in this dialect, more or less of it; names stay."""
        words, tags = self._worded(example, chance)
        if self.begins and chance.random() < _AROUND["share"]:
            _insert(words, tags, 0, chance.choice(self.begins))
        if self.ends and chance.random() < _AROUND["share"]:
            _insert(words, tags, len(words), chance.choice(self.ends))
        return _with(example, words, tags)

    def _worded(self, example: Example, chance: random.Random) -> tuple[list[str], Tags]:
        share = self.share * chance.choice((0.4, 0.7, 1.0))
        drops = self.drops if chance.random() < self.share else frozenset[str]()
        longest = max(map(len, self.words))
        words: list[str] = []
        tags: list[int] = []
        at = 0
        while at < len(example.words):
            own = 0 if example.tags is None else example.tags[at]
            end = next((e for e in range(at + longest, at, -1) if self._changes(example, at, e)), None)
            if end is not None and chance.random() < share:
                new = chance.choice(self.words[example.words[at:end]])
                words += new
                tags += [0] * len(new)
                at = end
                continue
            if own or example.words[at] not in drops or chance.random() >= share:
                words.append(example.words[at])
                tags.append(own)
            at += 1
        return words, None if example.tags is None else tags

    def _changes(self, example: Example, start: int, end: int) -> bool:
        """Whether the words from ``start`` to ``end`` are a phrase of this, and no name."""
        named = example.tags is not None and any(example.tags[start:end])
        return end <= len(example.words) and not named and example.words[start:end] in self.words


def _dialect(data: Mapping[str, Any]) -> Dialect:
    words = {}
    for line in data["words"].strip().splitlines():
        phrase, _, others = line.partition(">")
        words[tuple(phrase.split())] = tuple(tuple(each.split()) for each in others.split("|"))
    begins, ends = (tuple(tuple(each.split()) for each in data[name]) for name in ("begins", "ends"))
    return Dialect(words, data["share"], frozenset(data["drops"]), begins, ends)


DIALECTS: Final = {name: _dialect(data) for name, data in _DATA.items()}


def said_otherwise(example: Example, chance: random.Random) -> Example:
    """``example`` as somebody else may say and write it."""
    spoken = sorted(set(DIALECTS) - {VERBS})
    if chance.random() < 0.35:
        example = DIALECTS[VERBS].spoken(example, chance)
    if chance.random() < 0.5:
        example = DIALECTS[chance.choice(spoken)].spoken(example, chance)
    for share, change in _CHANGES:
        if chance.random() < share:
            example = change(example, chance)
    return example


def _framed(example: Example, chance: random.Random) -> Example:
    """With words before or behind it that ask for nothing."""
    words, tags = _parts(example)
    reason = chance.choice(_AROUND["reasons"]).split()
    match chance.choice(("before", "before", "behind", "behind", "since", "so", "within")):
        case "before":
            _insert(words, tags, 0, chance.choice(_AROUND["before"]).split())
        case "behind":
            _insert(words, tags, len(words), chance.choice(_AROUND["behind"]).split())
        case "since":
            _insert(words, tags, len(words), [*chance.choice(_AROUND["joints"]).split(), *reason])
        case "so":
            _insert(words, tags, 0, [*reason, *chance.choice(_AROUND["links"]).split()])
        case _:
            at = chance.randrange(len(words) + 1)
            _insert(words, tags, at, [chance.choice(_AROUND["within"].split())])
    return _with(example, words, tags)


def _dropped(example: Example, chance: random.Random) -> Example:
    """Without some of its words."""
    named = example.tags or (0,) * len(example.words)
    kept = [
        at
        for at, word in enumerate(example.words)
        if named[at] or word in _KEPT or word == ANY_PROGRAM or chance.random() > 0.12
    ]
    words = [example.words[at] for at in kept]
    return _with(example, words, None if example.tags is None else [example.tags[at] for at in kept])


def _fronted(example: Example, chance: random.Random) -> Example:
    """With its only target before everything else, as a topic: "sdb1, I want to pull it out"."""
    words, tags = _parts(example)
    target = TAGS.index("target")
    places = [] if tags is None else [at for at, tag in enumerate(tags) if tag == target]
    if tags is None or not places or places[0] == 0 or places[-1] - places[0] != len(places) - 1:
        return example
    start, end = places[0], places[-1] + 1
    if words[start - 1] in _OF_THE_NAME:
        start -= 1
    topic, own = words[start:end], tags[start:end]
    left = chance.choice(_LEFT_BEHIND)
    joint = chance.choice(_BEHIND_TOPIC)
    before = chance.choice(_BEFORE_TOPIC)
    rest, others = [*words[:start], *left, *words[end:]], [*tags[:start], *[0] * len(left), *tags[end:]]
    return _with(
        example,
        [*before, *topic, *joint, *rest],
        [*[0] * len(before), *own, *[0] * len(joint), *others],
    )


def _misspelt(example: Example, chance: random.Random) -> Example:
    """With one word spelt wrongly: a letter dropped, exchanged, doubled or one beside it, or no vowels."""
    words, tags = _parts(example)
    long = [at for at, word in enumerate(words) if len(word) > 3 and word.isalpha() and word != ANY_PROGRAM]
    if not long:
        return example
    at = chance.choice(long)
    word, place = words[at], chance.randrange(1, len(words[at]) - 1)
    near = chance.choice(_BESIDE.get(word[place], word[place]))
    words[at] = chance.choice(
        (
            word[:place] + word[place + 1 :],
            word[:place] + word[place + 1] + word[place] + word[place + 2 :],
            word[:place] + word[place] + word[place:],
            word[:place] + near + word[place + 1 :],
            word[0] + "".join(letter for letter in word[1:] if letter not in "aeiou"),
        )
    )
    return _with(example, words, tags)


def _named(example: Example, chance: random.Random) -> Example:
    """With names that no list knows in place of some that it does."""
    words, tags = _parts(example)
    words = [invented(chance) if w == ANY_PROGRAM and chance.random() < 0.5 else w for w in words]
    return _with(example, words, tags)


_CHANGES: Final[tuple[tuple[float, Callable[[Example, random.Random], Example]], ...]] = (
    (0.06, _fronted),
    (0.22, _framed),
    (0.1, _misspelt),
    (0.08, _dropped),
    (0.25, _named),
)
"""How often each is done."""


def _parts(example: Example) -> tuple[list[str], Tags]:
    return list(example.words), None if example.tags is None else list(example.tags)


def _insert(words: list[str], tags: Tags, at: int, more: Sequence[str]) -> None:
    words[at:at] = more
    if tags is not None:
        tags[at:at] = [0] * len(more)


def _with(example: Example, words: Sequence[str], tags: Tags) -> Example:
    """``example`` in other ``words``, unless these are none or too many."""
    if not 0 < len(words) <= LONGEST:
        return example
    return replace(example, words=tuple(words), tags=None if tags is None else tuple(tags))
