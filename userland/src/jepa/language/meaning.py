# SPDX-License-Identifier: Apache-2.0
"""A sentence that no template fits, by what the encoder makes of it; slots are filled as a template's are.

The encoder chooses among intents, tells names from other words, and whether something is asked for now.
Everything else is deterministic. A time or an amount that no task spec holds ends it; what else could take
an act back is weighed against what the encoder is sure of.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from jepa.language.circumstances import implied
from jepa.language.gate import probability, signs
from jepa.language.gist import Gist, gist_of, is_drive
from jepa.language.grammar import grammar
from jepa.language.inventory import Inventory
from jepa.language.lexicon import lexicon
from jepa.language.naming import Name, Naming
from jepa.language.other_clauses import LISTED
from jepa.language.quantities import durations, iso
from jepa.language.reading import CONDITIONS, Modifier, Reader
from jepa.language.refusals import refuses
from jepa.language.safeguards import CLAUSES, Safeguards
from jepa.language.specs import READS, empty, infer, mark, modify
from jepa.language.tokens import Token
from jepa.tasks.spec import OPERATIONS

if TYPE_CHECKING:
    from jepa.language.encoder import Encoder, Heard
    from jepa.packs.language import ActGate, Sign

TIER: Final = "encoder"
_TARGETS: Final = frozenset(
    {
        "limit",
        "prioritize",
        *(f"service/{each}" for each in OPERATIONS["service"]),
        *("device/eject", "device/allow", "device/block", "packs/install", "packs/remove", "watch/restart"),
    }
)
"""Wishes that are about something with a name."""
_MAY_NAME: Final = _TARGETS | {"watch", "reclaim", "query", "explain", "forecast", "history"}
_RESOURCES: Final = ("limit", "prioritize", "reclaim", "watch", "query", "explain", "forecast")
_AMOUNTS: Final = ("limit", "prioritize", "reclaim")
_GOALS: Final = ("goal_capture", "goal_reach")
_WHOLE: Final = ("service", "reclaim", "power", "device")
"""Acts that spare nobody by themselves: to limit one, or to put it first, may be for another's sake."""
_LASTING: Final = ("limit", "prioritize", "power")
"""Wishes that stand for a time."""
_PLAYED: Final = {"prioritize": "foreground", "limit": "background"}
"""Which part of the machine a wish that names nobody may be about."""
_SHARES: Final = {
    "cores": ("cpu",),
    "MiB/s": ("io", "network"),
    "GiB": ("memory", "disk"),
    "MiB": ("memory", "disk"),
}
_BOUNDS: Final = frozenset(("bound", "cap", "ceiling", "clamp", "limit", "maximum", "quota", "restriction"))
"""Nouns that a limit is put by on, or for, a name."""
_COMING_UP: Final = frozenset(("starting", "launching", "loading", "running", "booting"))
_REACHED: Final = {
    "service/restart": (("on", "restart"),),
    "service/stop": tuple(("off", verb) for verb in ("shut", "switch", "turn", "power")),
    "service/reload": tuple((by, of) for by in ("on", "of", "for") for of in ("settings", "config")),
    "service/disable": (("of", "autostart"), ("for", "autostart")),
    "service/enable": (("of", "autostart"), ("for", "autostart")),
    "device/allow": (("to", "access"),),
    "device/block": (("to", "access"), ("on", "gate"), ("on", "door")),
    "packs/install": (("in", "pull"), ("in", "bring"), ("in", "put"), ("on", "put")),
}
"""Words by which a wish reaches its object, and what must stand before each: "get off nginx" is no stop."""
_ALL: Final = frozenset(("all", "everything", "everybody", "everyone", "others", "rest"))
_EACH: Final = frozenset(
    ("every", "whole", "anything", "anybody", "background", "apps", "programs", "processes", "them", "other")
)
"""Words for all that runs, where somebody of it is spared."""
_NEGATING_VERBS: Final = ("refuse", "avoid", "refrain")
"""Negations that may be what is wanted of a name: "refuse sdb1"."""
_IN_ONE_LIST: Final = ("and", "or", "nor", "&", "of", "from", "for", "the", "my")
"""Tokens before a further name of what is spared."""
_MOST_NAMES: Final = 8
_NEAR: Final = 0.7
"""Of the likeliest wish, from where on another one is near."""


@dataclass(frozen=True, slots=True)
class Meant:
    """What the encoder's word is worth."""

    spec: dict[str, Any] | None
    """The task spec; None where there is none."""
    choices: tuple[dict[str, Any], ...] = ()
    """Task specs that are about as likely as each other; or one that may be taken back by what was said."""
    open: dict[str, Any] | None = None
    """The task spec that lacks its target."""
    foreign: bool = False
    """Whether it is most likely nothing that could be done here."""


def meant(tokens: tuple[Token, ...], inventory: Inventory, encoder: "Encoder") -> Meant:
    """What ``tokens`` mean. JepaError when the encoder is damaged."""
    read = _heard(tokens, inventory, encoder)
    if read is None:
        return Meant(None)
    gist, heard = read
    limits = encoder.thresholds
    wishes = sorted(heard.intents, key=lambda each: -heard.intents[each])
    best, share = wishes[0], heard.intents[wishes[0]]
    reader = _Filling(tokens, gist, heard, inventory, encoder)
    spec = None if _reads(best) else reader.spec(best)
    if spec is not None and reader.may_act(best, encoder.gate):
        return Meant(None, open=spec) if best in _TARGETS and not spec["targets"] else Meant(spec)
    if heard.refused >= limits.refuse:
        return Meant(None, foreign=True)
    least = limits.reads if _reads(best) else limits.acts
    near = [each for each in wishes[1:3] if heard.intents[each] >= _NEAR * share]
    if all(map(_reads, (best, *near))):  # an answer changes nothing, and costs less than a question back
        near = []
    if share < least or near:
        specs = [spec for each in (best, *near) if (spec := reader.spec(each)) is not None]
        likely = share + sum(heard.intents[each] for each in near)
        if len(specs) > 1 and likely >= least:
            return Meant(None, choices=tuple(specs))
        return Meant(None)
    if _reads(best):
        return Meant(reader.spec(best))
    if spec is None or heard.asks < limits.offers or (best in _TARGETS and not spec["targets"]):
        return Meant(None)
    return Meant(None, choices=(spec,))


def act(
    tokens: tuple[Token, ...], inventory: Inventory, encoder: "Encoder"
) -> "tuple[dict[str, Any], Mapping[Sign, float]] | None":
    """The act that ``tokens`` are likeliest to ask for, not weighed yet, and its signs; None if none."""
    read = _heard(tokens, inventory, encoder)
    if read is None:
        return None
    gist, heard = read
    best = max(heard.intents, key=heard.intents.__getitem__)
    reader = _Filling(tokens, gist, heard, inventory, encoder)
    spec = None if _reads(best) else reader.spec(best)
    return None if spec is None or (best in _TARGETS and not spec["targets"]) else (spec, reader.signs(best))


def _heard(
    tokens: tuple[Token, ...], inventory: Inventory, encoder: "Encoder"
) -> "tuple[Gist, Heard] | None":
    """The gist of ``tokens`` and what the encoder makes of it; None where it is not asked."""
    gist = gist_of(tokens, inventory)
    if not gist.words or any(token.kind == "other" for token in tokens):
        return None
    heard = encoder.hear([word.text for word in gist.words])
    return None if heard is None else (gist, heard)


def _reads(wish: str) -> bool:
    return wish.partition("/")[0] in READS or wish.endswith("/list")


def _joined(tokens: Collection[Token]) -> bool:
    """Whether ``tokens`` join a list."""
    return any(token.text in ("and", "or", "nor", "&") for token in tokens)


def _next_to(last: Token, token: Token, before: Collection[Token]) -> bool:
    """Whether ``token`` is the first of a gist behind ``last``, which was taken out of it."""
    return token.start >= last.end and all(each.end <= last.start for each in before)


class _Filling:
    """Fills the slots of a gist for one wish after another."""

    def __init__(
        self,
        tokens: tuple[Token, ...],
        gist: Gist,
        heard: "Heard",
        inventory: Inventory,
        encoder: "Encoder",
    ) -> None:
        """``tokens`` are those of the whole sentence."""
        self._tokens, self._gist, self._heard, self._inventory = tokens, gist, heard, inventory
        self._least = encoder.thresholds.named
        self._naming = Naming(gist, heard, inventory, encoder.thresholds.named)
        self._safeguards = Safeguards(gist, inventory, encoder, self._naming)
        self._spared = self._naming.spared
        self._misplaced: set[Sign] = set()
        """What stood against the names of the wish that was last filled."""

    def may_act(self, wish: str, gate: "ActGate") -> bool:
        """Whether the ``gate`` lets ``wish`` through, an act and the one that was last filled.

        What clauses mean by themselves is asked for only where it could change that.
        """
        found = self.signs(wish, clauses=False)
        if probability(gate, found) < gate.least:
            return False
        if probability(gate, {**found, **dict.fromkeys(CLAUSES, 1.0)}) >= gate.least:
            return True
        return probability(gate, self.signs(wish)) >= gate.least

    def signs(self, wish: str, clauses: bool = True) -> "Mapping[Sign, float]":
        """What speaks for ``wish``, an act and the one that was last filled, and what against it."""
        found = self._safeguards.found(wish, clauses) | self._misplaced
        if refuses(self._tokens, self._inventory):
            found.add("says_no")
        return signs(self._heard, wish, self._naming, found)

    def spec(self, wish: str) -> dict[str, Any] | None:
        """The task spec of ``wish``; None where none could say it."""
        intent, _, operation = wish.partition("/")
        acts = not _reads(wish)
        self._misplaced = set()
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
        if spec["until"] is None and intent in _LASTING and (lasting := self._lasting()) is not None:
            at, spec["until"] = lasting
            left -= set(range(at, len(self._gist.tokens)))
        names, spoken_of = self._named(wish, left)
        for name in self._spared:
            if name.text not in spec["protect"]:
                spec["protect"].append(name.text)
            mark(spans, "protect", self._gist.tokens[name.start : name.end])
        for at in self._spared_with(spec["protect"], modifiers):
            spec["protect"].append(self._gist.tokens[at].text)
            mark(spans, "protect", self._gist.tokens[at : at + 1])
        placed = {at for name in (*names, *spoken_of) for at in range(name.start, name.end)}
        placed |= set(range(len(self._gist.tokens))) - left
        if not self._place(spec, spans, wish, names, acts, placed):
            return None
        if acts and spec["condition"] is None and spec["until"] is None:
            spec["condition"] = implied(self._gist, intent, placed & left, left)
        if not self._measure(spec, intent, acts):
            return None
        if intent in _RESOURCES:
            spec["resource"] = self._resource(spec)
        if intent == "reclaim" and spec["resource"] == "disk" and spec["targets"]:
            spec["targets"] = []
            self._misplaced.add("no_place")
        if operation == "restart" and intent == "watch" and spec["condition"] is None:
            spec["condition"] = {"kind": "failed"}
        if wish == "watch" and spec["condition"] is None and self._is_device(spec["targets"]):
            spec["condition"] = {"kind": "plugged"}
        self._take_subject(spec, wish)
        self._take_role(spec)
        infer(spec)
        if wish == "watch":
            spec["notify"] = True  # whoever has something watched wants to hear of it
        if intent == "reclaim" and spec["resource"] not in ("memory", "disk"):
            return None
        if wish == "watch" and not (spec["targets"] or spec["resource"] or spec["condition"]):
            return None
        if acts and (self._spares_somebody(spec) or self._negates_a_target(spec, names)):
            return None
        if acts and (intent in _WHOLE or self._safeguards.says_not) and self._leaves_one_out(spec):
            return None
        if intent == "limit" and self._safeguards.says_not and self._is_of_all_but(spec):
            return None
        if not set(spec["protect"]).isdisjoint(
            each for name in spec["targets"] for each in (name, *name.split())
        ):
            return None
        certain = min((name.sure for name in names), default=1.0)
        spec["confidence"] = round(self._heard.intents[wish] * certain, 3)
        spec["spans"] = spans
        return spec

    def _spares_somebody(self, spec: Mapping[str, Any]) -> bool:
        """Whether a word says for certain that somebody is spared, and nobody is known to be, or it says no.

        "Docker and cups are holy, everything else slower": no gate lets that through, either.
        """
        if spec["intent"] in (*_WHOLE, *_PLAYED) and refuses(self._tokens, self._inventory):
            return True
        texts = {token.text for token in self._gist.tokens}
        return not (spec["protect"] or lexicon().groups["spared"].isdisjoint(texts))

    def _negates_a_target(self, spec: Mapping[str, Any], names: Collection[Name]) -> bool:
        """Whether a word right before a target says no to it: "find 3 GiB, just not out of caddy"."""
        tokens, words = self._gist.tokens, lexicon()
        between = (words.determiners | words.relating) - words.negations
        for name in names:
            at = name.start - 1
            while at >= 0 and tokens[at].text in between:
                at -= 1
            if at < 0 or name.text not in spec["targets"] or tokens[at].text in _NEGATING_VERBS:
                continue
            if self._naming.negates(tokens[at]):
                return True
        return False

    def _leaves_one_out(self, spec: Mapping[str, Any]) -> bool:
        """Whether somebody is named who is neither meant nor spared: it may be who is spared.

        "Clean the disk, files of gcc are forbidden": no gate lets that through.
        """
        condition = spec["condition"] or {}
        said = (*spec["targets"], *spec["protect"], *condition.get("targets", ()))
        taken = {word for name in said for word in name.split()}
        tokens = self._gist.tokens
        return any(tokens[at].text.removesuffix("'s") not in taken for at in self._naming.certain)

    def _is_of_all_but(self, spec: Mapping[str, Any]) -> bool:
        """Whether everything is spoken of, and somebody named, and nobody is known to be spared.

        "All slower, only caddy no": who is named may be who is spared.
        """
        texts = {token.text for token in self._gist.tokens}
        return bool(spec["targets"]) and not spec["protect"] and not _ALL.isdisjoint(texts)

    def _spared_with(self, protect: Collection[str], modifiers: Collection[Modifier]) -> list[int]:
        """The tokens that may be a name in one list with what is spared: "from caddy and of zorgd"."""
        tokens = self._gist.tokens
        ends = {name.end for name in self._spared}
        last = [each.tokens[-1] for each in modifiers if each.kind == "protect"]
        ends |= {
            at for at, token in enumerate(tokens) for each in last if _next_to(each, token, tokens[:at])
        }
        found = []
        for end in ends:
            at = end
            while at < len(tokens) and tokens[at].text in _IN_ONE_LIST:
                at += 1
            if _joined(tokens[end:at]) and self._may_be_spared(at, protect):
                found.append(at)
        for start in (name.start for name in self._spared):
            at = start - 1
            while at > 0 and tokens[at].text in _IN_ONE_LIST:
                at -= 1
            if _joined(tokens[at + 1 : start]) and self._may_be_spared(at, protect):
                found.append(at)
        return found

    def _may_be_spared(self, at: int, protect: Collection[str]) -> bool:
        tokens = self._gist.tokens
        return 0 <= at < len(tokens) and tokens[at].text not in protect and self._naming.stranger(at)

    def _is_device(self, names: Collection[str]) -> bool:
        """Whether all that is watched are devices, of which nothing is told but that they come."""
        return bool(names) and all(
            tuple(name.split()) in lexicon().devices or is_drive(name) for name in names
        )

    # What the slots are filled with

    def _named(self, wish: str, left: Collection[int]) -> tuple[list[Name], list[Name]]:
        """The names that ``wish`` is about, and those that are spared or only spoken of.

        Where one that is about names would have none, what is only spoken of is none of the latter.
        """
        intent = wish.partition("/")[0]
        spared = {at for name in self._spared for at in range(name.start, name.end)}
        found = [
            name for name in self._naming.names(intent == "device", intent in _GOALS) if name.start in left
        ]
        if wish == "watch" and not found:
            found = [name for name in self._naming.names(True, False) if name.start in left]
            # "Less than 1 GiB left on the disk" is about the resource.
            found = [name for name in found if tuple(name.text.split()) not in lexicon().resources]
        own = [name for name in found if spared.isdisjoint(range(name.start, name.end))]
        meant = own if intent in _GOALS else [name for name in own if not self._naming.beside(name)]
        if not meant and (wish in _TARGETS or wish == "watch"):
            meant = own
        return meant, [*(name for name in found if name not in meant), *self._spared]

    def _lasting(self) -> tuple[int, str] | None:
        """Where a span of time begins that ends the sentence with no word before that says when, and it.

        "Boost spotify 15 min"; in "in 15 min" it is when the wish begins.
        """
        tokens = self._gist.tokens
        for at in range(1, len(tokens)):
            if at in self._gist.measures or tokens[at - 1].text in lexicon().function | lexicon().relating:
                continue
            for end, seconds in durations(tokens, at):
                if all(each.kind == "pause" or each.text in lexicon().idle for each in tokens[end:]):
                    return at, iso(seconds)
        return None

    def _take_subject(self, spec: dict[str, Any], wish: str) -> None:
        """Let a wish without its object be about what its condition is about: "if caddy dies, start it"."""
        condition = spec["condition"]
        if wish in _TARGETS and not spec["targets"] and condition is not None and "targets" in condition:
            spec["targets"] = list(condition["targets"])

    def _take_role(self, spec: dict[str, Any]) -> None:
        """Let a wish without a name be about what is in front, or behind, where its words say so.

        "Whatever I've got in front of me should be quickest", "everything bar caddy can be slowed".
        """
        if spec["targets"] or spec["intent"] not in _PLAYED:
            return
        words = [token.text for token in self._gist.tokens]
        texts = {text for before, text in pairwise(("", *words)) if (before, text) != ("at", "all")}
        groups = lexicon().groups
        if spec["intent"] == "prioritize":
            found = not (groups["whichever"].isdisjoint(texts) or groups["in_front"].isdisjoint(texts))
        else:
            behind = not groups["behind"].isdisjoint(texts)
            every = groups["everything"] | (_EACH if spec["protect"] else frozenset())
            found = not every.isdisjoint(texts) and (behind or bool(spec["protect"]))
        if found:
            spec["targets"] = [_PLAYED[spec["intent"]]]

    def _modifiers(self, acts: bool) -> tuple[tuple[Modifier, ...], frozenset[int]] | None:
        """What is said beside the wish, and the tokens that are left; None where that cannot be done."""
        tokens = self._gist.tokens
        rest, _, own = Reader(self._inventory).without_modifiers(tokens, tokens, CONDITIONS)
        every = (*self._gist.modifiers, *own)
        said_kinds = [each.kind for each in every]
        vague = any(said_kinds.count(kind) > 1 for kind in ("condition", "until")) or "vague" in said_kinds
        if acts and vague:
            return None
        kept = frozenset(at for at, token in enumerate(tokens) if token in rest)
        return tuple(each for each in every if each.kind not in ("vague", "remark", "courtesy")), kept

    def _place(
        self,
        spec: dict[str, Any],
        spans: dict[str, list[list[int]]],
        wish: str,
        names: list[Name],
        acts: bool,
        taken: Collection[int],
    ) -> bool:
        """Put names where the wish has a place for them; False where no task spec has."""
        tokens = self._gist.tokens
        if spec["intent"] in _GOALS:
            names = names if len(names) == 1 else self._naming.called()
            if len(names) != 1:
                return False
            spec["goal"] = names[0].text
            mark(spans, "goal", tokens[names[0].start : names[0].end])
            return True
        if acts and not self._all_named(taken):
            self._misplaced.add("unnamed")
        if wish not in _MAY_NAME:
            if acts and names:
                self._misplaced.add("no_place")
            return True
        if len(names) > _MOST_NAMES:
            return False
        if acts and not self._is_of(names, wish):
            self._misplaced.add("no_object")
        if acts and not self._one_list(names):
            self._misplaced.add("no_list")
            names = [name for name in names if self._naming.share(name, "target") >= self._least]
            if not self._one_list(names):
                return False
        spec["targets"] = list(dict.fromkeys(name.text for name in names))
        for name in names:
            mark(spans, "targets", tokens[name.start : name.end])
        return True

    def _is_of(self, names: list[Name], wish: str) -> bool:
        """Whether ``wish`` is about what has ``names``."""
        return not names or wish.startswith(_GOALS) or self._is_object(names[0], wish)

    def _all_named(self, taken: Collection[int]) -> bool:
        """Whether each word that looks like a name is one of those ``taken``, or part of an amount."""
        return not any(
            token.shaped
            and at not in taken
            and at not in self._gist.measures
            and token.text not in grammar().words
            for at, token in enumerate(self._gist.tokens)
        )

    def _is_object(self, name: Name, wish: str) -> bool:
        """Whether the wish is about ``name`` itself, not about what is near it or does something to it.

        "Limit the neighbours of caddy" and "kill what blocks sshd" name what is to be spared.
        """
        tokens, words = self._gist.tokens, lexicon()
        first = name.text.split()[0]
        at = next((at for at in range(name.start, name.end) if tokens[at].text == first), name.start)
        before = at - 1
        while before >= 0 and tokens[before].text in words.determiners:
            if tokens[before].text == "of" and not self._measured(before - 1):
                return tokens[max(before - 1, 0)].text in words.own
            before -= 1
        if before < 0:
            return True
        text = tokens[before].text
        if text in words.relating:
            return self._relates(text, self._related(before - 1), wish)
        return not (text.endswith("ing") and before > 0) or (
            wish == "service/disable" and text in _COMING_UP
        )

    def _related(self, at: int) -> str:
        """What the token at ``at`` is part of: of "a ceiling of 2 GiB", the ceiling."""
        tokens = self._gist.tokens
        while at > 0 and (at in self._gist.measures or tokens[at].text == "of"):
            at -= 1
        return tokens[max(at, 0)].text

    def _relates(self, text: str, before: str, wish: str) -> bool:
        """Whether a wish reaches its object by the word ``text``, behind ``before``."""
        if wish == "watch":  # changes nothing
            return True
        if wish == "prioritize":
            return text in ("at", "for", "to", "on")
        if wish == "reclaim":
            return text in ("of", "off", "from", "by", "on", "in")
        if wish == "limit":
            bound = text in ("for", "on") and before in _BOUNDS
            return bound or (text in ("by", "for", "from") and before in lexicon().own)
        return (text, before) in _REACHED.get(wish, ()) or (wish == "service/start" and text == "up")

    def _measured(self, at: int) -> bool:
        """Whether the token at ``at`` is a share, as in "half of", or something that is measured."""
        text, words = self._gist.tokens[max(at, 0)].text, lexicon()
        return at in self._gist.measures or text in words.determiners or (text,) in words.resources

    def _one_list(self, names: list[Name]) -> bool:
        """Whether between the names there is nothing but what joins a list."""
        tokens = self._gist.tokens
        return all(
            token.text in LISTED for one, other in pairwise(names) for token in tokens[one.end : other.start]
        )

    def _measure(self, spec: dict[str, Any], intent: str, acts: bool) -> bool:
        amounts = self._gist.amounts
        if spec["condition"] is not None and "value" in spec["condition"]:
            amounts = ()
        if not acts:
            return True
        if intent == "watch" and len(amounts) == 1 and spec["condition"] is None:
            below = not lexicon().groups["falling"].isdisjoint(token.text for token in self._gist.tokens)
            kind = "below" if below else "above"
            spec["condition"] = {"kind": kind, **amounts[0], "resource": self._resource(spec)}
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
        texts = {token.text for token in self._gist.tokens}
        if best in ("none", "io") and not lexicon().groups["wire"].isdisjoint(texts) and "network" in shares:
            return "network"
        condition = spec["condition"]
        if spec["intent"] == "explain" and best == "none" and not lexicon().groups["fans"].isdisjoint(texts):
            return "temperature"
        # "If memory falls below 1 GiB, slow caddy": by whatever means.
        if spec["intent"] == "limit" and amount is None and condition is not None and "value" in condition:
            return None if best in ("none", condition.get("resource")) else best
        return None if best == "none" else best
