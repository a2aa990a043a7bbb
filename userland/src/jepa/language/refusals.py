# SPDX-License-Identifier: Apache-2.0
"""What says no without a word of negation, whoever reads the sentence: templates or the encoder."""

from itertools import pairwise
from typing import Final

from jepa.language.grammar import grammar
from jepa.language.inventory import Inventory, Nothing
from jepa.language.lexicon import lexicon
from jepa.language.reading import Reader, known_name, reading_of
from jepa.language.tokens import Token

_IF: Final = ("if", "when")
_MY_WILL: Final = frozenset(("i'll", "we'll"))
_MYSELF: Final = frozenset(("myself", "meself", "ourselves"))
_NOT: Final = "not"
_OVER: Final = ("complete", "completed")
_TAKEN_BACK: Final = frozenset(("nah", "naw", "nvm", "nevermind", "psych", "sike", "syke", "jk", "jks"))
_SOMEBODY: Final = frozenset(("i", "we", "you", "u", "one", "someone", "somebody", "they", "he", "she"))


def refuses(tokens: tuple[Token, ...], inventory: Inventory) -> bool:
    """Whether nothing is to be done by a sentence, or something in it is marked as left out.

    What is said of something protected ("hands off caddy") says no to that alone.
    """
    if _marks_out(tokens) or _asks_what_if(tokens) or _is_over(tokens) or _is_taken_back(tokens):
        return True
    if _quotes_a_refusal(tokens, inventory):
        return True
    rest, *_ = Reader(inventory).without_modifiers(tokens, tokens, ("protect",))
    return _says_no(rest) or _ends_with_not(rest)


def _says_no(tokens: tuple[Token, ...]) -> bool:
    reading = reading_of(tokens, tokens, Nothing())
    return any(
        match.end > at
        for template in grammar().refusals.fitting(reading)
        for at in range(len(tokens))
        for match in template.at(reading, at)
    )


def _quotes_a_refusal(tokens: tuple[Token, ...], inventory: Inventory) -> bool:
    """Whether something in quotation marks is no name, but words that say no or spare: "not caddy"."""
    words = lexicon()
    against = words.negations | words.contrasts | words.sparing
    quoted = [
        token.text for token in tokens if token.kind == "quoted" and not known_name(token.text, inventory)
    ]
    return any(" " in text and not against.isdisjoint(text.casefold().split()) for text in quoted)


def _ends_with_not(tokens: tuple[Token, ...]) -> bool:
    """Whether the last word takes back all before it: "stop caddy not"."""
    words = [token.text for token in tokens if token.kind != "pause"]
    return len(words) > 1 and words[-1] == _NOT


def _marks_out(tokens: tuple[Token, ...]) -> bool:
    """Whether a mark says that the name behind it is not meant: "!caddy", ", -caddy"."""
    for at, (mark, name) in enumerate(pairwise(tokens)):
        if mark.kind != "pause" or name.kind not in ("word", "quoted") or mark.end != name.start:
            continue
        if mark.text.endswith("!") or (mark.text == "-" and at and tokens[at - 1].kind == "pause"):
            return True
    return False


def _is_over(tokens: tuple[Token, ...]) -> bool:
    """Whether it tells that it is done, or who does it: "restart of caddy complete", "I'll do it myself"."""
    words = [token.text for token in tokens if token.kind != "pause"]
    ends = bool(words) and words[-1] in _OVER
    by_me = not _MYSELF.isdisjoint(words)
    return ends or (by_me and not (_MY_WILL.isdisjoint(words) and "already" not in words))


def _is_taken_back(tokens: tuple[Token, ...]) -> bool:
    """Whether what was said before is taken back: "stop caddy. jk"; "nah" that opens a sentence is none."""
    words = [token.text for token in tokens if token.kind != "pause"]
    return not _TAKEN_BACK.isdisjoint(words[1:]) or (len(words) > 2 and words[-2:] == ["never", "mind"])


def _asks_what_if(tokens: tuple[Token, ...]) -> bool:
    """Whether it asks what would be if somebody did it: "if i stop caddy do the scanners die?"."""
    words = [token.text for token in tokens if token.kind != "pause" and token.text not in lexicon().idle]
    asks = bool(tokens) and tokens[-1].text.endswith("?")
    return asks and len(words) > 1 and words[0] in _IF and words[1] in _SOMEBODY
