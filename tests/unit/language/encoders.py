# SPDX-License-Identifier: Apache-2.0
"""Encoders that say what a test tells them to, and what is here while they do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

from jepa.language.encoder import Heard
from jepa.language.inventory import LiveInventory
from jepa.packs.language import ActGate, Sign, Thresholds

LIMITS = Thresholds(
    temperature=1,
    refuse=0.5,
    reads=0.4,
    acts=0.5,
    named=0.5,
    negated=0.2,
    offers=0.7,
)
_DOUBTS = ("negation", "contrast", "others", "clauses", "more", "no_object")
"""What an encoder may clear that is sure that something is asked for."""
_UNHEARD = ("wanted", "positive", "likely", "apart", "spared")


def gated(bias: float = 0, **weights: float) -> ActGate:
    """A gate where any rule ends an act, however sure an encoder is, but for a doubt that it clears."""
    own = (
        dict.fromkeys(get_args(Sign), -100.0) | dict.fromkeys(_DOUBTS, -10.0) | dict.fromkeys(_UNHEARD, 0.0)
    )
    return ActGate.model_validate({"bias": bias, "weights": own | {"asks": 5} | weights, "least": 0.5})


GATE = gated()


HERE = LiveInventory(frozenset(("nginx", "nginx.service", "zorg", "sdb1")))


INTENTS = (
    "limit",
    "prioritize",
    "reclaim",
    "service/restart",
    "service/stop",
    "service/reload",
    "service/disable",
    "power/save",
    "device/block",
    "packs/remove",
    "watch",
    "query",
    "explain",
    "undo",
)


@dataclass
class Says:
    """An encoder that says what it is told to."""

    intents: Mapping[str, float]
    refused: float = 0.0
    negated: float = 0.0
    resource: str = "none"
    target: Sequence[str] = ()
    protect: Sequence[str] = ()
    goal: Sequence[str] = ()
    asks: float = 0.5
    thresholds: Thresholds = LIMITS
    gate: ActGate = GATE
    rare: Sequence[str] = ()
    asked: list[Sequence[str]] = field(default_factory=list)

    def hear(self, words: Sequence[str]) -> Heard | None:
        self.asked.append(words)
        tags = tuple(map(self._tags, words))
        rare = tuple(word in self.rare for word in words)
        return Heard(self.intents, self.refused, self.negated, {self.resource: 1.0}, tags, self.asks, rare)

    def _tags(self, word: str) -> Mapping[str, float]:
        tags = {
            name: float(word in of)
            for name, of in (("target", self.target), ("protect", self.protect), ("goal", self.goal))
        }
        return {**tags, "none": 1.0 - max(tags.values())}


class SaysAnything:
    """An encoder that is sure of one thing, and takes every word for part of a name."""

    thresholds = LIMITS
    gate = GATE

    def __init__(self, intent: str, asks: float = 0.5) -> None:
        self._intent, self._asks = intent, asks

    def hear(self, words: Sequence[str]) -> Heard | None:
        named = {"none": 0.0, "target": 1.0, "protect": 0.0, "goal": 0.0}
        return Heard({self._intent: 1.0}, 0.0, 0.0, {"memory": 1.0}, tuple(named for _ in words), self._asks)
