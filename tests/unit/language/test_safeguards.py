# SPDX-License-Identifier: Apache-2.0
"""What forbids an act does so whatever the encoder is sure of; a doubt it may clear."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.language.parser import parse, parse_openly
from jepa.language.specs import READS
from tests.unit.language.encoders import HERE, INTENTS, Says, SaysAnything, gated


def test_a_clause_that_only_spares_somebody_protects_and_a_doubtful_one_ends_it() -> None:
    text = "scoop out memory while the database keeps all of its own"
    sure = Says({"reclaim": 1.0}, resource="memory", protect=("database",))
    assert parse(text, HERE, sure)["protect"] == ["database"]
    unheard = Says({"reclaim": 1.0}, resource="memory")
    assert parse(text, HERE, unheard)["intent"] == "none"


def test_what_may_be_left_as_it_is_needs_no_negation() -> None:
    sure = {"limit": 0.9}
    gate = gated(-1.5, positive=1)
    little, more = (Says(sure, each, each, target=("program",), gate=gate) for each in (0.1, 0.3))
    assert parse("put zorg on bread", HERE, little)["intent"] == "limit"
    assert parse("put zorg on bread", HERE, more)["intent"] == "none"
    text = "leave zorg at the speed it has"
    assert parse(text, HERE, Says(sure, target=("program",)))["intent"] == "none"


@pytest.mark.parametrize(
    "text",
    [
        "scoop out memory, node-red stays the size it has",
        "put zorg on a strict diet but ntfy-sh has to be handled with gloves",
        "scoop out memory and mind you do so beside node-red",
    ],
)
def test_what_is_set_apart_in_other_words_ends_it(text: str) -> None:
    assert parse(text, HERE, Says({"reclaim": 1.0}, resource="memory"))["intent"] == "none"
    assert parse(text, HERE, Says({"limit": 1.0}, target=("program",)))["intent"] == "none"


def test_an_adverb_that_is_taken_for_what_is_left_alone_ends_it() -> None:
    text = "put zorg on a strict diet at nobody's expense, particularly not nginx's"
    assert parse(text, HERE, Says({"limit": 1.0}))["intent"] == "none"


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("let sdb1 join us", "device/allow"),
        ("keep zorg somewhere round 40 %", "limit"),
        ("zorg shall have 2 GiB and not a byte more", "limit"),
        ("I need more breathing room in memory", "reclaim"),
    ],
)
def test_words_of_sparing_that_spare_nothing_beside_some_acts(text: str, wish: str) -> None:
    found = parse(text, HERE, Says({wish: 0.9}, resource="memory"))
    assert found["intent"] == wish.partition("/")[0]


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("let zorg do its thing", "prioritize"),
        ("keep zorg as it was", "limit"),
        ("zorg shall have 2 GiB and not a byte more shall nginx have", "limit"),
        ("there is no need to scoop out memory", "reclaim"),
        ("keep zorg breathing", "service/stop"),
    ],
)
def test_the_same_words_spare_beside_others(text: str, wish: str) -> None:
    assert parse(text, HERE, Says({wish: 0.9}, resource="memory"))["intent"] in ("none", "query")


@pytest.mark.parametrize(
    "text",
    [
        "restart zorg over my dead body",
        "far be it from me to have zorg slowed down",
        "the distro folks suggested to disable zorg",
        "disable zorg; nacked",
        "zorg eats 800% cpu and that's by design",
        "the priority of zorg is adequate",
        "zorg is fine with what it has",
        "if i stop zorg do the scanners die?",
        "pkill zorg, !borg",
        "squeeze zorg to one core, borg gets a pass",
        "squeeze zorg to one core n keep borg in ram",
        "squeeze zorg to one core, borg runs free",
        "squeeze zorg w/o regressing borg",
        "squeeze zorg, nginx's state dir excepted",
    ],
)
@pytest.mark.parametrize("intent", ["limit", "prioritize", "service/stop", "service/disable", "watch"])
def test_what_says_no_in_other_words_is_no_act(text: str, intent: str) -> None:
    assert parse(text, HERE, SaysAnything(intent))["intent"] == "none"


DOUBTED = [
    ("zorg doesn't answer any more, put it on a strict diet", "limit"),
    ("don't ask why, put zorg on a strict diet", "limit"),
    ("let zorg have a taste of the whip", "limit"),
    ("it is high time, and be it said, for zorg to breathe its last", "service/stop"),
]
"""Wishes in words that could as well take one back."""


@pytest.mark.parametrize(("text", "wish"), DOUBTED)
def test_an_encoder_that_is_sure_that_it_is_asked_for_clears_a_doubt(text: str, wish: str) -> None:
    spec = parse(text, HERE, Says({wish: 0.9}, target=("program",), asks=0.99))
    assert (spec["intent"], spec["targets"]) == (wish.partition("/")[0], ["zorg"])


@pytest.mark.parametrize(("text", "wish"), DOUBTED)
def test_what_is_doubted_is_asked_back_as_it_was_understood(text: str, wish: str) -> None:
    read = parse_openly(text, HERE, Says({wish: 0.9}, target=("program",), asks=0.8))
    assert (read.spec["intent"], read.spec["tier"]) == ("none", "templates")
    assert [each["targets"] for each in read.choices] == [["zorg"]]
    assert "zorg" in read.spec["question"]


@pytest.mark.parametrize(("text", "wish"), DOUBTED)
def test_what_is_hardly_asked_for_is_not_even_asked_back(text: str, wish: str) -> None:
    read = parse_openly(text, HERE, Says({wish: 0.9}, target=("program",), asks=0.3))
    assert read.spec["intent"] == "none"
    assert not read.choices


def test_nothing_is_done_where_nobody_is_surely_meant() -> None:
    encoder = Says({"limit": 0.9}, asks=1.0)
    assert parse("it isn't fair, put flurbel on a strict diet", HERE, encoder)["intent"] == "none"


def test_a_name_of_which_the_encoder_is_not_sure_what_it_is_counts_against_an_act() -> None:
    text, gate = "put zorg on a strict diet", gated(10, unsure_name=-30)
    sure = Says({"limit": 1.0}, target=("program",), gate=gate)

    class Unsure(Says):
        def _tags(self, word: str) -> Mapping[str, float]:
            return {"none": 0.5, "target": 0.5, "protect": 0.0, "goal": 0.0}

    assert parse(text, HERE, sure)["intent"] == "limit"
    assert parse(text, HERE, Unsure({"limit": 1.0}, gate=gate))["intent"] == "none"


def test_what_the_encoder_takes_for_spared_is_protected() -> None:
    encoder = Says({"limit": 0.9}, target=("program",), protect=("snork",), asks=1.0)
    spec = parse("put zorg on a strict diet and mind snork while you do", HERE, encoder)
    assert (spec["intent"], spec["targets"], spec["protect"]) == ("limit", ["zorg"], ["snork"])


def test_who_is_only_spoken_of_is_no_target() -> None:
    encoder = Says({"limit": 0.9}, target=("flurbel",), asks=1.0)
    spec = parse("put flurbel on a strict diet because of nginx", HERE, encoder)
    assert (spec["intent"], spec["targets"]) == ("limit", ["flurbel"])


@pytest.mark.parametrize(
    "text",
    [
        "over my dead body will you put zorg on a strict diet",
        "put zorg on a strict diet, !nginx",
        "zorg is fine as it is",
        "if I put zorg on a strict diet, does it whine?",
        "whatever happens, never put zorg on a strict diet",
    ],
)
def test_what_says_no_for_certain_is_no_wish_whatever_the_encoder_is_sure_of(text: str) -> None:
    read = parse_openly(text, HERE, Says({"limit": 1.0}, target=("program",), asks=1.0))
    assert read.spec["intent"] == "none"


@pytest.mark.parametrize(
    "text",
    [
        "scoop out memory, nicht bei zorg",
        "scoop out memory pero hindi si zorg",
        "scoop out memory, you may me not do that to zorg",
    ],
)
def test_a_no_in_another_language_is_heard(text: str) -> None:
    assert parse(text, HERE, Says({"reclaim": 1.0}, resource="memory"))["intent"] == "none"


def test_a_name_behind_a_negation_is_no_target_whatever_the_encoder_takes_it_for() -> None:
    doubts = dict.fromkeys(("negation", "prohibition", "clauses", "more", "left_out", "no_object"), 0.0)
    says = Says({"reclaim": 1.0}, resource="memory", target=("program",), gate=gated(asks=1000, **doubts))
    assert parse("scoop out memory of zorg", HERE, says)["targets"] == ["zorg"]
    assert parse("scoop out memory, nothing from zorg", HERE, says)["intent"] == "none"
    assert parse("scoop out memory, hardly any of zorg", HERE, says)["intent"] == "none"


@pytest.mark.parametrize(
    ("text", "spared"),
    [
        ("free memory and give zorg a wide berth", ["zorg"]),
        ("free memory, just miss out zorg", ["zorg"]),
        ("free memory but zorg gets a free pass", ["zorg"]),
        ("free memory, no touchin zorg", ["zorg"]),
    ],
)
def test_who_is_passed_by_is_spared(text: str, spared: list[str]) -> None:
    spec = parse(text, HERE)
    assert (spec["intent"], spec["protect"]) == ("reclaim", spared)


def test_what_is_not_asked_for_now_is_not_done_though_no_word_of_it_says_so() -> None:
    text = "put zorg on a strict diet"
    assert parse(text, HERE, Says({"limit": 1.0}, target=("program",), asks=0.5))["intent"] == "limit"
    assert parse(text, HERE, Says({"limit": 1.0}, target=("program",), asks=0.1))["intent"] == "none"


PROHIBITED = (
    "do not {w}",
    "dont {w} now",
    "please never {w}",
    "you must not {w}",
    "wait, don't {w}",
    "dotn {w}",
)


SPARED = (
    "{w}, zorg excluded",
    "{w} and leave nginx alone",
    "{w}, with nginx untouched",
    "nginx is exempt, {w}",
)


ASKED = (
    "put zorg on a strict diet",
    "bring zorg down a notch",
    "give zorg wings",
    "blow the dust out of zorg",
)


@given(
    st.sampled_from(INTENTS),
    st.sampled_from(PROHIBITED),
    st.sampled_from(ASKED),
    st.sampled_from(("", "!", " today")),
)
def test_what_is_prohibited_is_not_done_by_an_encoder_that_is_sure_of_anything(
    intent: str, frame: str, wish: str, end: str
) -> None:
    spec = parse(frame.format(w=wish) + end, HERE, SaysAnything(intent, asks=1.0))
    assert spec["intent"] in ("none", *READS)


@given(st.sampled_from(INTENTS), st.sampled_from(SPARED), st.sampled_from(ASKED))
def test_what_is_surely_spared_is_no_target_of_an_encoder_that_is_sure_of_anything(
    intent: str, frame: str, wish: str
) -> None:
    spec = parse(frame.format(w=wish), HERE, SaysAnything(intent, asks=1.0))
    acts = spec["intent"] not in ("none", *READS)
    assert not acts or "nginx" in spec["protect"]
    assert not acts or "nginx" not in spec["targets"]


@pytest.mark.parametrize(
    "end",
    [
        ", not snork",
        " without touching snork",
        " and not at the cost of snork",
        ", only not so snork feels it",
    ],
)
def test_no_doubt_is_cleared_where_somebody_unknown_is_set_apart(end: str) -> None:
    encoder = Says({"limit": 1.0}, target=("program",), asks=1.0)
    assert parse("put zorg on a strict diet", HERE, encoder)["intent"] == "limit"
    assert "zorg" not in parse("put zorg on a strict diet" + end, HERE, encoder)["targets"] or (
        "snork" in parse("put zorg on a strict diet" + end, HERE, encoder)["protect"]
    )
