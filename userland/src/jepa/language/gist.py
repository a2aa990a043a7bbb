# SPDX-License-Identifier: Apache-2.0
"""A sentence as the encoder reads it: without what the templates take out of any, and with names made alike.

What a thing is called does not tell what is wanted of it: "restart nginx" and "restart photoprism" are one
sentence. What must not be touched, how long it is to stand and courtesies are gone; conditions stay, for "if
it fails" tells a watch from a restart.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from jepa.language.grammar import grammar
from jepa.language.inventory import Inventory
from jepa.language.lexicon import lexicon
from jepa.language.reading import Modifier, Reader
from jepa.language.slots import slots
from jepa.language.tokens import Token

_AMOUNTS: Final = {
    "%": "50 percent",
    "cores": "2 cores",
    "MiB": "2 gigabytes",
    "GiB": "2 gigabytes",
    "MiB/s": "20 megabytes per second",
}
_BARE: Final = ("a", "an", "half", "third", "quarter", "one")
"""Words that may begin an amount and mostly do not."""
_DRIVE: Final = re.compile(r"(/dev/.*|x?[svh]d[a-z]{1,2}\d*|nvme\d.*|mmcblk.*)")
_BARE_DRIVE: Final = re.compile(r"[sv]d[a-h]")
"""Drives whose names have no digit; no word is spelt so."""
_PLAIN: Final = re.compile(r"[a-z]+(?:-[a-z]+)*(?:'[a-z]+)?")
_ENDINGS: Final = ("ing", "ed", "ly", "ion", "able", "er", "est", "ness", "wise", "free")
"""Of the last word of a compound that is no name."""
ASIDE: Final = ("protect", "until", "remark", "courtesy")
"""Modifiers that are taken out of a sentence."""
ANY_PROGRAM: Final = "program"
"""The word that every name is made."""
DRIVE: Final = "drive"
"""The word that names of disks are made."""


@dataclass(frozen=True, slots=True)
class GistWord:
    """One word of a gist, and the tokens that it stands for."""

    text: str
    start: int
    end: int
    """The tokens of the gist from ``start`` on, without ``end``."""
    name: bool
    """Whether it stands for the name of a thing."""


@dataclass(frozen=True, slots=True)
class Gist:
    """What is left of a sentence, and what was taken out."""

    words: tuple[GistWord, ...]
    tokens: tuple[Token, ...]
    modifiers: tuple[Modifier, ...]
    amounts: tuple[dict[str, Any], ...]
    """Those that were said in what is left."""
    measures: frozenset[int]
    """The tokens that say them."""


def gist_of(tokens: tuple[Token, ...], inventory: Inventory, aside: Sequence[str] = ASIDE) -> Gist:
    """The gist of a sentence, without modifiers of the kinds ``aside``."""
    reader = Reader(inventory)
    rest, _, modifiers = reader.without_modifiers(tokens, tokens, aside)
    rest, _ = reader.without_openers(rest, rest)
    here = slots(rest, rest, inventory)
    words: list[GistWord] = []
    amounts: list[dict[str, Any]] = []
    measures: set[int] = set()
    at = 0
    while at < len(rest):
        token = rest[at]
        found = max(here["amount"](at), key=lambda each: each[0], default=None)
        if found is not None and (token.text not in _BARE or found[0] > at + 1):
            end, amount = found
            amounts.append(amount)
            measures.update(range(at, end))
            words += [GistWord(text, at, end, False) for text in _AMOUNTS[amount["unit"]].split()]
            at = end
            continue
        name = is_name(token, inventory)
        text = token.text
        if name:
            text = DRIVE if is_drive(text) else ANY_PROGRAM
        words.append(GistWord(text, at, at + 1, name))
        at += 1
    return Gist(tuple(words), rest, modifiers, tuple(amounts), frozenset(measures))


def is_drive(text: str) -> bool:
    """Whether ``text`` is what a disk, or a part of one, is called."""
    return _DRIVE.fullmatch(text) is not None


def is_name(token: Token, inventory: Inventory) -> bool:
    """Whether ``token`` is a name wherever it stands: quoted, known, or with digits or marks in it."""
    if token.kind == "quoted":
        return True
    if token.kind != "word" or token.text in lexicon().function or (token.text,) in lexicon().resources:
        return False
    words = lexicon()
    if (token.text,) in words.classes or token.text in words.idle or token.text in words.ordinary:
        return False
    if token.text in grammar().words:
        return False
    known = token.text in words.known or inventory.knows(token.text)
    known = known or _BARE_DRIVE.fullmatch(token.text) is not None
    return known or (token.shaped and (_PLAIN.fullmatch(token.text) is None or _is_compound(token.text)))


def _is_compound(text: str) -> bool:
    """Whether ``text`` is several words joined as in a name, "wiki-js", and not as in "brother-in-law"."""
    words, parts = lexicon(), text.split("-")
    if len(parts) < 2 or any(part in words.function | words.idle | words.joints for part in parts):
        return False
    if parts[0] in words.known:
        return True
    english = parts[0] in grammar().words or parts[-1].endswith(_ENDINGS)
    return not english and len(parts) == 2


def said(tokens: Sequence[Token], start: int, end: int) -> str:
    """The words of ``tokens`` from ``start`` to ``end``."""
    return " ".join(token.text for token in tokens[start:end])
