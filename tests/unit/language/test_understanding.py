# SPDX-License-Identifier: Apache-2.0
"""The encoder is looked for when a sentence first needs it, and templates go on without it."""

from collections.abc import Sequence

from jepa.errors import JepaError
from jepa.language.encoder import Heard
from jepa.language.inventory import LiveInventory
from jepa.language.understanding import Understanding
from tests.unit.language.encoders import GATE, LIMITS

HERE = LiveInventory(frozenset(("nginx", "nginx.service")))
UNUSUAL = "would nginx kindly go on a strict diet"


class Dieting:
    """An encoder that hears a wish to limit, or is damaged."""

    thresholds = LIMITS
    gate = GATE

    def __init__(self, damaged: bool = False) -> None:
        self._damaged = damaged

    def hear(self, words: Sequence[str]) -> Heard | None:
        if self._damaged:
            raise JepaError("The graph is damaged.", "Install it again.")
        tags = [{"none": float(w != "program"), "target": float(w == "program")} for w in words]
        return Heard(
            {"limit": 1.0},
            0.0,
            0.0,
            {"none": 1.0},
            tuple({**each, "protect": 0.0, "goal": 0.0} for each in tags),
            0.5,
        )


def test_the_encoder_is_looked_for_once_and_only_when_needed() -> None:
    looked: list[int] = []

    def find() -> Dieting:
        looked.append(1)
        return Dieting()

    understanding = Understanding(lambda: HERE, find=find)
    assert understanding.parse("restart nginx")["tier"] == "templates"
    assert not looked
    for _ in range(2):
        spec = understanding.parse(UNUSUAL)
        assert (spec["intent"], spec["targets"], spec["tier"]) == ("limit", ["nginx"], "encoder")
    assert len(looked) == 1


def test_without_a_pack_templates_go_on() -> None:
    understanding = Understanding(lambda: HERE, find=lambda: None)
    assert understanding.parse(UNUSUAL)["intent"] == "none"
    assert understanding.parse("restart nginx")["intent"] == "service"
    assert understanding.fault is None


def test_a_damaged_pack_is_no_error_of_the_sentence() -> None:
    understanding = Understanding(lambda: HERE, find=lambda: Dieting(damaged=True))
    assert understanding.parse(UNUSUAL)["intent"] == "none"
    assert understanding.fault is not None
    assert understanding.fault.problem == "The graph is damaged."
    assert understanding.parse("restart nginx")["intent"] == "service"


def test_a_pack_that_cannot_be_read_is_no_error_of_the_sentence() -> None:
    def find() -> Dieting:
        raise JepaError("The pack is for vision.", "Install it again.")

    understanding = Understanding(lambda: HERE, find=find)
    assert understanding.parse(UNUSUAL)["intent"] == "none"
    assert understanding.fault is not None


def test_a_pack_that_was_put_in_use_hears_the_next_sentence() -> None:
    chosen: list[str | None] = [None]
    understanding = Understanding(
        lambda: HERE, find=lambda: Dieting(damaged=chosen[0] is None), chosen=lambda: chosen[0]
    )
    assert understanding.parse(UNUSUAL)["intent"] == "none"
    chosen[0] = "language_9.1.0"
    assert understanding.parse(UNUSUAL)["intent"] == "limit"
    assert understanding.fault is None
    chosen[0] = None
    assert understanding.parse(UNUSUAL)["intent"] == "none"
