# SPDX-License-Identifier: Apache-2.0
"""A gate that is fitted tells right acts from wrong ones, and trusts a rule of which it has seen little."""

from typing import get_args

import pytest

from jepa.language.gate import probability
from jepa.packs.language import Sign
from jepa_lab.language.corpus import Sentence, meaning
from jepa_lab.language.gating import (
    HEARD,
    OPEN,
    Case,
    crossed,
    curve,
    fitted,
    probabilities,
)
from jepa_lab.language.judging import Answer


def case(text: str, sure: float, *rules: Sign, right: bool, weight: float = 1.0, person: str = "a") -> Case:
    sentence = Sentence(text, text, person, "plain", (meaning("undo"),))
    heard: dict[Sign, float] = dict.fromkeys(HEARD, sure)
    return Case(sentence, heard | dict.fromkeys(rules, 1.0), right, weight)


def cases(count: int = 60) -> list[Case]:
    """Sure ones are right, unsure ones are not; beside a negation none is, beside a contrast all are."""
    found = []
    for at in range(count):
        person = "ab"[at % 2]
        found += [
            case(f"sure {at}", 3, right=True, person=person),
            case(f"unsure {at}", -2, right=False, person=person),
            case(f"negated {at}", 2, "negation", right=False, person=person),
            case(f"contrast {at}", 2, "contrast", right=True, person=person),
        ]
    return found


def test_a_gate_tells_right_from_wrong_by_what_is_heard_and_by_rules() -> None:
    gate = fitted(cases(), 0.5)
    for each in cases():
        assert (probability(gate, each.signs) >= gate.least) == each.right, each
    assert gate.weights["negation"] < gate.weights["contrast"]


def test_every_sign_keeps_its_side_and_a_rule_that_was_never_seen_counts_by_itself() -> None:
    gate = fitted(cases(), 0.5)
    assert all((value >= 0) == (name in HEARD) or value == 0 for name, value in gate.weights.items())
    assert gate.weights["prohibition"] == pytest.approx(-2, abs=0.01)


def test_harm_counts_more_than_a_wish_that_is_lost() -> None:
    doubtful = [case(f"wish {at}", 1, right=True) for at in range(40)]
    harmless = [case(f"other {at}", 1, right=False) for at in range(20)]
    harmful = [case(f"other {at}", 1, right=False, weight=12) for at in range(20)]
    light, heavy = (fitted([*doubtful, *others], 0.5) for others in (harmless, harmful))
    assert probability(light, doubtful[0].signs) > 0.5 > probability(heavy, doubtful[0].signs)


def test_each_writer_is_weighed_by_a_gate_of_the_others_and_the_curve_falls() -> None:
    of = cases()
    gates = crossed(of, lambda person: person)
    assert set(gates) == {"a", "b"}
    shares = probabilities(of, gates, {"a": "a", "b": "b"})
    spec = {**meaning("undo"), "tier": "encoder", "protect": []}
    given = [Answer(each.sentence, spec, 0.0, True) for each in of]
    rows = curve(given, shares, (0.0, 0.5, 1.0))
    assert [row["intent"] for row in rows] == [1.0, 0.5, 0.0]
    assert rows[0]["false_refusals"] == 0.0


def test_an_open_gate_lets_every_act_through() -> None:
    worst: dict[Sign, float] = dict.fromkeys(get_args(Sign), 1.0)
    assert probability(OPEN, worst) >= OPEN.least
