# SPDX-License-Identifier: Apache-2.0
"""What rules find in a sentence that may stand against an act which the encoder read.

Here are the words that spare something or set it apart; negations and other clauses are looked for beside.
How much each counts is the gate's.
"""

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from jepa.language.gist import Gist
from jepa.language.inventory import Inventory
from jepa.language.lexicon import lexicon
from jepa.language.naming import Naming
from jepa.language.negations import Negations
from jepa.language.other_clauses import OtherClauses
from jepa.language.reading import CONDITIONS, Reader, known_name, names_in
from jepa.language.tokens import Token

if TYPE_CHECKING:
    from jepa.language.encoder import Encoder
    from jepa.packs.language import Sign

CLAUSES: "Final[tuple[Sign, ...]]" = ("clauses", "more")
"""Signs for which the encoder is asked what each clause means by itself."""
_LEFT: Final = (
    frozenset(("leave", "alone")),
    frozenset(("left", "alone")),
    frozenset(("leave", "be")),
    frozenset(("leave", "peace")),
    frozenset(("let", "be")),
    frozenset(("let", "alone")),
)
"""Words that, together, leave something as it is."""
_GIVES: Final = frozenset(("device/allow", "power/performance"))
_GIVING: Final = frozenset(("let",))
_HOLDING: Final = frozenset(("keep", "keeps", "hold"))
"""Words of sparing that are none beside some acts."""
_OTHERS: Final = frozenset(("else", "everyone", "everybody", "anyone", "anybody"))
"""Whom something may be put before; who of these is named is found elsewhere."""
_BOUNDARIES: Final = frozenset(
    ("but", "and", "though", "although", "while", "whilst", "only", "however", "yet")
)
"""Words that begin a clause which may be of somebody else."""
_AHEAD: Final = ("over", "than", "before", "above", "ahead", "of", "to", "and", "as", "more")
"""Words before those whom something is put before."""
_NEXT: Final = 5
"""Words behind a form of "to be" that may say how something is."""


class Safeguards:
    """Those of one gist."""

    def __init__(self, gist: Gist, inventory: Inventory, encoder: "Encoder", naming: Naming) -> None:
        self._gist, self._inventory, self._naming = gist, inventory, naming
        self._given = self._conditions()
        self._aside = self._given | self._sparing()
        self._negations = Negations(gist, naming, self._aside)
        self._others = OtherClauses(gist, encoder, naming, self._aside)

    @property
    def says_not(self) -> bool:
        """Whether a word negates or spares anything, but in a condition that is known word for word."""
        words = lexicon()
        return any(
            self._naming.negates(token) or token.text in words.groups["spared"] | words.contrasts
            for at, token in enumerate(self._gist.tokens)
            if at not in self._given
        )

    def found(self, wish: str, clauses: bool = True) -> "set[Sign]":
        """All that may stand against ``wish``, an act; those for which the encoder is asked if wanted."""
        rules: dict[Sign, bool] = {
            "prohibition": self._negations.prohibit(wish),
            "negation": self._negations.forbid(wish),
            "left_out": self._leaves_out(),
            "exception": not wish.startswith("goal") and self._excepts(),
            "bare": self._bare(),
            "content": wish not in _GIVES and self._is_content(),
            "part_spared": self._spares_a_part(),
            "adverb_spared": self._spares_an_adverb(),
            "contrast": self._contrasts(wish),
            "others": wish == "prioritize" and self._is_of_others(wish),
            "clauses": clauses and self._others.may_forbid(wish),
            "more": clauses and self._others.wish_for_more(wish),
            "spared": bool(self._naming.spared),
            "no_object": wish == "autonomy/auto" and not self._leaves_it_to_it(),
        }
        return {name for name, stands in rules.items() if stands}

    def _leaves_it_to_it(self) -> bool:
        """Whether a word says who decides, or who is not to be asked: "carry on, no need to ask me"."""
        return not lexicon().groups["deciding"].isdisjoint(token.text for token in self._gist.tokens)

    def _is_of_others(self, wish: str) -> bool:
        """Whether it may be about all but who is named: "caddy needs more, so squeeze the rest".

        To be put before others is to be favoured: "caddy goes before everyone else".
        """
        words, tokens = lexicon(), self._gist.tokens
        for at, token in enumerate(tokens):
            if token.text not in words.groups["others"]:
                continue
            before = next(
                (each.text for each in tokens[:at][::-1] if each.text not in words.determiners), ""
            )
            if wish != "prioritize" or not (before in words.relating or before in (*_AHEAD, *_OTHERS)):
                return True
        return False

    def _conditions(self) -> frozenset[int]:
        """The tokens of a condition of the machine, known word for word, that names nothing."""
        tokens = self._gist.tokens
        *_, found = Reader(self._inventory).without_modifiers(tokens, tokens, CONDITIONS)
        aside = [
            token
            for each in found
            if each.kind == "condition"
            and not any(one.name in ("target", "device") for one in each.captures)
            if each.fields["kind"] != "failed"
            for token in each.tokens
        ]
        return frozenset(at for at, token in enumerate(tokens) if token in aside)

    def _sparing(self) -> frozenset[int]:
        """The tokens of clauses that only spare somebody: they hold no other name, and no amount.

        What negates there, or sets apart, is explained by that: "stop caddy, and redis must not notice".
        """
        tokens, words = self._gist.tokens, lexicon()
        spared = {at for name in self._naming.spared for at in range(name.start, name.end)}
        found: set[int] = set()
        start = 0
        for end in range(len(tokens) + 1):
            if end < len(tokens) and tokens[end].kind != "pause" and tokens[end].text not in _BOUNDARIES:
                continue
            clause = set(range(start, end))
            others = ((self._naming.mentioned - spared) | self._gist.measures) & clause
            if start > 0 and not spared.isdisjoint(clause) and not others:
                found |= clause | {start - 1 if tokens[start - 1].text in words.contrasts else start}
            start = end + 1
        return frozenset(found)

    def _leaves_out(self) -> bool:
        """Whether a word says for certain that something is left out or stays, and nobody knows what."""
        if self._naming.spared:
            return False
        texts = {token.text for token in self._gist.tokens}
        return not lexicon().groups["spared"].isdisjoint(texts) or any(each <= texts for each in _LEFT)

    def _excepts(self) -> bool:
        """Whether somebody is named behind a "save" that begins no clause: "slow it all down save caddy"."""
        tokens, named = self._gist.tokens, self._naming.mentioned
        return any(
            token.text == "save" and before.kind != "pause" and at in named
            for at, (before, token) in enumerate(pairwise(tokens), 2)
        )

    def _contrasts(self, wish: str) -> bool:
        """Whether it sets something apart in words that no template takes for protection.

        "Let" spares nothing where a device is let in, nor does "keep" where an amount is the bound.
        """
        words = lexicon()
        harmless: frozenset[str] = _GIVING if wish in _GIVES else frozenset()
        if wish == "prioritize":
            harmless = _OTHERS
        texts = [token.text for at, token in enumerate(self._gist.tokens) if at not in self._aside]
        found = [text for text in texts if text in words.contrasts | words.sparing]
        if wish == "watch" or (wish == "limit" and len(self._gist.amounts) == 1):
            harmless = _HOLDING
            if wish == "limit" and not self._holds_an_amount():
                harmless = frozenset()
            if found == ["let"] and wish == "limit":  # "let caddy run on one core"
                return False
        return any(text not in harmless for text in found)

    def _holds_an_amount(self) -> bool:
        """Whether each word of holding stands before the amount: "keep caddy under 2 GiB"."""
        places = [at for at, token in enumerate(self._gist.tokens) if token.text in _HOLDING]
        return not places or max(places) < min(self._gist.measures)

    def _is_content(self) -> bool:
        """Whether it says of something named, or of what that has, that it is as it should be."""
        words, tokens = lexicon(), self._gist.tokens
        named = self._naming.mentioned
        for at, token in enumerate(tokens):
            if token.text in words.groups["being"] and not named.isdisjoint(range(at)):
                behind = [each.text for each in tokens[at + 1 : at + 1 + _NEXT]]
                if not words.groups["content"].isdisjoint(behind) and "to" not in behind:
                    return True
        return False

    def _spares_a_part(self) -> bool:
        """Whether what is to be left alone is a part of something that was not taken for it.

        Of "caddy's state dir excepted" the last name would be "dir".
        """
        begins = [
            each.tokens[0]
            for each in self._gist.modifiers
            if each.kind == "protect" and each.tokens[0].text in names_in((each,))
        ]
        before = [
            max((token for token in self._gist.tokens if token.end <= begin.start), key=_end, default=None)
            for begin in begins
        ]
        words = lexicon()
        between = words.joining | words.function | words.idle | words.contrasts | words.relating
        return any(
            token is not None and token.kind != "pause" and token.text not in between for token in before
        )

    def _bare(self) -> bool:
        """Whether something is to be left alone, and beside it nothing is said that a wish could be about.

        "Whatever happens, never throttle gcc" says no more than its second half.
        """
        if not any(each.kind == "protect" for each in self._gist.modifiers):
            return False
        words = lexicon()
        about = (words.resources, words.classes, words.roles)
        tokens = self._gist.tokens
        return not self._gist.amounts and not any(
            self._naming.known(token)
            or (token.text in words.groups["everything"] and (before, token.text) != ("at", "all"))
            or any((token.text,) in of for of in about)
            for before, token in zip(("", *(each.text for each in tokens)), tokens, strict=False)
        )

    def _spares_an_adverb(self) -> bool:
        """Whether what was taken for a name to be left alone is an adverb: "particularly not caddy's"."""
        kept = names_in(each for each in self._gist.modifiers if each.kind == "protect")
        return any(name.endswith("ly") and not known_name(name, self._inventory) for name in kept)


def _end(token: Token) -> int:
    return token.end
