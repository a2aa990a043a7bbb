# SPDX-License-Identifier: Apache-2.0
"""What forbids an act that the encoder read: a negation, words of sparing, another clause, a second wish."""

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from jepa.language.gist import ANY_PROGRAM, Gist
from jepa.language.inventory import Inventory
from jepa.language.lexicon import lexicon
from jepa.language.naming import Naming
from jepa.language.reading import known_name, names_in

if TYPE_CHECKING:
    from jepa.language.encoder import Encoder, Heard

LISTED: Final = ("and", "or", ",", "&", "the", "my", "both")
"""Tokens between the names of a list."""
_JOINTS: Final = ("and", "then", ";", ".", "but", "also", ",")
_OF_NOTHING: Final = frozenset(("undo", "autonomy/off", "autonomy/advise", "autonomy/ask", "packs/verify"))
"""Acts that touch no unit, by which nothing that is to be left alone could be hit."""
_BY_IT: Final = frozenset(("prioritize", "service/restart", "service/start", "watch", "watch/restart"))
"""Acts that may speak of their object as "it": they do not take anything from it."""
_SAME: Final = {"watch/restart": ("watch/restart", "service/restart")}
"""What a clause by itself may ask for where the whole sentence, with its condition, asks for another act."""
_GIVES: Final = frozenset(("device/allow", "power/performance"))
_GIVING: Final = frozenset(("let",))
_HOLDING: Final = frozenset(("keep", "keeps", "hold"))
"""Words of sparing that are none beside some acts."""
_LINKS: Final = ("and", "so", "because", "since", "then")
"""Words between clauses of which neither takes anything out of the other."""
_BEHIND_LIST: Final = ("to", "at", "by", "please", "too", "now", "again", "off", "down", "up")
"""Words that may follow the last name of a list."""
_EXCLUDES: Final = frozenset(
    ("but", "without", "ignoring", "avoiding", "excluding", "minus", "against", "versus")
)
"""Words that take something out of what is asked for."""
_MORE: Final = frozenset(
    (
        "more",
        "exceed",
        "exceeds",
        "surpass",
        "surpasses",
        "over",
        "above",
        "beyond",
        "past",
        "higher",
        "greater",
    )
)


class Safeguards:
    """Those of one gist. They are deterministic but for the encoder's word, which may only add to them."""

    def __init__(
        self, gist: Gist, heard: "Heard", inventory: Inventory, encoder: "Encoder", naming: Naming
    ) -> None:
        self._gist, self._heard, self._inventory, self._encoder = gist, heard, inventory, encoder
        self._limits, self._naming = encoder.thresholds, naming

    def forbid(self, wish: str) -> bool:
        """Whether ``wish``, an act, may not be done by this sentence."""
        return (
            self._negated(wish)
            or self._spares()
            or self._protects()
            or self._bare()
            or self._contrasts(wish)
            or self._spares_an_adverb()
            or self._parted(wish)
            or self._two(wish)
        )

    def _negated(self, wish: str) -> bool:
        """Whether something in it is not to be; "not more than 40 %" only bounds."""
        found = [at for at, token in enumerate(self._gist.tokens) if self._naming.negates(token)]
        return bool(found) and not (wish == "limit" and len(found) == 1 and self._bounds(found[0]))

    def _spares(self) -> bool:
        """Whether it may say without a negation that something is to be left as it is."""
        return self._heard.negated >= self._limits.negated

    def _contrasts(self, wish: str) -> bool:
        """Whether it sets something apart in words that no template takes for protection.

        "Let" spares nothing where a device is let in, nor does "keep" where an amount is the bound.
        """
        words = lexicon()
        harmless: frozenset[str] = _GIVING if wish in _GIVES else frozenset()
        if wish == "watch" or (wish == "limit" and len(self._gist.amounts) == 1):
            harmless = _HOLDING
        return any(
            token.text in words.contrasts | words.sparing and token.text not in harmless
            for token in self._gist.tokens
        )

    def _parted(self, wish: str) -> bool:
        """Whether it has more than one clause, and the others may forbid what one asks for.

        They may not where each name stands in the first clause and that asks for ``wish`` by itself, or the
        next one does and speaks of the only name as "it"; nor where nothing is named at all. "Squash it,
        caddy chokes" names who suffers.
        """
        tokens, words = self._gist.tokens, lexicon()
        inner = [
            at for at, each in enumerate(tokens) if each.kind != "pause" and each.text not in words.idle
        ]
        parts = [
            at
            for at in range(min(inner, default=0), max(inner, default=0))
            if (tokens[at].kind == "pause" or tokens[at].text in words.joining) and not self._lists(at)
        ]
        if not parts or wish in _OF_NOTHING:
            return False
        named = self._named()
        joints = {tokens[at].text for at in parts if tokens[at].kind != "pause"}
        if not named:
            return not joints.isdisjoint(_EXCLUDES)
        if not joints <= {*_LINKS} | ({"than"} if tokens[parts[-1]].text == "than" else set()):
            return True
        if "than" in joints and max(named) < parts[-1]:  # "more than the rest"
            parts = parts[:-1]
        bounds = [-1, *parts, len(tokens)]
        clauses = [range(begin + 1, end) for begin, end in pairwise(bounds)]
        if not set(clauses[0]) >= named:
            return True
        by_it = len(named) == 1 and wish in _BY_IT and any(tokens[at].text == "it" for at in clauses[1])
        return not (self._asks(clauses[0], wish) or (by_it and self._asks(clauses[1], wish)))

    def _asks(self, clause: range, wish: str) -> bool:
        """Whether the tokens of ``clause`` ask for ``wish`` by themselves."""
        words = [word.text for word in self._gist.words if word.start in clause]
        words = [ANY_PROGRAM if word == "it" else word for word in words]
        heard = self._encoder.hear(words) if words else None
        return (
            heard is not None
            and sum(heard.intents.get(each, 0.0) for each in _SAME.get(wish, (wish,))) >= self._limits.acts
            and heard.negated < self._limits.negated
        )

    def _named(self) -> set[int]:
        """The tokens that are, or may be, part of a name."""
        names = {at for name in self._naming.names(True, False) for at in range(name.start, name.end)}
        names |= {at for name in self._naming.names(False, False) for at in range(name.start, name.end)}
        return names | {at for at, token in enumerate(self._gist.tokens) if self._naming.known(token)}

    def _lists(self, at: int) -> bool:
        """Whether the token at ``at`` stands between two names, and so joins a list."""
        tokens = self._gist.tokens
        after = next((each for each in (at + 1, at + 2) if self._known_at(each)), None)
        if after is None or not self._known_at(at - 1):
            return False
        # "Restart caddy, redis must survive that" is no list: a name behind a comma begins a clause there.
        follows = tokens[after + 1] if after + 1 < len(tokens) else None
        return (
            tokens[at].kind != "pause"
            or follows is None
            or follows.kind == "pause"
            or after + 1 in self._gist.measures
            or follows.text in (*LISTED, *_BEHIND_LIST)
        )

    def _known_at(self, at: int) -> bool:
        return 0 <= at < len(self._gist.tokens) and self._naming.known(self._gist.tokens[at])

    def _bounds(self, negation: int) -> bool:
        """Whether a negation stands before "more than" and the amount, or behind it: "not a byte more"."""
        places = [at for at, token in enumerate(self._gist.tokens) if token.text in _MORE]
        if len(self._gist.amounts) != 1 or not places or negation > places[0]:
            return False
        after = all(token.kind == "pause" for token in self._gist.tokens[places[-1] + 1 :])
        return places[-1] < min(self._gist.measures) or (negation > max(self._gist.measures) and after)

    def _bare(self) -> bool:
        """Whether something is to be left alone, and beside it nothing is said that a wish could be about.

        "Whatever happens, never throttle gcc" says no more than its second half.
        """
        if not any(each.kind == "protect" for each in self._gist.modifiers):
            return False
        words = lexicon()
        about = (words.resources, words.classes, words.roles)
        return not self._gist.amounts and not any(
            self._naming.known(token) or any((token.text,) in of for of in about)
            for token in self._gist.tokens
        )

    def _protects(self) -> bool:
        return any(tags["protect"] >= self._limits.protected for tags in self._heard.tags)

    def _two(self, wish: str) -> bool:
        """Whether both sides of an "and" are wishes by themselves, and not the same."""
        words = [word.text for word in self._gist.words]
        for at, word in enumerate(words):
            if word not in _JOINTS or not 0 < at < len(words) - 1:
                continue
            sides = [self._encoder.hear(part) for part in (words[:at], words[at + 1 :])]
            wishes = [
                max(side.intents, key=side.intents.__getitem__)
                for side in sides
                if side is not None and max(side.intents.values()) >= self._limits.acts
            ]
            if len(wishes) == 2 and wishes[0] != wishes[1] and "watch" not in (wishes[1], wish):
                return True
        return False

    def _spares_an_adverb(self) -> bool:
        """Whether what was taken for a name to be left alone is an adverb: "particularly not caddy's"."""
        kept = names_in(each for each in self._gist.modifiers if each.kind == "protect")
        return any(name.endswith("ly") and not known_name(name, self._inventory) for name in kept)
