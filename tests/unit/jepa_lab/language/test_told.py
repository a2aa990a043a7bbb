# SPDX-License-Identifier: Apache-2.0
"""Deeds that are told of or asked for stand in whole sentences, in forms that verbs have."""

import random

import pytest

from jepa_lab.language.told import ASKED, DEEDS, TOLD, draw, forms


@pytest.mark.parametrize(
    ("verb", "past", "done", "doing"),
    [
        ("restart", "restarted", "restarted", "restarting"),
        ("stop", "stopped", "stopped", "stopping"),
        ("free", "freed", "freed", "freeing"),
        ("throttle", "throttled", "throttled", "throttling"),
        ("tidy", "tidied", "tidied", "tidying"),
        ("take", "took", "taken", "taking"),
    ],
)
def test_forms_of_a_verb(verb: str, past: str, done: str, doing: str) -> None:
    assert forms(verb) == (past, done, doing)


def test_every_sentence_is_whole_and_names_its_object_once() -> None:
    chance = random.Random(0)
    drawn = [draw(chance) for _ in range(5000)]
    assert not [each.words for each in drawn if any(set("{}|") & set(word) for word in each.words)]
    assert all(len(each.words) == len(each.tags) for each in drawn)
    for each in drawn:
        object_named = "{" in each.deed.thing + each.deed.rest
        assert sum(tag != "none" for tag in each.tags) == object_named, each
    assert {each.asked for each in drawn} == {True, False}


def test_the_same_deeds_and_their_forms_are_asked_for_and_told_of() -> None:
    assert len({(each.verb, each.thing, each.rest) for each in DEEDS}) == len(DEEDS)
    for form in ("{past}", "{doing}", "{of_it}", "{base}"):
        assert any(form in frame for frame in ASKED)
        assert any(form in frame for frame in TOLD)
    assert not set(ASKED) & set(TOLD)
