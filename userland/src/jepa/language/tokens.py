# SPDX-License-Identifier: Apache-2.0
"""A sentence as tokens, each with its place in the text; what is no sentence is refused with the reason."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

LONGEST: Final = 400
"""Characters of a sentence."""
MOST: Final = 64
"""Tokens of a sentence."""
_APOSTROPHES: Final = str.maketrans({"’": "'", "‘": "'", "´": "'", "`": "'", "‐": "-", "‑": "-"})
_TOKEN: Final = re.compile(
    r"""(?P<quoted>"[^"]{1,80}"|“[^”]{1,80}”|„[^“”]{1,80}[“”]|«[^»]{1,80}»|(?<!\w)'[^']{2,80}'(?!\w))
    |(?P<number>\d{1,2}:\d{2}(?!\d)|\d+(?:[.,]\d+)?(?![\w.@:-]*[^\W\d_][\w.@:-]*[.@:_-]))
    |(?P<word>(?:(?<!\w)['’‘´`](?=[^\W\d_]))?/?[^\W_][\w@:./+-]*(?:['’‘´`](?:[^\W\d_]+|(?!\w)))?)
    |(?P<percent>%)
    |(?P<pause>[,.;:!?()…–—-]+)
    |(?P<other>\S)""",
    re.VERBOSE,
)
_SPELT: Final = {
    **{
        f"{verb}{end}": f"{verb}n't" for verb in ("did", "would", "should", "could") for end in ("nae", "na")
    },
    **{"dinnae": "don't", "dinna": "don't", "dinny": "don't", "disnae": "doesn't", "cannae": "can't"},
    **{"winnae": "won't", "willnae": "won't", "isnae": "isn't", "wisnae": "wasn't", "wasnae": "wasn't"},
    **{"nae": "no", "mair": "more", "gie": "give", "tae": "to", "doon": "down", "oot": "out", "fae": "from"},
    **{"ae": "of"},
    **{
        "wi'": "with",
        "wi'out": "without",
        "o'": "of",
        "an'": "and",
        "'em": "them",
        "th'": "the",
        "don'": "don't",
    },
    **dict.fromkeys(("dun", "dunt", "dun't", "doan", "doan't", "duwan", "donch", "divvent"), "don't"),
    **{"cyaan": "can't", "bain't": "isn't", "idn't": "isn't", "'tisn't": "isn't", "upto": "until"},
    **{"'cept": "except", "cept": "except", "n": "and", "'n'": "and"},
    **dict.fromkeys(("dnt", "dotn", "dnot", "odnt", "do'nt", "dno't"), "don't"),
}
"""Spellings of negations and of small words that are far from the usual ones, read as these."""
SHAPED: Final = re.compile(r"[\d@./:+_-]")


class Unreadable(ValueError):
    """What was given is no sentence; the argument is the question to ask back."""


@dataclass(frozen=True, slots=True)
class Token:
    """One word, number, quotation or mark."""

    text: str
    """In lower case, composed (NFC), without quotation marks; "don't" for "dinnae"."""
    kind: str
    """word, number, quoted, percent, pause or other."""
    start: int
    end: int
    """Where it stands in the text as it was given."""

    @property
    def shaped(self) -> bool:
        """Whether it looks like a name and not like a word: it has digits or marks inside."""
        return self.kind == "word" and SHAPED.search(self.text) is not None


def tokenise(text: str) -> tuple[Token, ...]:
    """The tokens of ``text``; Unreadable where it is none that anybody would say."""
    if not text.strip():
        raise Unreadable("What should be done?")
    if len(text) > LONGEST:
        raise Unreadable(f"That is longer than {LONGEST} characters; say it in one short sentence?")
    if any(
        unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn") and char not in "\t\n\r"
        for char in text
    ):
        raise Unreadable("That holds control characters; write it again as plain text?")
    found: list[Token] = []
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or "other"
        start, end = match.span()
        said = unicodedata.normalize("NFC", match[0]).translate(_APOSTROPHES)
        if kind == "quoted":
            said = " ".join(said[1:-1].split())
        elif kind == "word":
            if said.lower() not in _SPELT:  # "the cores' worth", or half a quotation
                said = said.strip("'") or said
            kept = said.rstrip(".:/-+") or said  # the end of the sentence is no part of the name
            if kept != said:
                end -= len(said) - len(kept)
                lower = kept.lower()
                found.append(Token(_SPELT.get(lower, lower), kind, start, end))
                found.append(Token(said[len(kept) :], "pause", end, end + len(said) - len(kept)))
                continue
        elif kind == "pause" and said[0] in "(–—":
            said = ","
        lower = said.lower()
        found.append(Token(_SPELT.get(lower, lower) if kind == "word" else lower, kind, start, end))
    if len(found) > MOST:
        raise Unreadable(f"That is more than {MOST} words; say it in one short sentence?")
    letters = [char for char in text if char.isalpha()]
    if not letters and not any(token.kind == "number" for token in found):
        raise Unreadable("There is no word in that; what should be done?")
    if any(ord(char) > 0x24F for char in letters):
        raise Unreadable("English alone is understood so far; can you say it in English?")
    return tuple(found)
