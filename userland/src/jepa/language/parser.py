# SPDX-License-Identifier: Apache-2.0
"""A sentence to a task spec, by templates; whatever is unclear becomes ``none`` with a question.

First what any wish may carry is taken out of the sentence: what is protected, conditions, durations, that a
person wants to be told. What is left must be one sentence of one intent, word for word; a negation or an
unknown word that no template names leaves no sentence, so that nothing is done.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from jepa.language.inventory import Inventory, Nothing
from jepa.language.lexicon import lexicon
from jepa.language.meaning import TIER, Meant, meant
from jepa.language.quantities import span_to
from jepa.language.reading import Found, Reader, known_name, names_in, spelled_right
from jepa.language.refusals import refuses
from jepa.language.saying import is_it
from jepa.language.specs import READS, empty, fill, infer, mark, modify
from jepa.language.tokens import SHAPED, Token, Unreadable, tokenise

if TYPE_CHECKING:
    from jepa.language.encoder import Encoder

_JOINTS: Final = ("and", "then", ";", ".", ",", "...", "!")
_MOST_JOINTS: Final = 4
_RAREST: Final = ("explain", "forecast", "query")
_LOOSE: Final = 4.0
"""How much a question with skipped words weighs less than any that has none."""
_NOT_UNDERSTOOD: Final = "`jepa help` says what can be asked; say it in other words?"
_SAYS_NO: Final = "Nothing is done, since a part of that says no. What should be done instead?"
_SURE, _CORRECTED, _UNKNOWN_NAME, _SKIPPED = 1.0, 0.9, 0.8, 0.6


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a sentence means, and what could answer the question where it is unclear."""

    spec: dict[str, Any]
    choices: tuple[dict[str, Any], ...] = ()
    """Task specs between which the question asks."""
    open: dict[str, Any] | None = None
    """The task spec whose target the question asks for."""
    loose: bool = False
    """Whether no template says it word for word."""
    doubtful: bool = False
    """Whether it would act upon something that is nothing but a word nobody knows."""

    @property
    def unsettled(self) -> bool:
        """Whether an encoder may have something to say about it."""
        return self.loose or self.doubtful


def parse(
    text: str,
    inventory: Inventory | None = None,
    encoder: "Encoder | None" = None,
    now: datetime | None = None,
) -> dict[str, Any]:
    """The task spec of ``text``, with every field of ``jepa.tasks.spec.TaskSpec``.

    A time of day is counted from ``now``, the local time without a zone; by default that of the clock.
    JepaError where there is an ``encoder`` and it is damaged; else it never raises.
    """
    return parse_openly(text, inventory, encoder, now).spec


def parse_openly(
    text: str,
    inventory: Inventory | None = None,
    encoder: "Encoder | None" = None,
    now: datetime | None = None,
) -> Parsed:
    """As ``parse``, with what the question asks between."""
    read = _read(text, inventory, encoder)
    now = now or datetime.now()
    return replace(
        read,
        spec=_counted(read.spec, now),
        choices=tuple(_counted(each, now) for each in read.choices),
        open=None if read.open is None else _counted(read.open, now),
    )


def _counted(spec: dict[str, Any], now: datetime) -> dict[str, Any]:
    """``spec`` with the span to a time of day that was said as its end."""
    until = spec["until"]
    return {**spec, "until": span_to(until, now)} if until is not None and ":" in until else spec


def _read(text: str, inventory: Inventory | None, encoder: "Encoder | None") -> Parsed:
    """What the sentence means; nothing that acts where it says no."""
    read = _understood(text, inventory, encoder)
    wishes = (read.spec, *read.choices, *(() if read.open is None else (read.open,)))
    # What the encoder read has been weighed against it.
    if not any(map(_acts, wishes)) or (_acts(read.spec) and read.spec["tier"] == TIER):
        return read
    tokens = tokenise(unicodedata.normalize("NFC", text))
    if not refuses(tokens, inventory or Nothing()):
        return read
    return Parsed(_none(_SAYS_NO, read.spec["protect"]))


def _acts(spec: Mapping[str, Any]) -> bool:
    return spec["intent"] not in READS and spec["operation"] != "list"


def _understood(text: str, inventory: Inventory | None, encoder: "Encoder | None") -> Parsed:
    text = unicodedata.normalize("NFC", text)
    try:
        tokens = tokenise(text)
    except Unreadable as unreadable:
        return Parsed(_none(str(unreadable)))
    here = inventory or Nothing()
    read = _by_templates(text, tokens, here)
    if encoder is None:
        return read
    if read.doubtful:
        return _doubted(read, tokens, here, encoder)
    return _by_meaning(read, meant(tokens, here, encoder)) if read.unsettled else read


def _doubted(read: Parsed, tokens: tuple[Token, ...], here: Inventory, encoder: "Encoder") -> Parsed:
    """An act upon what nobody knows by that name, if the encoder does not make something else of it.

    "Whos eating the cpu" names no program "whos" that is to be limited, and "stop the music" no service.
    """
    found = meant(tokens, here, encoder)
    if found.foreign:
        return Parsed(_none(_NOT_UNDERSTOOD, read.spec["protect"]))
    if found.spec is None or found.spec["intent"] == read.spec["intent"]:
        return read
    if found.spec["intent"] in READS:
        return Parsed(found.spec)
    wishes = (read.spec, found.spec)
    question = f"That may mean {' or '.join(map(_said, wishes))}: which?"
    return Parsed(_none(question, read.spec["protect"]), wishes)


def _by_meaning(read: Parsed, found: Meant) -> Parsed:
    """What the encoder made of a sentence, where it made something of it; else as it was ``read``."""
    protect = read.spec["protect"]
    if read.choices:  # templates say what it may be, and the encoder nothing else
        meanings = [each["intent"] for each in read.choices]
        return read if found.spec is None or found.spec["intent"] not in meanings else Parsed(found.spec)
    if found.spec is not None:
        return Parsed(found.spec)
    if len(found.choices) == 1:
        (wish,) = found.choices
        return Parsed(_none(is_it(wish), protect), found.choices)
    if found.choices:
        wishes = " or ".join(dict.fromkeys(_said(each) for each in found.choices))
        return Parsed(_none(f"That may mean {wishes}: which?", protect), found.choices)
    if found.open is not None:
        verb = " ".join(filter(None, (found.open["intent"], found.open["operation"])))
        return Parsed(_none(f"What is it that you want to {verb}?", protect), open=found.open)
    if found.foreign and read.spec["intent"] != "none":
        return Parsed(_none(_NOT_UNDERSTOOD, protect))
    return read


def _by_templates(text: str, tokens: tuple[Token, ...], here: Inventory) -> Parsed:
    """What a template says of the sentence."""
    found = Reader(here).ways(tokens)
    if all(_skips(each) for each in found) or any(_names_unknown(each, here) for each in found):
        found = _better_spelled(tokens, found, here)
    if not found:
        return _unclear(text, tokens, here)
    most = max(_weight(each, here) for each in found)
    likely = [each for each in found if _weight(each, here) == most]
    if all(
        map(_skips, likely)
    ):  # a question in which words are skipped has no exact meaning: the rarest one
        intent = min((each.template.fields["intent"] for each in likely), key=_RAREST.index)
        likely = [each for each in likely if each.template.fields["intent"] == intent][:1]
    best = [_spec(each) for each in likely]
    if any(_meaning(each) != _meaning(best[0]) for each in best):
        wishes = " or ".join(dict.fromkeys(_said(each) for each in best))
        question = _none(f"That may mean {wishes}: which?", protect=best[0]["protect"])
        settled = [_settled(*each, here).spec for each in zip(best, likely, strict=True)]
        distinct = {_said(each): each for each in settled if each["intent"] != "none"}
        # The encoder may choose between them, and nothing else.
        return Parsed(question, tuple(distinct.values()), loose=True)
    # How things are is told at once: "tell me if caddy crashes, ok" asks for no status.
    later = best[0]["intent"] == "status" and best[0]["condition"] is not None
    loose = later or _skips(likely[0]) or (_names_unknown(likely[0], here) and likely[0].changed == 0)
    doubtful = likely[0].acts and _is_strange(best[0], here)
    return replace(_settled(best[0], likely[0], here), loose=loose, doubtful=doubtful)


def _skips(found: Found) -> bool:
    """Whether it is a question in which words are skipped."""
    return any(capture.name == "words" for capture in found.match.captures)


def _names_unknown(found: Found, inventory: Inventory) -> bool:
    """Whether a name in it is nothing but a word that nobody knows."""
    names = [
        name
        for capture in found.match.captures
        if capture.name in ("target", "known", "beside")
        for name in capture.value
    ]
    return not found.acts and not all(known_name(name, inventory) for name in names)


def _is_strange(spec: Mapping[str, Any], inventory: Inventory) -> bool:
    """Whether a target of ``spec`` is neither known nor looks like a name."""
    return any(not known_name(name, inventory) and SHAPED.search(name) is None for name in spec["targets"])


def _better_spelled(tokens: tuple[Token, ...], found: list[Found], inventory: Inventory) -> list[Found]:
    """The ways to read the corrected sentence, where these say more than ``found`` or there are none."""
    spelled = spelled_right(tokens, inventory)
    if spelled == tokens:
        return found
    others = Reader(inventory).ways(spelled, tokens)
    most = max((_weight(each, inventory) for each in found), default=-1.0)
    better = any(_weight(each, inventory) >= most for each in others)
    return others if better and not (found and any(each.acts for each in others)) else found


def _weight(found: Found, inventory: Inventory) -> float:
    """How well it fits: words that a template names weigh more than what fills its slots."""
    named = sum(
        0.5
        for capture in found.match.captures
        if capture.name in ("target", "known", "device")
        and all(known_name(name, inventory) for name in capture.value)
    )
    needed = 0.5 if found.template.fields.get("needs") else 0.0
    # Words that a question skips count against it.
    skipped = sum(each.end - each.start for each in found.match.captures if each.name == "words")
    return found.match.words + named + needed - (_LOOSE + skipped if skipped else 0.0)


# The task spec


def _spec(found: Found) -> dict[str, Any]:
    """The fields of ``found``."""
    fields = found.template.fields
    spec = empty(fields["intent"])
    spec["operation"] = fields.get("operation")
    spec["resource"] = fields.get("resource")
    spec["notify"] = bool(fields.get("notify")) or fields.get("notify_by") == "tell"
    spans: dict[str, list[list[int]]] = {}
    mark(spans, "intent", found.tokens)
    for capture in found.match.captures:
        fill(spec, spans, capture, found.tokens)
    for each in found.modifiers:
        modify(spec, spans, each)
    if fields.get("fails") and spec["condition"] is None:
        spec["condition"] = {"kind": "failed"}
    if fields.get("crosses") and spec["amount"] is not None and spec["condition"] is None:
        spec["condition"] = {"kind": fields["crosses"], **spec["amount"], "resource": spec["resource"]}
        spec["amount"] = None
    infer(spec)
    spec["spans"] = spans
    return spec


def _meaning(spec: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in spec.items() if name not in ("spans", "confidence")}


def _said(spec: dict[str, Any]) -> str:
    """A spec in a few words."""
    return " ".join(filter(None, (spec["intent"], spec["operation"], spec["resource"], *spec["targets"])))


def _settled(spec: dict[str, Any], found: Found, inventory: Inventory) -> Parsed:
    """The spec, if it can be acted upon as it is: what is protected is no target."""
    if found.acts and not found.template.fields.get("reads"):
        both = [name for name in spec["targets"] if name in spec["protect"]]
        if both:
            return Parsed(
                _none(f"{both[0]} is to be changed and left alone at once: which?", protect=spec["protect"])
            )
        if spec["intent"] == "watch" and not (
            spec["targets"] or spec["resource"] or _of_the_machine(spec["condition"])
        ):
            return Parsed(_none("What should be watched?", protect=spec["protect"]), open=spec)
        if spec["intent"] == "watch" and spec["operation"] == "restart" and not spec["targets"]:
            question = _none("What should be restarted when it fails?", protect=spec["protect"])
            return Parsed(question, open=spec)
    spec["confidence"] = (
        _SKIPPED
        if _skips(found)
        else _CORRECTED
        if found.changed
        else _SURE
        if all(known_name(name, inventory) for name in spec["targets"])
        else _UNKNOWN_NAME
    )
    return Parsed(spec)


def _of_the_machine(condition: Mapping[str, Any] | None) -> bool:
    """Whether a condition says by itself what it is about."""
    return condition is not None and condition["kind"] != "failed"


# What is not understood


def unreadable(question: str) -> dict[str, Any]:
    """The answer to what cannot even be read."""
    return _none(question)


def _none(question: str, protect: Iterable[str] = ()) -> dict[str, Any]:
    return {**empty("none"), "protect": list(protect), "question": question}


def _unclear(text: str, tokens: tuple[Token, ...], inventory: Inventory) -> Parsed:
    """Why nothing was understood, as a question."""
    words = lexicon()
    *_, modifiers = Reader(inventory).without_modifiers(tokens, tokens, ("protect",))
    protect = names_in(modifiers)
    negated = [token.text for token in tokens if token.text in words.negations]
    if protect or negated:
        kept = f"{', '.join(protect)} is left alone; " if protect else ""
        return Parsed(_none(f"{kept}nothing is done. What should be done instead?", protect), loose=True)
    if two := next(_two(tokens, inventory), None):
        question = _none(f"These are two wishes, {' and '.join(two.values())}: which one first?")
        wishes = [_part(text, tokens[start:end], inventory) for start, end in two]
        if (one := _same_wish(wishes)) is not None:
            return Parsed(one)
        return Parsed(question, () if any(each["intent"] == "none" for each in wishes) else tuple(wishes))
    return Parsed(_none(_NOT_UNDERSTOOD), loose=True)


def _two(tokens: tuple[Token, ...], inventory: Inventory) -> Iterator[dict[tuple[int, int], str]]:
    """Two wishes in one sentence: from which token to which, and the wish in a few words."""
    joints = [at for at, token in enumerate(tokens[1:-1], 1) if token.text in _JOINTS]
    for at in joints[:_MOST_JOINTS]:
        first = Reader(inventory).ways(tokens[:at])
        second = Reader(inventory).ways(tokens[at + 1 :]) if first else []
        if second:
            yield {
                (0, at): _said(_spec(first[0])),
                (at + 1, len(tokens)): _said(_spec(second[0])),
            }


def _same_wish(wishes: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The one that says all that the others do, as in "the fans scream, why is it so hot"; None if none."""

    def says(spec: dict[str, Any], other: dict[str, Any]) -> bool:
        fields = _meaning(other).items()
        return all(spec[name] == value for name, value in fields if value and name != "tier")

    return next(
        (each for each in wishes if each["intent"] != "none" and all(says(each, other) for other in wishes)),
        None,
    )


def _part(text: str, tokens: tuple[Token, ...], inventory: Inventory) -> dict[str, Any]:
    """The task spec of a part of ``text``, its spans as places in the whole."""
    start = tokens[0].start
    spec = parse(text[start : tokens[-1].end], inventory)
    spans = {
        name: [[start + at for at in span] for span in found]
        for name, found in (spec["spans"] or {}).items()
    }
    return {**spec, "spans": spans or None}
