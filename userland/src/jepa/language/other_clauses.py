# SPDX-License-Identifier: Apache-2.0
"""Whether another clause, or a second wish, could take back what one clause of a sentence asks for.

The encoder is asked what each of them means by itself; `clauses` tells them apart by their words alone.
"""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final

from jepa.language.clauses import Clauses
from jepa.language.gist import ANY_PROGRAM, DRIVE, Gist
from jepa.language.lexicon import lexicon
from jepa.language.naming import Naming

if TYPE_CHECKING:
    from jepa.language.encoder import Encoder, Heard

LISTED: Final = ("and", "or", ",", "&", "the", "my", "both")
"""Tokens between the names of a list."""
_JOINTS: Final = ("and", "then", ";", ".", "but", "also", ",")
_OF_NOTHING: Final = frozenset(("undo", "autonomy/off", "autonomy/advise", "autonomy/ask", "packs/verify"))
"""Acts that touch no unit, by which nothing that is to be left alone could be hit."""
_BY_IT: Final = frozenset(
    (
        *("prioritize", "service/restart", "service/start", "service/reload", "service/enable"),
        *("watch", "watch/restart", "device/allow", "device/block", "device/eject"),
    )
)
"""Acts that may speak of their object as "it": they take nothing from it, or nothing else could be meant."""
_TAKEN_BY_IT: Final = frozenset(("service/stop", "service/disable", "packs/install", "packs/remove"))
"""Acts that may, where it is who the sentence begins with and nobody else could be meant by "it"."""
IT: Final = ("it", "its")
"""Words that may mean what another clause names."""
_SAME: Final = {"watch/restart": ("watch/restart", "service/restart")}
"""What a clause by itself may ask for where the whole sentence, with its condition, asks for another act."""
_LINKS: Final = ("and", "so", "because", "since", "then")
"""Words between clauses of which neither takes anything out of the other."""
_BEHIND_LIST: Final = ("to", "at", "by", "please", "too", "now", "again", "off", "down", "up")
"""Words that may follow the last name of a list."""
_EXCLUDES: Final = frozenset(
    ("but", "without", "ignoring", "avoiding", "excluding", "minus", "against", "versus")
)
"""Words that take something out of what is asked for."""
_IDIOMS: Final = frozenset(
    (("off", "on"), ("up", "running"), ("down", "up"), ("nice", "fast"), ("nice", "smooth"), ("once", "for"))
)
_WHENEVER: Final = ("every", "each", "if", "when", "whenever", "should", "once")


class OtherClauses:
    """Those of one gist."""

    def __init__(self, gist: Gist, encoder: "Encoder", naming: Naming, aside: Collection[int]) -> None:
        """``aside`` are tokens of a condition known word for word: it is no clause of its own."""
        self._gist, self._encoder, self._naming, self._aside = gist, encoder, naming, frozenset(aside)
        self._limits = encoder.thresholds
        self._asked: dict[tuple[str, ...], Heard | None] = {}

    def may_forbid(self, wish: str) -> bool:
        """Whether there is more than one clause, and the others may forbid what one asks for.

        They may not where all names stand in one clause that asks for ``wish`` by itself, and those before
        it say how things are; or where the names are who the first clause is about, and the next one asks
        for ``wish`` and speaks of them as "it"; nor where nothing is named at all. "Squash it, caddy chokes"
        names who suffers.
        """
        tokens, words = self._gist.tokens, lexicon()
        inner = [
            at
            for at, each in enumerate(tokens)
            if each.kind != "pause" and each.text not in words.idle and at not in self._aside
        ]
        parts = [
            at
            for at in range(min(inner, default=0), max(inner, default=0))
            if (tokens[at].kind == "pause" or tokens[at].text in words.joining)
            and at not in self._aside
            and not self._lists(at)
            and not self._is_phrase(at, wish)
        ]
        if not parts or wish in _OF_NOTHING:
            return False
        named = self._naming.mentioned
        joints = {tokens[at].text for at in parts if tokens[at].kind != "pause"}
        if not named:
            return not joints.isdisjoint(_EXCLUDES)
        if not joints <= {*_LINKS} | ({"than"} if tokens[parts[-1]].text == "than" else set()):
            return True
        if "than" in joints and max(named) < parts[-1]:  # "more than the rest"
            parts = parts[:-1]
        found = Clauses(self._gist, parts, self._aside)
        own = next((at for at, clause in enumerate(found.every) if not named.isdisjoint(clause)), None)
        if own is None or not named <= set(found.every[own]):
            return True
        if len(found.every) == 1:
            return False
        if not all(map(found.told, found.every[:own])):
            return True
        own_clause, others = found.every[own], found.every[own + 1 :]
        orders = found.orders(own_clause, named)
        if orders and all(map(found.told, others)):
            return False  # nothing else is asked for, and the whole sentence was heard
        if self._asks_by_it(found, own, named, wish):
            return False
        of_it = others and self._says_it(others[0]) and not found.told(others[0])
        # "Something starves caddy, squash it" asks in its second clause, whatever the first is taken for.
        if (of_it and not orders) or any(map(found.says_of_another, others)):
            return True
        return not self._asks(own_clause, wish)

    def wish_for_more(self, wish: str) -> bool:
        """Whether both sides of an "and" are wishes by themselves, and not the same."""
        own = [word for word in self._gist.words if word.start not in self._aside]
        words = [word.text for word in own]
        clauses = Clauses(self._gist, (), self._aside)
        for at, word in enumerate(words):
            if word not in _JOINTS or not 0 < at < len(words) - 1:
                continue
            if wish == "watch/restart" and words[0] in _WHENEVER:  # the first side is when
                continue
            if clauses.told(range(own[0].start, own[at].start)) and _is_one(words[:at]):
                continue  # it says how things are
            sides = [self._hear(tuple(part)) for part in (words[:at], words[at + 1 :])]
            wishes = [
                max(side.intents, key=side.intents.__getitem__)
                for side in sides
                if side is not None and max(side.intents.values()) >= self._limits.acts
            ]
            if len(wishes) == 2 and wishes[0] != wishes[1] and "watch" not in (wishes[1], wish):
                return True
        return False

    def _says_it(self, clause: range) -> bool:
        return any(self._gist.tokens[at].text in IT for at in clause)

    def _is_phrase(self, at: int, wish: str) -> bool:
        """Whether the word at ``at`` joins no clauses: "off and on", "with 2 GiB", "or less"."""
        tokens = self._gist.tokens
        text, before = tokens[at].text, tokens[max(at - 1, 0)].text
        after = [token.text for token in tokens[at + 1 : at + 4]]
        if not after:
            return True
        match text:
            case "and":
                return (before, after[0]) in _IDIOMS or self._two_verbs(at)
            case "or" | "than":
                return after[0] in lexicon().groups["quite"]
            case "that":
                return before in lexicon().groups["wishing"]
            case "without":
                return wish == "service/reload"  # of which the negation was let through
            case "with":
                whole = len(after) == 2 and after[0] in ("a", "an") and at + 3 == len(tokens)
                return at + 1 in self._gist.measures or whole
        return False

    def _two_verbs(self, at: int) -> bool:
        """Whether the sentence begins with a verb, "and" and another one: "sync and unmount the stick"."""
        idle = lexicon().idle
        before = [each for each in self._gist.tokens[:at] if each.text not in idle]
        return len(before) == 1 and before[0].kind == "word" and not self._naming.known(before[0])

    def _asks_by_it(self, clauses: Clauses, own: int, named: set[int], wish: str) -> bool:
        """Whether the first clause is about what is ``named``, and the second asks for ``wish`` of "it"."""
        first, second = clauses.every[own], clauses.every[own + 1 : own + 2]
        if not second or not self._says_it(second[0]):
            return False
        one = max(named) - min(named) == len(named) - 1
        about = wish in _BY_IT and one
        about = about or (wish in _TAKEN_BY_IT and one and clauses.says_of(first, named))
        if wish == "limit" and one and clauses.says_of(first, named):
            about = all(self._gist.tokens[at].text not in lexicon().groups["suffering"] for at in first)
        return about and self._asks(second[0], wish)

    def _asks(self, clause: range, wish: str) -> bool:
        """Whether the tokens of ``clause`` ask for ``wish`` by themselves."""
        words = [word.text for word in self._gist.words if word.start in clause]
        it = DRIVE if wish.startswith("device/") else ANY_PROGRAM
        heard = self._hear(tuple(it if word in IT else word for word in words))
        return (
            heard is not None
            and sum(heard.intents.get(each, 0.0) for each in _SAME.get(wish, (wish,))) >= self._limits.acts
            and heard.negated < self._limits.negated
        )

    def _hear(self, words: tuple[str, ...]) -> "Heard | None":
        """What the encoder makes of ``words``, which it is asked once."""
        if words not in self._asked:
            self._asked[words] = self._encoder.hear(words) if words else None
        return self._asked[words]

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


def _is_one(words: Sequence[str]) -> bool:
    """Whether ``words`` are one clause."""
    return lexicon().joining.isdisjoint(words) and not any(word in _JOINTS for word in words)
