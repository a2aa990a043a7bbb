# SPDX-License-Identifier: Apache-2.0
"""What the heads are taught: sentences of the corpus, filled anew, and such as follow from them.

Beside the corpus: sentences drawn from the grammar, with the meaning that the grammar gives them; two wishes
joined to one; verbs of ours with objects that are none of a machine, and the other way round.
"""

import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from jepa.language.gist import ANY_PROGRAM, ASIDE, Gist, gist_of
from jepa.language.grammar import grammar
from jepa.language.inventory import Nothing
from jepa.language.lexicon import lexicon
from jepa.language.parser import parse
from jepa.language.specs import READS
from jepa.language.template import Choice, Filled, Node, Word
from jepa.language.template import Sequence as Parts
from jepa.language.tokens import Unreadable, tokenise
from jepa_lab.language.corpus import Sentence
from jepa_lab.language.foreign import OBJECTS, PHRASES, VERBS
from jepa_lab.language.frames import BESIDE, HARMLESS, SPARED, WITHHELD
from jepa_lab.language.names import invented
from jepa_lab.language.shape import NEGATED, TAGS, TWO
from jepa_lab.language.told import draw

_SURE: Final = 0.8
_BESIDE: Final = 0.15
"""Of what is framed, so much is about somebody else than who is named."""


@dataclass(frozen=True, slots=True)
class Sorts:
    """How many of each sort an epoch has, beside the corpus."""

    drawn: int = 300
    """From the grammar."""
    foreign: int = 300
    joined: int = 120
    framed: int = 900
    told: int = 1800


SORTS: Final = Sorts()


@dataclass(frozen=True, slots=True)
class Example:
    """One gist and what it is."""

    words: tuple[str, ...]
    labels: frozenset[str]
    """Intents, with their operation, of which each is right; NEGATED, TWO or none."""
    resources: frozenset[str]
    """Those of which each is right, ``none`` for no resource; empty where nothing is known of it."""
    tags: tuple[int, ...] | None
    """For each word its place in TAGS; None where it is not known."""
    weight: float = 1.0

    @property
    def asks(self) -> bool | None:
        """Whether something is asked for now; None where that is not known, or it is nothing of ours."""
        if NEGATED in self.labels:
            return False if len(self.labels) == 1 else None
        return None if not self.labels.isdisjoint((TWO, "none")) else True


def label(meaning: Mapping[str, Any]) -> str:
    """Intent and operation of a task spec in one word."""
    operation = meaning["operation"]
    return f"{meaning['intent']}/{operation}" if operation else str(meaning["intent"])


def of_sentence(
    sentence: Sentence,
    text: str | None = None,
    names: Mapping[str, str] | None = None,
    whole: bool = False,
) -> Example | None:
    """``sentence`` as an example; None where it is no sentence.

    ``names`` are what its names became in ``text``. A ``whole`` one keeps what templates take out, so that
    what is to be left alone can be learned where they know its words, and found where they do not.
    """
    try:
        tokens = tokenise(text or sentence.text)
    except Unreadable:
        return None
    names = names or {}
    gist = gist_of(tokens, Nothing(), () if whole else ASIDE)
    if not gist.words:
        return None
    wishes = [each for each in sentence.meanings if each["intent"] != "none"]
    labels = {label(each) for each in wishes}
    if len(wishes) < len(sentence.meanings):
        labels.add({"negated": NEGATED, "two": TWO}.get(sentence.kind, "none"))
    resources = frozenset(each["resource"] or "none" for each in wishes)
    return Example(
        tuple(word.text for word in gist.words),
        frozenset(labels),
        resources,
        _tags(gist, wishes[0], names) if wishes else (0,) * len(gist.words),
    )


def _tags(gist: Gist, meaning: Mapping[str, Any], names: Mapping[str, str]) -> tuple[int, ...] | None:
    tags = [0] * len(gist.words)
    goal = (meaning["goal"],) if meaning["goal"] else ()
    said = [token.text for token in gist.tokens]
    for tag, of in (("target", meaning["targets"]), ("protect", meaning["protect"]), ("goal", goal)):
        for each in of:
            phrase = names.get(each, each).lower().split()
            at = next((i for i in range(len(said)) if said[i : i + len(phrase)] == phrase), None)
            if at is None:
                if tag == "protect" or any(phrase == [t.text for t in m.tokens] for m in gist.modifiers):
                    continue  # it was taken out with what protects it
                return None
            for place, word in enumerate(gist.words):
                if at <= word.start < at + len(phrase):
                    tags[place] = TAGS.index(tag)
    return tuple(tags)


class Examples:
    """Draws the examples of one epoch after another."""

    def __init__(self, sentences: Sequence[Sentence], seed: int) -> None:
        self._chance = random.Random(seed)
        self._by_template: dict[tuple[str, str], list[Sentence]] = {}
        for each in sentences:
            self._by_template.setdefault((each.template, each.person), []).append(each)
        self._wishes = [
            of[0]
            for of in self._by_template.values()
            if of[0].kind in ("plain", "terse") and _is_wish(of[0])
        ]
        self._acts = [each for each in self._wishes if each.meanings[0]["intent"] not in READS]

    def epoch(self, sorts: Sorts) -> list[Example]:
        """Each template of the corpus once, and so many sentences of each other sort.

        What negates stands there twice, and what spares something also with all its words.
        """
        found = [self._filled(of) for of in self._by_template.values()]
        found += [self._filled(of) for of in self._by_template.values() if of[0].kind == "negated"]
        found += [self._filled(of, True) for of in self._by_template.values() if _spares(of[0])]
        found += [self._framed() for _ in range(sorts.framed)]
        found += [self._told() for _ in range(sorts.told)]
        found += [self._of_grammar() for _ in range(sorts.drawn)]
        found += [self._foreign() for _ in range(sorts.foreign)]
        found += [self._joined() for _ in range(sorts.joined)]
        return [each for each in found if each is not None]

    def _filled(self, of: Sequence[Sentence], whole: bool = False) -> Example | None:
        sentence = self._chance.choice(of)
        text, names = sentence.text, {}
        if "{" in sentence.template and self._chance.random() < 0.6:
            for name in {n for m in sentence.meanings for n in (*m["targets"], *m["protect"])}:
                if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text.lower()) and " " not in name:
                    if name not in lexicon().known:
                        continue
                    names[name] = invented(self._chance)
                    text = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", names[name], text, flags=re.I)
        return of_sentence(sentence, text, names, whole)

    def _of_grammar(self) -> Example | None:
        template = self._chance.choice(grammar().intents.every)
        text = " ".join(self._words(template.node))
        spec = parse(text)
        if spec["intent"] == "none" or spec["confidence"] < _SURE:
            return None
        meaning = {**spec, "targets": tuple(spec["targets"]), "protect": tuple(spec["protect"])}
        example = of_sentence(Sentence(text, text, "", "plain", (meaning,)))
        return None if example is None else replace(example, weight=0.4)

    def _words(self, node: Node) -> Iterator[str]:
        match node:
            case Word(text):
                yield text
            case Parts(parts):
                for part in parts:
                    yield from self._words(part)
            case Choice(of):
                empty = len(of) == 2 and of[1] == Parts(())
                if not (empty and self._chance.random() < 0.6):
                    yield from self._words(self._chance.choice(of[:1] if empty else of))
            case Filled(name):
                yield self._filling(name)

    def _filling(self, name: str) -> str:
        choice = self._chance.choice
        match name:
            case "target" | "beside" | "protect":
                return invented(self._chance) if self._chance.random() < 0.4 else "nginx"
            case "device":
                return choice(("sdb1", "the usb stick", "my phone", "the webcam"))
            case "resource" | "room" | "store":
                wanted = {"room": ("memory",), "store": ("disk",)}.get(name)
                known = [
                    " ".join(p) for p, r in lexicon().resources.items() if wanted is None or r in wanted
                ]
                return choice(known)
            case "amount":
                return choice(("40%", "2 cores", "3 GiB", "10 MB/s"))
            case "duration" | "after":
                return "20 minutes"
            case "goal":
                return choice(("calm", "fast", "monday", "quiet", "deepwork"))
            case "clock":
                return "18:30"
            case "degrees":
                return "80 degrees"
            case "part":
                return choice(("cpu", "gpu", "disk"))
        return "really"

    def _foreign(self) -> Example:
        choice, chance = self._chance.choice, self._chance.random()
        if chance < 0.6:  # what is done here, to what is no part of a machine
            sentence = choice(PHRASES).replace("{x}", choice(OBJECTS))
        else:  # what nobody here does, to what is
            thing = choice(
                (
                    "the disk",
                    "the memory",
                    "the cpu",
                    "program",
                    "the network",
                    "the battery",
                    "the gpu",
                    "my usb drive",
                    "drive",
                )
            )
            sentence = choice(VERBS).replace("{x}", thing)
        words = tuple(sentence.split())
        return Example(words, frozenset(("none",)), frozenset(), (0,) * len(words), 0.4)

    def _joined(self) -> Example | None:
        one, other = (of_sentence(each) for each in self._chance.sample(self._wishes, 2))
        if one is None or other is None:
            return None
        joint = self._chance.choice(
            (("and",), ("and", "then"), ("then",), (",",), (";",), ("and", "also"), (",", "then"), (".",))
        )
        words = (*one.words, *joint, *other.words)
        if one.labels & other.labels or len(words) > 26:
            return None
        return Example(words, frozenset((TWO,)), frozenset(), None, 0.3)

    def _framed(self) -> Example | None:
        """A wish with words around it, which mostly are about whether it is one."""
        wish = of_sentence(self._chance.choice(self._acts))
        if wish is None or wish.tags is None:
            return None
        targets = [at for at, tag in enumerate(wish.tags) if tag == TAGS.index("target")]
        if len(targets) == 1 and self._chance.random() < _BESIDE:
            thing = self._chance.choice(BESIDE).replace("{p}", ANY_PROGRAM).split()
            words = [*wish.words[: targets[0]], *thing, *wish.words[targets[0] + 1 :]]
            return Example(tuple(words), frozenset((NEGATED,)), frozenset(), (0,) * len(words), 0.5)
        of = self._chance.choice((WITHHELD, SPARED, HARMLESS))
        words, tags = list[str](), list[int]()
        for word in self._chance.choice(of).split():
            match word:
                case "{w}":
                    words += wish.words
                    tags += wish.tags
                case "{p}" | "{n}":
                    words.append(ANY_PROGRAM if self._chance.random() < 0.7 else invented(self._chance))
                    tags.append(TAGS.index("protect" if word == "{p}" else "none"))
                case _:
                    words.append(word)
                    tags.append(0)
        if len(words) > 26:
            return None
        if of is WITHHELD:
            return Example(tuple(words), frozenset((NEGATED,)), frozenset(), (0,) * len(words), 0.5)
        return replace(wish, words=tuple(words), tags=tuple(tags), weight=0.5)

    def _told(self) -> Example:
        """A deed that is asked for or told of, in the same forms of its verb."""
        told = draw(self._chance)
        tags = tuple(TAGS.index(tag) if told.asked else 0 for tag in told.tags)
        if not told.asked:
            return Example(told.words, frozenset((NEGATED,)), frozenset(), tags, 0.5)
        resources = frozenset((told.deed.resource,))
        return Example(told.words, frozenset((told.deed.label,)), resources, tags, 0.5)


def _spares(sentence: Sentence) -> bool:
    return any(each["protect"] for each in sentence.meanings)


def _is_wish(sentence: Sentence) -> bool:
    return all(each["intent"] not in ("none", "explain", "status") for each in sentence.meanings)


def fixed(sentences: Iterable[Sentence]) -> list[tuple[Sentence, Example]]:
    """Each template once, as it is filled first."""
    seen: dict[tuple[str, str], Sentence] = {}
    for each in sentences:
        seen.setdefault((each.template, each.person), each)
    made = ((each, of_sentence(each)) for each in seen.values())
    return [(each, example) for each, example in made if example is not None]
