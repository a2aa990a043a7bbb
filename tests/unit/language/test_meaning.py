# SPDX-License-Identifier: Apache-2.0
"""What the encoder says is never enough to touch what is to be left alone, or to do what was negated."""

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.language.lexicon import lexicon
from jepa.language.parser import parse, parse_openly
from jepa.language.specs import READS
from jepa.tasks.spec import TaskSpec
from jepa_lab.language.corpus import Sentence, sentences
from tests.unit.language.encoders import HERE, INTENTS, Says, SaysAnything, gated


def test_a_sentence_of_no_template_is_understood() -> None:
    spec = parse(
        "put zorg on a strict diet for an hour",
        HERE,
        Says({"limit": 0.9, "query": 0.1}, target=("program",)),
    )
    assert (spec["intent"], spec["targets"], spec["until"]) == ("limit", ["zorg"], "PT1H")
    assert (spec["tier"], spec["confidence"]) == ("encoder", 0.9)
    TaskSpec.model_validate(spec)


def test_a_sentence_that_a_template_says_is_not_asked_about() -> None:
    encoder = Says({"undo": 1.0})
    assert parse("restart nginx", HERE, encoder)["tier"] == "templates"
    assert not encoder.asked


def test_the_encoder_sees_no_name_and_nothing_of_what_is_protected() -> None:
    encoder = Says({"limit": 1.0}, target=("program",))
    spec = parse("put zorg on a strict diet but don't touch nginx", HERE, encoder)
    assert encoder.asked[0] == ["put", "program", "on", "a", "strict", "diet"]
    assert (spec["targets"], spec["protect"]) == (["zorg"], ["nginx"])


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("wiki-js", "program"),
        ("nginx-exporter", "program"),
        ("mid-sentence", "mid-sentence"),
        ("co-op", "co-op"),
    ],
)
def test_words_joined_as_in_a_name_are_one(name: str, seen: str) -> None:
    encoder = Says({"limit": 1.0}, target=(seen,))
    assert parse(f"put {name} on a strict diet", HERE, encoder)["targets"] == [name]
    assert seen in encoder.asked[0]


def test_an_encoder_that_hears_no_wish_has_it_asked_back() -> None:
    encoder = Says({"limit": 1.0}, target=("program",), asks=0.8, gate=gated(-10))
    read = parse_openly("put zorg on a strict diet", HERE, encoder)
    assert (read.spec["intent"], [each["targets"] for each in read.choices]) == ("none", [["zorg"]])


def test_a_wish_without_object_is_about_what_its_condition_is() -> None:
    spec = parse("if zorg fails, breathe life into it again", HERE, Says({"service/start": 1.0}, asks=1.0))
    assert (spec["intent"], spec["operation"], spec["targets"]) == ("service", "start", ["zorg"])


def test_a_name_that_only_the_encoder_knows() -> None:
    spec = parse("put flurbel on a strict diet", HERE, Says({"limit": 1.0}, target=("flurbel",)))
    assert spec["targets"] == ["flurbel"]


@pytest.mark.parametrize(
    "text",
    [
        "put zorg on no strict diet",
        "nobody puts zorg on a strict diet",
        "put zorg on a strict diet, nott nginx",
        "put zorg on a strict diet $(reboot)",
    ],
)
def test_negations_and_shell_are_no_wish(text: str) -> None:
    assert parse(text, HERE, Says({"limit": 1.0}, target=("program",)))["intent"] == "none"


@pytest.mark.parametrize(
    "text",
    [
        "shrink the neighbours of zorg",
        "lighten what weighs on zorg",
        "cut the noise next to zorg",
        "squash the thing starving zorg",
        "soften the blows which zorg gets",
        "make room because zorg chokes",
        "squash it, zorg chokes",
        "squash it without zorg",
    ],
)
def test_who_is_near_or_suffers_is_no_target(text: str) -> None:
    assert parse(text, HERE, Says({"limit": 1.0}, target=("program",)))["intent"] == "none"


@pytest.mark.parametrize(
    "text",
    ["squash the cpu of zorg", "squash all of the zorg", "squash zorg, please"],
)
def test_what_is_a_part_of_the_target_is_about_the_target(text: str) -> None:
    spec = parse(text, HERE, Says({"limit": 1.0}, target=("program",), resource="cpu"))
    assert (spec["intent"], spec["targets"]) == ("limit", ["zorg"])


@pytest.mark.parametrize(
    "text",
    [
        "scoop out memory, node-red stays the way it is",
        "scoop out memory but node-red is sacred",
        "scoop out memory, take it from anyone but node-red",
    ],
)
def test_what_is_set_apart_in_known_words_is_protected(text: str) -> None:
    spec = parse(text, HERE, Says({"reclaim": 1.0}, resource="memory"))
    assert (spec["intent"], spec["targets"], spec["protect"]) == ("reclaim", [], ["node-red"])


def test_not_more_than_bounds() -> None:
    spec = parse("zorg ought not to surpass 700 MB", HERE, Says({"limit": 1.0}, target=("program",)))
    assert (spec["intent"], spec["amount"]) == ("limit", {"value": 700, "unit": "MiB"})
    spec = parse("zorg ought to surpass not 700 MB", HERE, Says({"limit": 1.0}, target=("program",)))
    assert spec["intent"] == "none"


def test_a_wish_has_a_place_for_each_name_and_amount() -> None:
    assert (
        parse("shake zorg awake by 40 %", HERE, Says({"service/restart": 1.0}, target=("program",)))[
            "intent"
        ]
        == "none"
    )
    assert (
        parse("squash zorg like nginx does", HERE, Says({"limit": 1.0}, target=("program",)))["intent"]
        == "none"
    )
    assert (
        parse("scrap that thing with zorg", HERE, Says({"undo": 1.0}, target=("program",)))["intent"]
        == "none"
    )


def test_whoever_has_something_watched_is_told() -> None:
    assert parse("have both eyes peeled for zorg", HERE, Says({"watch": 0.9}))["notify"]


def test_how_things_are_when_something_happens_is_no_status_where_the_encoder_hears_an_alert() -> None:
    text = "tell me if nginx crashes ok"
    assert parse(text, HERE)["intent"] == "status"
    spec = parse(text, HERE, Says({"watch": 0.9}, asks=0.99, target=("program",)))
    assert (spec["intent"], spec["targets"], spec["condition"]["kind"]) == ("watch", ["nginx"], "failed")


@pytest.mark.parametrize(
    "text",
    [
        "stop up nginx. jk",
        "everything may be bounced for 90s save nginx",
        "bounce me nginx, nah",
        "halt nginx for me, never mind",
        "sorry wrong chat, nginx should be bounced",
    ],
)
def test_what_is_taken_back_or_set_apart_is_not_done_however_sure_the_encoder_is(text: str) -> None:
    sure = Says({"service/restart": 0.99}, asks=0.99, target=("program",))
    assert parse(text, HERE, sure)["intent"] == "none"


def test_a_word_that_nobody_knows_is_no_program_where_the_encoder_reads_something_else() -> None:
    text = "whos eating the cpu"
    assert parse(text, HERE)["intent"] == "limit"
    assert parse(text, HERE, Says({"explain": 0.9}))["intent"] == "explain"
    assert parse(text, HERE, Says({"explain": 0.1}, refused=0.9))["intent"] == "none"
    parsed = parse_openly(text, HERE, Says({"reclaim": 0.9}, resource="memory"))
    assert [each["intent"] for each in parsed.choices] == ["limit", "reclaim"]


def test_a_missing_target_is_asked_for() -> None:
    parsed = parse_openly("put it on a strict diet", HERE, Says({"limit": 1.0}))
    assert parsed.spec["intent"] == "none"
    assert parsed.open is not None
    assert parsed.open["intent"] == "limit"


def test_what_is_near_is_asked_back() -> None:
    wishes = {"limit": 0.45, "service/stop": 0.4, "query": 0.15}
    encoder = Says(wishes, target=("program",), gate=gated(-1, apart=1))
    parsed = parse_openly("give zorg a rest", HERE, encoder)
    assert parsed.spec["intent"] == "none"
    assert [each["intent"] for each in parsed.choices] == ["limit", "service"]
    assert "limit zorg or service stop zorg" in parsed.spec["question"]


def test_what_is_foreign_is_refused_though_a_question_skips_to_it() -> None:
    text = "how much memory does an elephant have"
    assert parse(text, HERE)["intent"] == "query"
    assert parse(text, HERE, Says({"query": 0.1}, refused=0.9))["intent"] == "none"


def test_a_goal_needs_its_name() -> None:
    spec = parse("carve deepwork into stone", HERE, Says({"goal_capture": 1.0}, goal=("deepwork",)))
    assert (spec["intent"], spec["goal"]) == ("goal_capture", "deepwork")
    assert parse("carve it into stone", HERE, Says({"goal_capture": 1.0}))["intent"] == "none"


@pytest.mark.parametrize("one_of", [8, pytest.param(1, marks=pytest.mark.slow)], ids=["some", "all"])
@pytest.mark.parametrize("intent", INTENTS)
def test_no_encoder_makes_a_negated_sentence_act_or_a_protected_name_a_target(
    intent: str, one_of: int
) -> None:
    encoder = SaysAnything(intent)
    for sentence in held()[INTENTS.index(intent) % one_of :: one_of]:
        negations = _has_negation(sentence)
        spec = parse(sentence.text, HERE, encoder)
        acts = spec["intent"] not in READS and spec["operation"] != "list"
        assert not (acts and negations), sentence.text
        kept = _protected(sentence).intersection(spec["protect"])
        assert not (acts and kept & set(spec["targets"])), sentence.text


@cache
def held() -> list[Sentence]:
    """Of each template that negates or protects one sentence."""
    every = {each.template: each for part in ("dev", "train") for each in sentences(part)}
    return [each for each in every.values() if _has_negation(each) or _protected(each)]


def _protected(sentence: Sentence) -> set[str]:
    return {name for right in sentence.meanings for name in right["protect"]}


def _has_negation(sentence: Sentence) -> bool:
    if sentence.kind != "negated":
        return False
    return not lexicon().negations.isdisjoint(sentence.text.lower().replace(",", " ").split())


@given(st.sampled_from(INTENTS), st.text(max_size=80))
def test_any_text_gives_a_valid_spec(intent: str, text: str) -> None:
    spec = parse(text, HERE, SaysAnything(intent))
    TaskSpec.model_validate(spec)


@pytest.mark.parametrize(
    "text", ["like hell restart nginx", "restart nginx over my dead body", "heaven forbid, restart nginx"]
)
def test_templates_do_nothing_beside_what_says_no(text: str) -> None:
    assert parse(text)["intent"] == "none"


@pytest.mark.parametrize(
    "text",
    [
        "the diet of zorg was cut by the admin, zorg was restarted",
        "a strict diet for zorg complete",
        "the vendor recommends limiting zorg",
        "would this run any faster with zorg on a diet",
    ],
)
def test_what_is_told_or_imagined_is_no_wish(text: str) -> None:
    encoder = Says({"limit": 1.0}, target=("program",), asks=1.0)
    assert parse(text, HERE, encoder)["intent"] in ("none", *READS)
