# SPDX-License-Identifier: Apache-2.0
"""What stands against an act that the encoder read: negations, words of sparing, other clauses, two wishes.

Some of it forbids the act; the rest is a doubt, which the encoder may clear where it is sure that something
is asked for now, and of whom.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from jepa.language.clauses import Clauses
from jepa.language.gist import ANY_PROGRAM, DRIVE, Gist
from jepa.language.inventory import Inventory
from jepa.language.lexicon import lexicon
from jepa.language.naming import Name, Naming
from jepa.language.negations import Negations
from jepa.language.reading import CONDITIONS, Reader, known_name, names_in
from jepa.language.tokens import Token

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
_IT: Final = ("it", "its")
_OPENING: Final = frozenset(("if", "when", "whenever", "should", "once", "because", "since", "as", "though"))
_LEFT: Final = (
    frozenset(("leave", "alone")),
    frozenset(("left", "alone")),
    frozenset(("leave", "be")),
    frozenset(("leave", "peace")),
    frozenset(("let", "be")),
    frozenset(("let", "alone")),
)
"""Words that, together, leave something as it is."""
_SAME: Final = {"watch/restart": ("watch/restart", "service/restart")}
"""What a clause by itself may ask for where the whole sentence, with its condition, asks for another act."""
_GIVES: Final = frozenset(("device/allow", "power/performance"))
_GIVING: Final = frozenset(("let",))
_HOLDING: Final = frozenset(("keep", "keeps", "hold"))
"""Words of sparing that are none beside some acts."""
_OTHERS: Final = frozenset(("else", "everyone", "everybody", "anyone", "anybody"))
"""Whom something may be put before; who of these is named is found elsewhere."""
_AHEAD: Final = ("over", "than", "before", "above", "ahead", "of", "to", "and", "as", "more")
"""Words before those whom something is put before."""
_TAKES: Final = frozenset(
    ("service/stop", "service/disable", "service/restart", "packs/remove", "device/eject")
)
"""Acts beside which a word of holding spares somebody else: "kill caddy, keep redis"."""
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
_NEXT: Final = 5
"""Words behind a form of "to be" that may say how something is."""
_WHENEVER: Final = ("every", "each", "if", "when", "whenever", "should", "once")


class Safeguards:
    """Those of one gist. They are deterministic but for the encoder's word, which may only add to them."""

    def __init__(
        self, gist: Gist, heard: "Heard", inventory: Inventory, encoder: "Encoder", naming: Naming
    ) -> None:
        self._gist, self._heard, self._inventory, self._encoder = gist, heard, inventory, encoder
        self._limits, self._naming = encoder.thresholds, naming
        self._asked: dict[tuple[str, ...], Heard | None] = {}
        self._aside = self._conditions()
        self._negations = Negations(gist, naming, self._aside)

    def forbid(self, wish: str) -> bool:
        """Whether ``wish``, an act, may not be done by this sentence, whatever the encoder makes of it."""
        return (
            self._heard.asks < self._limits.withheld
            or self._negations.prohibit(wish)
            or self._leaves_out()
            or self._spares()
            or self._bare()
            or (wish not in _GIVES and self._is_content())
            or self._spares_a_part()
            or self._spares_an_adverb()
        )

    def doubt(self, wish: str) -> bool:
        """Whether something in the sentence could take ``wish``, an act, back."""
        return (
            self._negations.forbid(wish)
            or self._protects(wish)
            or self._contrasts(wish)
            or (wish == "prioritize" and self._is_of_others(wish))
            or self._parted(wish)
            or self._two(wish)
        )

    def asked(self) -> bool:
        """Whether the encoder is sure that something is asked for now, and that nothing is to be spared."""
        return self._heard.asks >= self._limits.asks and not self._protects("")

    def cleared(self, wish: str, names: Sequence[Name]) -> bool:
        """Whether the encoder is sure that ``wish`` is asked for now, and just of those with ``names``."""
        if len(names) > 1 or (not names and self._contrasts(wish)) or self._is_of_others(wish):
            return False
        if wish in _TAKES and not _HOLDING.isdisjoint(token.text for token in self._gist.tokens):
            return False
        targets = {at for name in names for at in range(name.start, name.end)}
        told = [at for at in self._named() if at not in targets and at not in self._aside]
        return (
            self.asked()
            and self._heard.intents[wish] >= self._limits.doubted
            and not told
            and all(
                self._naming.share(name, "target") >= self._limits.surely and self._is_it(name)
                for name in names
            )
        )

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

    def _is_it(self, name: Name) -> bool:
        """Whether "it", where that is said, can only be ``name``: with that the sentence begins."""
        words, tokens = lexicon(), self._gist.tokens
        if not any(token.text in _IT for token in tokens):
            return True
        before = tokens[: name.start]
        return all(each.text in words.idle | words.determiners | _OPENING for each in before) or any(
            token.text in _IT for token in before
        )

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

    def _leaves_out(self) -> bool:
        """Whether a word says for certain that something is left out or stays as it is."""
        texts = {token.text for token in self._gist.tokens}
        return not lexicon().groups["spared"].isdisjoint(texts) or any(each <= texts for each in _LEFT)

    def _spares(self) -> bool:
        """Whether it may say without a negation that something is to be left as it is."""
        return self._heard.negated >= self._limits.negated

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
        named = self._named()
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

    def _parted(self, wish: str) -> bool:
        """Whether it has more than one clause, and the others may forbid what one asks for.

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
        named = self._named()
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

    def _says_it(self, clause: range) -> bool:
        return any(self._gist.tokens[at].text in _IT for at in clause)

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
        heard = self._hear(tuple(it if word in _IT else word for word in words))
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

    def _named(self) -> set[int]:
        """The tokens that are, or may be, part of a name."""
        names = {at for name in self._naming.names(True, False) for at in range(name.start, name.end)}
        names |= {at for name in self._naming.names(False, False) for at in range(name.start, name.end)}
        names = {at for at in names if (self._gist.tokens[at].text,) not in lexicon().resources}
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

    def _protects(self, wish: str) -> bool:
        """Whether a word may name what is to be left alone; the memory or disk that is cleared is none."""
        cleared = lexicon().resources if wish == "reclaim" else {}
        return any(
            tags["protect"] >= self._limits.protected and (word.text,) not in cleared
            for word, tags in zip(self._gist.words, self._heard.tags, strict=True)
        )

    def _two(self, wish: str) -> bool:
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

    def _spares_an_adverb(self) -> bool:
        """Whether what was taken for a name to be left alone is an adverb: "particularly not caddy's"."""
        kept = names_in(each for each in self._gist.modifiers if each.kind == "protect")
        return any(name.endswith("ly") and not known_name(name, self._inventory) for name in kept)


def _is_one(words: Sequence[str]) -> bool:
    """Whether ``words`` are one clause."""
    return lexicon().joining.isdisjoint(words) and not any(word in _JOINTS for word in words)


def _end(token: Token) -> int:
    return token.end
