# SPDX-License-Identifier: Apache-2.0
"""An act is done by what the encoder is sure of and what rules find, together."""

import math
from collections.abc import Mapping

import pytest

from jepa.language.gate import probability
from jepa.language.meaning import act
from jepa.language.tokens import tokenise
from jepa.packs.language import ActGate, Sign
from tests.unit.language.encoders import HERE, Says, gated


def signs(text: str, encoder: Says) -> Mapping[Sign, float]:
    read = act(tokenise(text), HERE, encoder)
    assert read is not None
    return read[1]


def test_what_is_heard_becomes_signs() -> None:
    found = signs(
        "put zorg on bread", Says({"limit": 0.8, "query": 0.2}, 0.1, 0.05, target=("program",), asks=0.9)
    )
    assert found["asks"] == pytest.approx(math.log(9))
    assert found["wanted"] == pytest.approx(math.log(9))
    assert found["positive"] == pytest.approx(math.log(19))
    assert found["apart"] == pytest.approx(math.log(4))
    assert found["unsure_name"] == pytest.approx(0)


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ("never put zorg on bread", "prohibition"),
        ("put zorg on bread, nobody minds", "negation"),
        ("put the neighbours of zorg on bread", "no_object"),
        ("let zorg have bread", "contrast"),
    ],
)
def test_what_rules_find_becomes_a_sign(text: str, sign: Sign) -> None:
    assert signs(text, Says({"limit": 1.0}, target=("program",)))[sign] == 1.0
    assert sign not in signs("put zorg on bread", Says({"limit": 1.0}, target=("program",)))


def test_a_phrase_that_says_no_is_a_sign_where_no_unit_is_touched() -> None:
    assert signs("mark zorg over my dead body", Says({"watch": 1.0}, target=("program",)))["says_no"] == 1.0


@pytest.mark.parametrize(
    "text", ["put zorg on bread over my dead body", "put zorg on bread, docker is holy"]
)
def test_what_says_no_or_spares_somebody_unknown_ends_an_act_whatever_the_gate_says(text: str) -> None:
    assert act(tokenise(text), HERE, Says({"limit": 1.0}, target=("program",), asks=1.0)) is None


def test_more_against_an_act_makes_it_less_likely() -> None:
    gate = gated(2, negation=-1, contrast=-1)
    assert probability(gate, {"asks": 0}) > probability(gate, {"asks": 0, "negation": 1})
    assert probability(gate, {"negation": 1}) > probability(gate, {"negation": 1, "contrast": 1})


def test_names_that_are_no_one_list_have_no_task_spec() -> None:
    text = "squash zorg the way that nginx does"
    assert act(tokenise(text), HERE, Says({"limit": 1.0}, target=("program",))) is None


def test_a_gate_without_a_weight_for_each_sign_is_refused() -> None:
    weights = dict(gated().weights)
    del weights["negation"]
    with pytest.raises(ValueError, match="negation"):
        ActGate(bias=0, weights=weights, least=0.5)
