# SPDX-License-Identifier: Apache-2.0
"""Encoders that say what a test tells them to, and what is here while they do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from jepa.language.encoder import Heard
from jepa.language.inventory import LiveInventory
from jepa.packs.language import Thresholds

LIMITS = Thresholds(
    temperature=1,
    refuse=0.5,
    reads=0.4,
    acts=0.5,
    named=0.5,
    negated=0.2,
    protected=0.2,
    doubted=0.5,
    withheld=0.2,
    asks=0.9,
    offers=0.7,
    surely=0.8,
)


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
    asked: list[Sequence[str]] = field(default_factory=list)

    def hear(self, words: Sequence[str]) -> Heard | None:
        self.asked.append(words)
        tags = tuple(map(self._tags, words))
        return Heard(self.intents, self.refused, self.negated, {self.resource: 1.0}, tags, self.asks)

    def _tags(self, word: str) -> Mapping[str, float]:
        tags = {
            name: float(word in of)
            for name, of in (("target", self.target), ("protect", self.protect), ("goal", self.goal))
        }
        return {**tags, "none": 1.0 - max(tags.values())}


class SaysAnything:
    """An encoder that is sure of one thing, and takes every word for part of a name."""

    thresholds = LIMITS

    def __init__(self, intent: str, asks: float = 0.5) -> None:
        self._intent, self._asks = intent, asks

    def hear(self, words: Sequence[str]) -> Heard | None:
        named = {"none": 0.0, "target": 1.0, "protect": 0.0, "goal": 0.0}
        return Heard({self._intent: 1.0}, 0.0, 0.0, {"memory": 1.0}, tuple(named for _ in words), self._asks)
