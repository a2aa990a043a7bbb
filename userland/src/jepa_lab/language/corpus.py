# SPDX-License-Identifier: Apache-2.0
"""The corpus: templates of sentences, each with what it means, filled with names and quantities.

A file a person: what one kind of person would say. The grammar was made with "dev", heads are trained on
"train" and "dev", and "test" is for measuring; no template stands in two parts. A line is
``sentence | intent/operation r=resource t=targets a=amount u=duration c=condition p=protect g=goal n``;
further meanings that are as right follow behind another ``|``.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from jepa.language.quantities import clocks, span_to
from jepa.language.tokens import tokenise

CORPUS: Final = Path(__file__).parents[4] / "model-packs/language/corpus"
PARTS: Final = ("train", "dev", "test")
NOW: Final = datetime(2026, 3, 2, 9, 20)
"""When all of it is said; what ends at a time of day depends on it."""
FIELDS: Final = (
    "intent",
    "operation",
    "resource",
    "targets",
    "amount",
    "condition",
    "until",
    "protect",
    "notify",
    "goal",
)
_SLOT: Final = re.compile(r"\{(\w+)\}")
_AMOUNT: Final = re.compile(r"([\d.]+)(%|GiB|MiB/s|MiB|cores)")
_KEYS: Final = {
    "r": "resource",
    "t": "targets",
    "a": "amount",
    "u": "until",
    "c": "condition",
    "p": "protect",
    "g": "goal",
}


@dataclass(frozen=True)
class Sentence:
    """One sentence of the corpus."""

    text: str
    template: str
    person: str
    kind: str
    meanings: tuple[Mapping[str, Any], ...]
    """Those that are right."""

    @property
    def out_of_scope(self) -> bool:
        """Whether it is nothing that could be done here."""
        return self.kind == "oos"


def sentences(part: str) -> list[Sentence]:
    """All of ``part``, one of PARTS."""
    return sentences_in(CORPUS / part)


def sentences_in(folder: Path) -> list[Sentence]:
    """All of the persons in ``folder``; with the names of the test part where it has none of its own."""
    slots = folder / "slots.toml"
    names = tomllib.loads((slots if slots.exists() else CORPUS / "test/slots.toml").read_text())
    return [each for path in sorted(folder.glob("*.txt")) for each in _file(path, names)]


def writers_of() -> dict[str, str]:
    """For each person the hand that wrote it, where that is known not to be the grammar's."""
    table = tomllib.loads((CORPUS / "writers.toml").read_text(encoding="utf-8"))
    return {person: writer for writer, persons in table.items() for person in persons}


def _file(path: Path, slots: Mapping[str, Any]) -> Iterator[Sentence]:
    kind = ""
    for line in path.read_text().splitlines():
        if line.startswith("["):
            kind = line[1:-1]
        elif line and not line.startswith("# "):
            text, _, right = line.rpartition(" | ")
            names = _SLOT.findall(text)
            fillings = max((len(slots[name]) for name in names), default=1)
            for number in range(fillings):
                said, meant = {}, {}
                for place, name in enumerate(dict.fromkeys(names)):
                    table = slots[name]
                    at = (number + place) % len(table)
                    key = list(table)[at]
                    said[name] = key
                    meant[name] = table[key] if isinstance(table, dict) else re.sub(r"^(the|my) ", "", key)
                yield Sentence(
                    _filled(text, said),
                    text,
                    path.stem,
                    kind,
                    tuple(meaning(_filled(each, meant)) for each in right.split("|")),
                )


def _filled(text: str, slots: Mapping[str, str]) -> str:
    return _SLOT.sub(lambda slot: slots[slot[1]], text)


def meaning(text: str) -> dict[str, Any]:
    """The fields that the line of a corpus means."""
    intent, *rest = re.split(r" (?=[rtaucpg]=|n\b)", text.strip())
    name, _, operation = intent.partition("/")
    spec: dict[str, Any] = dict.fromkeys(FIELDS) | {"intent": name, "operation": operation or None}
    spec |= {"targets": (), "protect": (), "notify": False}
    for each in rest:
        if each == "n":
            spec["notify"] = True
            continue
        key, _, value = each.partition("=")
        field = _KEYS[key]
        if key in "tp":
            spec[field] = tuple(sorted(value.lower().split(",")))
        elif key == "a":
            spec[field] = _amount(value)
        elif key == "u":
            spec[field] = _until(value)
        elif key == "c":
            kind, _, inside = value.partition("(")
            spec[field] = {"kind": kind, **(_amount(inside.rstrip(")")) if inside else {})}
        else:
            spec[field] = value
    return spec


def _until(text: str) -> str:
    """A span as it is, or from ``NOW`` to a time of day."""
    if text.startswith("P"):
        return text
    ((_, clock),) = clocks(tokenise(text), 0)
    return span_to(clock, NOW)


def _amount(text: str) -> dict[str, Any]:
    found = _AMOUNT.fullmatch(text)
    assert found is not None, text
    return {"value": float(found[1]), "unit": found[2]}


def same(spec: Mapping[str, Any], right: Mapping[str, Any]) -> bool:
    """Whether ``spec`` says what is ``right`` in every field; of a condition, what is right says."""
    if right["intent"] == "none":
        return bool(spec["intent"] == "none")
    for field in FIELDS:
        one, other = spec[field], right[field]
        if field in ("targets", "protect"):
            one, other = tuple(sorted(one)), tuple(other)
        elif field == "condition" and one is not None and other is not None:
            one = {key: one.get(key) for key in other}
        elif field == "amount" and one is not None and other is not None:
            one = {"value": round(one["value"], 2), "unit": one["unit"]}
        if one != other:
            return False
    return True
