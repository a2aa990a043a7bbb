# SPDX-License-Identifier: Apache-2.0
"""Deeds in every form of their verb: told as done, reported and imagined, or asked for in just these forms.

"nginx was restarted this morning" and "I'd like nginx restarted" share nearly every word. What tells them
apart is who does it, and when; by these the encoder is taught to hear it, where a list of words cannot.
"""

import random
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jepa.language.gist import ANY_PROGRAM, DRIVE
from jepa_lab.language.names import invented

_DATA: Final = tomllib.loads(Path(__file__).with_name("told.toml").read_text(encoding="utf-8"))
TOLD: Final = tuple(_DATA["told"].strip().splitlines())
"""Nothing is asked for."""
ASKED: Final = tuple(_DATA["asked"].strip().splitlines())
"""The deed is asked for now."""
_WHO: Final = tuple(_DATA["who"].split())
_FILLS: Final = {f"{{{name}}}": tuple(_DATA[name]) for name in ("by", "when", "source")}
_DOUBLED: Final = frozenset(
    ("stop", "cap", "ban", "drop", "cut", "shut", "quit", "get", "put", "let", "spin", "permit", "prefer")
)


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that may be done: a verb, its object and what follows."""

    label: str
    resource: str
    verb: str
    thing: str
    """Its object: ``{p}``, ``{d}``, or words that are no name."""
    rest: str


@dataclass(frozen=True, slots=True)
class Told:
    """A deed in a sentence."""

    words: tuple[str, ...]
    tags: tuple[str, ...]
    """For each word the tag that it has where the deed is asked for."""
    deed: Deed
    asked: bool


def _deeds() -> Iterator[Deed]:
    for kind, all_of in _DATA["deeds"].items():
        label, resource = kind.split()
        for each in all_of:
            verb, thing, *rest = each.split(" | ") if " | " in each else each.split(" ")
            yield Deed(label, resource, verb, thing, " ".join(rest))


DEEDS: Final = tuple(_deeds())


def forms(verb: str) -> tuple[str, str, str]:
    """Past, participle and gerund of ``verb``."""
    stem = verb + verb[-1] if verb in _DOUBLED else verb
    gerund = (verb[:-1] if verb.endswith("e") and not verb.endswith("ee") else stem) + "ing"
    if verb in _DATA["irregular"]:
        past, done = _DATA["irregular"][verb]
        return past, done, gerund
    if verb.endswith("e"):
        past = f"{verb}d"
    elif verb.endswith("y") and verb[-2] not in "aeo":
        past = f"{verb[:-1]}ied"
    else:
        past = f"{stem}ed"
    return past, past, gerund


def draw(chance: random.Random) -> Told:
    """A deed in one of the sentences."""
    asked = chance.random() < len(ASKED) / (len(ASKED) + len(TOLD))
    frame, deed = chance.choice(ASKED if asked else TOLD), chance.choice(DEEDS)
    past, done, doing = forms(deed.verb)
    said = {
        "{base}": deed.verb,
        "{past}": past,
        "{done}": done,
        "{doing}": doing,
    }
    parts: list[str] = []
    for word in frame.split():
        key, mark, tail = word.partition("}")
        key += mark
        if key in said:
            parts += [said[key], deed.thing, deed.rest]
        elif key == "{o}":
            parts.append(deed.thing)
        elif key == "{of_it}":
            parts += [done, deed.rest]
        elif key in _FILLS:
            parts.append(chance.choice(_FILLS[key]) + tail)
        else:
            parts.append(word)
    words: list[str] = []
    tags: list[str] = []
    for word in " ".join(parts).split():
        match word:
            case "{p}" | "{d}" | "{g}":
                own = {"{p}": ANY_PROGRAM, "{d}": DRIVE}.get(word) if chance.random() < 0.7 else None
                words.append(own or invented(chance))
                tags.append("goal" if word == "{g}" else "target")
                continue
            case "{who}" | "{who}'ve":
                words.append(word.replace("{who}", chance.choice(_WHO)))
            case "{n}" | "{n}'ve":
                words.append(ANY_PROGRAM if chance.random() < 0.7 else invented(chance))
            case _:
                words.append(word)
        tags.append("none")
    return Told(tuple(words), tuple(tags), deed, asked)
