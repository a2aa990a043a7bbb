# SPDX-License-Identifier: Apache-2.0
"""A sentence that no template fits, by what the encoder makes of it; slots are filled as a template's are.

The encoder chooses among intents and tells names from other words. Everything else is deterministic, and may
only refuse: a negation, a name that may be one to leave alone, a name or an amount that the wish has no
place for, a time that no task spec holds, a second wish.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from jepa.language.gist import ANY_PROGRAM, Gist, gist_of, is_name, said
from jepa.language.grammar import grammar
from jepa.language.inventory import Inventory
from jepa.language.lexicon import lexicon
from jepa.language.reading import Modifier, Reader, known_name, names_in, reading_of
from jepa.language.slots import near_negation
from jepa.language.specs import READS, empty, infer, mark, modify
from jepa.language.tokens import Token
from jepa.tasks.spec import OPERATIONS

if TYPE_CHECKING:
    from jepa.language.encoder import Encoder, Heard

TIER: Final = "encoder"
_JOINTS: Final = ("and", "then", ";", ".", "but", "also", ",")
_LISTED: Final = ("and", "or", ",", "&", "the", "my", "both")
_TARGETS: Final = frozenset(
    {
        "limit",
        "prioritize",
        *(f"service/{each}" for each in OPERATIONS["service"]),
        *("device/eject", "device/allow", "device/block", "packs/install", "packs/remove", "watch/restart"),
    }
)
"""Wishes that are about something with a name."""
_MAY_NAME: Final = _TARGETS | {"watch", "query", "explain", "forecast", "history"}
_RESOURCES: Final = ("limit", "prioritize", "reclaim", "watch", "query", "explain", "forecast")
_AMOUNTS: Final = ("limit", "prioritize", "reclaim")
_GOALS: Final = ("goal_capture", "goal_reach")
_SHARES: Final = {
    "cores": ("cpu",),
    "MiB/s": ("io", "network"),
    "GiB": ("memory", "disk"),
    "MiB": ("memory", "disk"),
}
_OF_NOTHING: Final = frozenset(("undo", "autonomy/off", "autonomy/advise", "autonomy/ask", "packs/verify"))
"""Acts that touch no unit, by which nothing that is to be left alone could be hit."""
_BY_IT: Final = frozenset(("prioritize", "service/restart", "service/start", "watch", "watch/restart"))
"""Acts that may speak of their object as "it": they do not take anything from it."""
_LINKS: Final = ("and", "so", "because", "since", "then")
"""Words between clauses of which neither takes anything out of the other."""
_BEHIND_LIST: Final = ("to", "at", "by", "please", "too", "now", "again", "off", "down", "up")
"""Words that may follow the last name of a list."""
_EXCLUDES: Final = frozenset(
    ("but", "without", "ignoring", "avoiding", "excluding", "minus", "against", "versus")
)
"""Words that take something out of what is asked for."""
_BOUNDS: Final = frozenset(("bound", "cap", "ceiling", "clamp", "limit", "maximum", "quota", "restriction"))
"""Nouns that a limit is put by on, or for, a name."""
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
_MOST_NAMES: Final = 8
_NEAR: Final = 0.5
"""Of the likeliest wish, from where on another one is near."""


@dataclass(frozen=True, slots=True)
class Meant:
    """What the encoder's word is worth."""

    spec: dict[str, Any] | None
    """The task spec; None where there is none."""
    choices: tuple[dict[str, Any], ...] = ()
    """Task specs that are about as likely as each other."""
    open: dict[str, Any] | None = None
    """The task spec that lacks its target."""
    foreign: bool = False
    """Whether it is most likely nothing that could be done here."""


@dataclass(frozen=True, slots=True)
class _Name:
    text: str
    start: int
    end: int
    """Tokens of the gist."""
    sure: float


def meant(tokens: tuple[Token, ...], inventory: Inventory, encoder: "Encoder") -> Meant:
    """What ``tokens`` mean. JepaError when the encoder is damaged."""
    gist = gist_of(tokens, inventory)
    if not gist.words or any(token.kind == "other" for token in tokens):
        return Meant(None)
    heard = encoder.hear([word.text for word in gist.words])
    if heard is None:
        return Meant(None)
    limits = encoder.thresholds
    if heard.refused >= limits.refuse:
        return Meant(None, foreign=True)
    wishes = sorted(heard.intents, key=lambda each: -heard.intents[each])
    best, share = wishes[0], heard.intents[wishes[0]]
    least = limits.reads if _reads(best) else limits.acts
    near = [each for each in wishes[1:3] if heard.intents[each] >= _NEAR * share]
    reader = _Filling(gist, heard, inventory, encoder)
    if share < least or near:
        specs = [spec for each in (best, *near) if (spec := reader.spec(each)) is not None]
        likely = share + sum(heard.intents[each] for each in near)
        if len(specs) > 1 and likely >= least:
            return Meant(None, choices=tuple(specs))
        return Meant(None)
    spec = reader.spec(best)
    if spec is None:
        return Meant(None)
    if best in _TARGETS and not spec["targets"]:
        return Meant(None, open=spec)
    return Meant(spec)


def _reads(wish: str) -> bool:
    return wish.partition("/")[0] in READS or wish.endswith("/list")


class _Filling:
    """Fills the slots of a gist for one wish after another."""

    def __init__(self, gist: Gist, heard: "Heard", inventory: Inventory, encoder: "Encoder") -> None:
        self._gist, self._heard, self._inventory, self._encoder = gist, heard, inventory, encoder
        self._limits = encoder.thresholds
        self._tags: dict[int, Mapping[str, float]] = {}
        for word, tags in zip(gist.words, heard.tags, strict=True):
            self._tags.setdefault(word.start, tags)

    def spec(self, wish: str) -> dict[str, Any] | None:
        """The task spec of ``wish``; None where it would not be safe, or lacks what it needs."""
        intent, _, operation = wish.partition("/")
        acts = not _reads(wish)
        if acts and (self._negated(wish) or self._spares() or self._protects() or self._bare()):
            return None
        if acts and (self._contrasts() or self._parted(wish) or self._two(wish)):
            return None
        spec = empty(intent)
        spec["operation"], spec["tier"] = operation or None, TIER
        spans: dict[str, list[list[int]]] = {}
        mark(spans, "intent", self._gist.tokens)
        taken = self._modifiers(acts)
        if taken is None:
            return None
        modifiers, left = taken
        for each in modifiers:
            modify(spec, spans, each)
        names = [name for name in self._names(intent == "device", intent in _GOALS) if name.start in left]
        if not self._place(spec, spans, wish, names, acts):
            return None
        if not self._measure(spec, intent, acts):
            return None
        if intent in _RESOURCES:
            spec["resource"] = self._resource(spec)
        if operation == "restart" and intent == "watch" and spec["condition"] is None:
            spec["condition"] = {"kind": "failed"}
        infer(spec)
        if wish == "watch":
            spec["notify"] = True  # whoever has something watched wants to hear of it
        if intent == "reclaim" and spec["resource"] not in ("memory", "disk"):
            return None
        if wish == "watch" and not (spec["targets"] or spec["resource"] or spec["condition"]):
            return None
        if set(spec["targets"]) & set(spec["protect"]):
            return None
        sure = min((name.sure for name in names), default=1.0)
        spec["confidence"] = round(self._heard.intents[wish] * sure, 3)
        spec["spans"] = spans
        return spec

    # What forbids to act

    def _negated(self, wish: str) -> bool:
        """Whether something in it is not to be; "not more than 40 %" only bounds."""
        found = [at for at, token in enumerate(self._gist.tokens) if self._negates(token)]
        return bool(found) and not (wish == "limit" and len(found) == 1 and self._bounds(found[0]))

    def _spares(self) -> bool:
        """Whether it may say without a negation that something is to be left as it is."""
        return self._heard.negated >= self._limits.negated

    def _contrasts(self) -> bool:
        """Whether it sets something apart in words that no template takes for protection."""
        words = lexicon()
        return any(token.text in words.contrasts | words.sparing for token in self._gist.tokens)

    def _parted(self, wish: str) -> bool:
        """Whether it has more than one clause, and the others may forbid what one asks for.

        They may not where each name stands in the first clause and that asks for ``wish`` by itself, or the
        next one does and speaks of the only name as "it"; nor where nothing is named at all. "Squash it, caddy
        chokes" names who suffers.
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
            and heard.intents.get(wish, 0.0) >= self._limits.acts
            and heard.negated < self._limits.negated
        )

    def _named(self) -> set[int]:
        """The tokens that are, or may be, part of a name."""
        names = {at for name in self._names(True, False) for at in range(name.start, name.end)}
        names |= {at for name in self._names(False, False) for at in range(name.start, name.end)}
        return names | {at for at, token in enumerate(self._gist.tokens) if self._known(token)}

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
            or follows.text in (*_LISTED, *_BEHIND_LIST)
        )

    def _known_at(self, at: int) -> bool:
        return 0 <= at < len(self._gist.tokens) and self._known(self._gist.tokens[at])

    def _negates(self, token: Token) -> bool:
        words = lexicon()
        if token.kind != "word" or token.text in words.negations:
            return token.kind == "word"
        right = (grammar().words, words.function, words.idle, words.spelled, words.known)
        if any(token.text in of for of in right) or self._known(token):
            return False
        return near_negation(token.text)

    def _bounds(self, negation: int) -> bool:
        """Whether behind a negation "more than" or the like stands, and behind that the one amount."""
        places = [at for at, token in enumerate(self._gist.tokens) if token.text in _MORE]
        return (
            len(self._gist.amounts) == 1
            and bool(places)
            and negation < places[0]
            and places[-1] < min(self._gist.measures)
        )

    def _known(self, token: Token) -> bool:
        return is_name(token, self._inventory)

    def _bare(self) -> bool:
        """Whether something is to be left alone, and beside it nothing is said that a wish could be about.

        "Whatever happens, never throttle gcc" says no more than its second half.
        """
        if not any(each.kind == "protect" for each in self._gist.modifiers):
            return False
        words = lexicon()
        about = (words.resources, words.classes, words.roles)
        return not self._gist.amounts and not any(
            self._known(token) or any((token.text,) in of for of in about) for token in self._gist.tokens
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

    # What the slots are filled with

    def _modifiers(self, acts: bool) -> tuple[tuple[Modifier, ...], frozenset[int]] | None:
        """What is said beside the wish, and the tokens that are left; None where that cannot be done."""
        kinds = ("condition", "notify", "vague")
        tokens = self._gist.tokens
        rest, _, own = Reader(self._inventory).without_modifiers(tokens, tokens, kinds)
        every = (*self._gist.modifiers, *own)
        said_kinds = [each.kind for each in every]
        vague = any(said_kinds.count(kind) > 1 for kind in ("condition", "until")) or "vague" in said_kinds
        if acts and vague:
            return None
        kept = frozenset(at for at, token in enumerate(tokens) if token in rest)
        return tuple(each for each in every if each.kind not in ("vague", "courtesy")), kept

    def _names(self, device: bool, goal: bool) -> Iterator[_Name]:
        """What is named, in its order: what is a name anywhere, and what the encoder takes for one."""
        tokens = self._gist.tokens
        here = reading_of(tokens, tokens, self._inventory)
        at = 0
        while at < len(tokens):
            resource = max((end for end, _ in here.fillings("resource", at)), default=at)
            if at in self._gist.measures or resource > at + 1:
                at = max(resource, at + 1)
                continue
            found = None if goal else self._certain(here.fillings("device" if device else "target", at), at)
            found = found or self._likely(at, "goal" if goal else "target")
            if found is None:
                at += 1
                continue
            yield from found
            at = found[-1].end

    def _certain(self, fillings: tuple[tuple[int, Any], ...], at: int) -> list[_Name] | None:
        tokens = self._gist.tokens
        if tokens[at].text in lexicon().determiners:
            return None
        for end, names in fillings:
            if all(self._is_certain(name) for name in names):
                return [_Name(name.lower(), at, end, 1.0) for name in names]
        return None

    def _is_certain(self, name: str) -> bool:
        """Whether ``name`` is one wherever it stands."""
        words = tuple(name.split())
        if len(words) > 1 or words in lexicon().classes or words in lexicon().devices:
            return known_name(name, self._inventory)
        if name in lexicon().roles.values():
            return True
        return any(is_name(token, self._inventory) for token in self._gist.tokens if token.text == name)

    def _likely(self, at: int, tag: str) -> list[_Name] | None:
        """Words in a row that the encoder takes for a name."""
        tokens = self._gist.tokens
        end = at
        while (
            end < len(tokens)
            and tokens[end].kind in ("word", "quoted")
            and self._may_name(tokens[end])
            and self._tags.get(end, {}).get(tag, 0.0) >= self._limits.named
        ):
            end += 1
        words = [place for place in range(at, end) if tokens[place].text not in lexicon().determiners]
        if len(words) > 1 and tokens[words[-1]].text in lexicon().dropped_heads:
            words = words[:-1]
        if not words or (tag == "target" and len(words) > 4):
            return None
        sure = min(self._tags[place][tag] for place in words)
        return [_Name(said(tokens, words[0], words[-1] + 1).removesuffix("'s")[:64], at, end, sure)]

    def _may_name(self, token: Token) -> bool:
        words = lexicon()
        return token.text in words.determiners or not (self._negates(token) or token.text in words.function)

    def _place(
        self,
        spec: dict[str, Any],
        spans: dict[str, list[list[int]]],
        wish: str,
        names: list[_Name],
        acts: bool,
    ) -> bool:
        """Put names where the wish has a place for them; False where it has none."""
        tokens = self._gist.tokens
        if spec["intent"] in _GOALS:
            if len(names) != 1:
                return False
            spec["goal"] = names[0].text
            mark(spans, "goal", tokens[names[0].start : names[0].end])
            return True
        if wish not in _MAY_NAME:
            return not (acts and (names or not self._all_named(names)))
        if acts and not (self._all_named(names) and self._keeps_what_is_here()):
            return False
        if len(names) > _MOST_NAMES or (acts and not self._one_list(names)):
            return False
        if acts and names and not self._is_object(names[0], wish):
            return False
        spec["targets"] = list(dict.fromkeys(name.text for name in names))
        for name in names:
            mark(spans, "targets", tokens[name.start : name.end])
        return True

    def _all_named(self, names: list[_Name]) -> bool:
        """Whether each word that looks like a name is one of these, or part of an amount."""
        taken = {at for name in names for at in range(name.start, name.end)} | self._gist.measures
        return not any(
            token.shaped and at not in taken and token.text not in grammar().words
            for at, token in enumerate(self._gist.tokens)
        )

    def _keeps_what_is_here(self) -> bool:
        """Whether all that is to be left alone has a name that is known: else it was not understood."""
        kept = names_in(each for each in self._gist.modifiers if each.kind == "protect")
        return all(known_name(name, self._inventory) for name in kept)

    def _is_object(self, name: _Name, wish: str) -> bool:
        """Whether the wish is about ``name`` itself, not about what is near it or does something to it.

        "Limit the neighbours of caddy" and "kill what blocks sshd" name what is to be spared.
        """
        tokens, words = self._gist.tokens, lexicon()
        first = name.text.split()[0]
        at = next((at for at in range(name.start, name.end) if tokens[at].text == first), name.start)
        before = at - 1
        while before >= 0 and tokens[before].text in words.determiners:
            if tokens[before].text == "of" and not self._measured(before - 1):
                return False
            before -= 1
        if before < 0:
            return True
        text = tokens[before].text
        if text in words.relating:
            return self._relates(text, tokens[max(before - 1, 0)].text, wish)
        return not (text.endswith("ing") and before > 0)

    def _relates(self, text: str, before: str, wish: str) -> bool:
        """Whether a wish reaches its object by the word ``text``, behind ``before``."""
        if wish == "watch":  # changes nothing
            return True
        if wish == "prioritize":
            return text in ("at", "for", "to", "on")
        if wish == "limit":
            return text in ("for", "on") and before in _BOUNDS
        if wish == "service/restart":
            return text == "on" and before == "restart"
        return wish == "service/start" and text == "up"

    def _measured(self, at: int) -> bool:
        """Whether the token at ``at`` is a share, as in "half of", or something that is measured."""
        text, words = self._gist.tokens[max(at, 0)].text, lexicon()
        return at in self._gist.measures or text in words.determiners or (text,) in words.resources

    def _one_list(self, names: list[_Name]) -> bool:
        """Whether between the names there is nothing but what joins a list."""
        tokens = self._gist.tokens
        return all(
            token.text in _LISTED
            for one, other in pairwise(names)
            for token in tokens[one.end : other.start]
        )

    def _measure(self, spec: dict[str, Any], intent: str, acts: bool) -> bool:
        amounts = self._gist.amounts
        if spec["condition"] is not None and "value" in spec["condition"]:
            amounts = ()
        if not acts:
            return True
        if intent not in _AMOUNTS:
            return not amounts
        if len(amounts) > 1:
            return False
        spec["amount"] = amounts[0] if amounts else None
        return True

    def _resource(self, spec: Mapping[str, Any]) -> str | None:
        """The likeliest resource that the amount may be one of."""
        shares = dict(self._heard.resources)
        amount = spec["amount"]
        if amount is not None and amount["unit"] in _SHARES:
            shares = {name: share for name, share in shares.items() if name in _SHARES[amount["unit"]]}
        best = max(shares, key=shares.__getitem__, default="none")
        return None if best == "none" else best
