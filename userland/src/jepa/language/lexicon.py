# SPDX-License-Identifier: Apache-2.0
"""The words that all sentences share (vocabulary.toml) and the names known beforehand (names.toml)."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from jepa.language.template import Node, parse_node

HERE: Final = Path(__file__).parent


@dataclass(frozen=True)
class Lexicon:
    """Words by what they are."""

    idle: frozenset[str]
    negations: frozenset[str]
    sparing: frozenset[str]
    """Words that may say that something is to be left as it is."""
    contrasts: frozenset[str]
    """Words that set one thing apart from another."""
    joining: frozenset[str]
    """Words with which another clause begins."""
    relating: frozenset[str]
    """Words that say where something is, or what it is to something else."""
    own: frozenset[str]
    """Words for what a program has or does."""
    determiners: frozenset[str]
    function: frozenset[str]
    joints: frozenset[str]
    """Words that are part of a compound, and of no name."""
    spelled: frozenset[str]
    """Words that are right as they are, though near another one."""
    heads: frozenset[str]
    dropped_heads: frozenset[str]
    roles: Mapping[tuple[str, ...], str]
    """Phrases, each with the role that it means."""
    resources: Mapping[tuple[str, ...], str]
    """Phrases, each with the resource that it means."""
    devices: frozenset[tuple[str, ...]]
    classes: Mapping[tuple[str, ...], tuple[str, ...]]
    """Phrases for what things are, each with the programs that are so."""
    known: frozenset[str]
    ordinary: frozenset[str]
    """Words that are names only where a template has a place for one."""
    groups: Mapping[str, frozenset[str]]
    """Words that tell the safeguards something, by what that is."""
    rules: Mapping[str, Node]
    openers: tuple[str, ...]
    refusals: tuple[str, ...]


@cache
def lexicon() -> Lexicon:
    """The packaged one."""
    words = tomllib.loads((HERE / "vocabulary.toml").read_text(encoding="utf-8"))
    names = tomllib.loads((HERE / "names.toml").read_text(encoding="utf-8"))
    rules: dict[str, Node] = {}
    for name, text in words["rules"].items():  # one may name those before it
        rules[name] = parse_node(text, rules)
    return Lexicon(
        idle=frozenset(words["idle"].split()),
        negations=frozenset(words["negations"].split()),
        sparing=frozenset(words["sparing"].split()),
        contrasts=frozenset(words["contrasts"].split()),
        joining=frozenset(words["joining"].split()),
        relating=frozenset(words["relating"].split()),
        own=frozenset(words["own"].split()),
        determiners=frozenset(words["determiners"].split()),
        function=frozenset(words["function"].split()),
        joints=frozenset(words["joints"].split()),
        spelled=frozenset(words["spelled"].split()),
        heads=frozenset(words["heads"].split()),
        dropped_heads=frozenset(words["dropped_heads"].split()),
        roles=_phrases(words["roles"]),
        resources=_phrases(words["resources"]),
        devices=frozenset(tuple(phrase.split()) for phrase in names["devices"]["called"]),
        classes={
            tuple(phrase.split()): tuple(each["programs"])
            for each in names["class"].values()
            for phrase in each["called"]
        },
        known=frozenset(names["known"].split()),
        ordinary=frozenset(names["ordinary"].split()),
        groups={name: frozenset(of.split()) for name, of in words["groups"].items()},
        rules=rules,
        openers=tuple(words["openers"]["say"]),
        refusals=tuple(words["refusals"]["say"]),
    )


def _phrases(table: Mapping[str, list[str]]) -> dict[tuple[str, ...], str]:
    return {tuple(phrase.split()): name for name, phrases in table.items() for phrase in phrases}
