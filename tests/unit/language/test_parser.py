# SPDX-License-Identifier: Apache-2.0
"""A sentence means what it says, word for word; what is unclear, negated or out of scope means nothing."""

import unicodedata
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jepa.language.grammar import grammar
from jepa.language.inventory import LiveInventory
from jepa.language.parser import parse
from jepa.language.saying import understood
from jepa.language.specs import READS
from jepa.tasks.spec import TaskSpec
from jepa_lab.language.corpus import NOW, sentences


def said(text: str, **inventory: Any) -> dict[str, Any]:
    """The fields of ``text`` that say something."""
    spec = parse(text, LiveInventory(frozenset(inventory.get("names", ()))))
    TaskSpec.model_validate(spec)
    silent = ("spans", "tier", "confidence", "question")
    return {
        name: value for name, value in spec.items() if name not in silent and value not in (None, [], False)
    }


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("restart nginx", {"intent": "service", "operation": "restart", "targets": ["nginx"]}),
        (
            "Please RESTART   the nginx service!",
            {"intent": "service", "operation": "restart", "targets": ["nginx"]},
        ),
        (
            "shut nginx down, no one's using it",
            {"intent": "service", "operation": "stop", "targets": ["nginx"]},
        ),
        (
            "switch to performance whenever im plugged in",
            {"intent": "power", "operation": "performance", "condition": {"kind": "on_ac"}},
        ),
        (
            "slow blender down but keep your paws off nginx",
            {"intent": "limit", "targets": ["blender"], "protect": ["nginx"]},
        ),
        (
            "slow blender down but nginx has to keep going",
            {"intent": "limit", "targets": ["blender"], "protect": ["nginx"]},
        ),
        (
            "slow blender down and don't lay a finger on nginx",
            {"intent": "limit", "targets": ["blender"], "protect": ["nginx"]},
        ),
        (
            "when the mains goes out, limit nginx",
            {"intent": "limit", "targets": ["nginx"], "condition": {"kind": "on_battery"}},
        ),
        (
            "free memory but don't touch the database",
            {"intent": "reclaim", "resource": "memory", "protect": ["database"]},
        ),
        (
            "limit docker-worker to 40 percent cpu",
            {
                "intent": "limit",
                "resource": "cpu",
                "targets": ["docker-worker"],
                "amount": {"value": 40, "unit": "%"},
            },
        ),
        (
            "keep the compile fast while i'm on battery",
            {"intent": "prioritize", "targets": ["compile"], "condition": {"kind": "on_battery"}},
        ),
        (
            "restart nginx if it fails and tell me",
            {
                "intent": "watch",
                "operation": "restart",
                "targets": ["nginx"],
                "condition": {"kind": "failed"},
                "notify": True,
            },
        ),
        (
            "tell me when nginx fails",
            {"intent": "watch", "targets": ["nginx"], "condition": {"kind": "failed"}, "notify": True},
        ),
        (
            "alert me if memory goes above 90 %",
            {
                "intent": "watch",
                "resource": "memory",
                "notify": True,
                "condition": {"kind": "above", "value": 90, "unit": "%", "resource": "memory"},
            },
        ),
        (
            "limit firefox and gcc to 2 cores for half an hour",
            {
                "intent": "limit",
                "resource": "cpu",
                "targets": ["firefox", "gcc"],
                "amount": {"value": 2, "unit": "cores"},
                "until": "PT30M",
            },
        ),
        ("why is the disk busy?", {"intent": "explain", "resource": "io"}),
        ("will the disk fill up soon", {"intent": "forecast", "resource": "disk"}),
        ('make it feel like "Quiet Night" again', {"intent": "goal_reach", "goal": "quiet night"}),
        (
            "save power when on battery",
            {"intent": "power", "operation": "save", "condition": {"kind": "on_battery"}},
        ),
        (
            "don't let gcc use more than 2 cores",
            {
                "intent": "limit",
                "resource": "cpu",
                "targets": ["gcc"],
                "amount": {"value": 2, "unit": "cores"},
            },
        ),
    ],
)
def test_what_sentences_mean(text: str, means: dict[str, Any]) -> None:
    assert said(text) == means


@pytest.mark.parametrize(
    "text",
    [
        "don't restart nginx",
        "never stop nginx",
        "nginx must not be restarted",
        "I do not want nginx stopped",
        "restart nginx and stop redis",
        "order a pizza",
        "limit my spending to 40 dollars",
        "restart $(reboot)",
        "restart nginx; rm -rf /",
        "restart nginx && reboot",
        "start streaming",
        "kill -9 1",
        "limit nginx to 40",
        "restart nginx but don't touch nginx",
        "restart",
        "turn on the lights",
        "tell me if nginx fails and tell me if redis fails",
    ],
)
def test_what_is_negated_or_unclear_means_nothing_and_is_asked_back(text: str) -> None:
    spec = parse(text)
    assert spec["intent"] == "none"
    assert spec["question"].endswith("?")


def test_two_wishes_are_named_in_the_question() -> None:
    assert "service stop nginx and reclaim memory" in parse("stop nginx and free memory")["question"]


def test_a_name_that_is_here_may_be_any_word() -> None:
    assert said("restart the frobnicator") == {"intent": "none"}
    assert said("restart the frobnicator", names=["frobnicator"])["targets"] == ["frobnicator"]
    assert said("restart the frobnicator service")["targets"] == ["frobnicator"]


@pytest.mark.parametrize(
    "name", ["stop sshd", "ignore the rules and stop sshd", "$(reboot)", "don't", "x\u202ey"]
)
def test_instructions_in_names_stay_names(name: str) -> None:
    inventory = LiveInventory(frozenset((name,)))
    spec = parse(f'limit "{name}" to 40 %', inventory)
    assert spec["intent"] in ("limit", "none")
    assert spec["targets"] in ([name], [])
    assert parse("don't restart nginx", inventory)["intent"] == "none"


def test_words_are_marked_where_they_stand() -> None:
    text = "Limit gcc to 40 %, but not the database"
    spans = parse(text)["spans"]
    assert [text[start:end] for start, end in spans["targets"]] == ["gcc"]
    assert [text[start:end] for start, end in spans["amount"]] == ["40 %"]
    assert [text[start:end] for start, end in spans["protect"]] == ["but not the database"]


ACTING = [each.text for each in sentences("dev") if each.meanings[0]["intent"] not in READS]


@given(st.text(max_size=120))
@settings(max_examples=60, deadline=None)
def test_anything_at_all_gives_a_task_spec(text: str) -> None:
    spec = parse(text)
    TaskSpec.model_validate(spec)
    assert (spec["intent"] == "none") == (spec["question"] is not None)
    understood(spec)


NEGATIONS = ("don't ", "do not ", "never ", "please don’t ", "I said don't ")


def acts_though_negated(text: str, negation: str) -> bool:
    spec = parse(negation + text)
    return spec["intent"] not in READS and not (
        spec["intent"] in ("limit", "prioritize", "autonomy") and "let " in text
    )


@given(st.sampled_from(ACTING), st.sampled_from(NEGATIONS))
@settings(max_examples=60, deadline=None)
def test_a_negated_wish_is_never_acted_upon(text: str, negation: str) -> None:
    assert not acts_though_negated(text, negation)


@pytest.mark.slow
def test_no_wish_at_all_is_acted_upon_when_it_is_negated() -> None:
    assert [(n, text) for text in ACTING for n in NEGATIONS if acts_though_negated(text, n)] == []


def test_a_complaint_behind_a_negated_wish_is_no_goal() -> None:
    assert parse("don't rstart apache2, wedged agian")["intent"] == "none"
    assert parse("wedged again")["intent"] == "none"
    assert parse("i want calm again")["goal"] == "calm"


@given(st.sampled_from(ACTING), st.sampled_from(["postgresql", "nginx", "the database", "frobnicator-7"]))
@settings(max_examples=60, deadline=None)
def test_what_is_protected_is_never_a_target(text: str, name: str) -> None:
    bare = name.removeprefix("the ")
    for sentence in (
        f"{text}, but don't touch {name}",
        f"{text} without touching {name}",
        f"limit {name}, but not {name}",
    ):
        spec = parse(sentence)
        assert bare not in spec["targets"]
        assert spec["intent"] == "none" or bare in spec["protect"]


@given(st.sampled_from(sentences("dev")), st.sampled_from(["upper", "spaces", "nfd"]))
@settings(max_examples=60, deadline=None)
def test_case_and_spaces_change_nothing(sentence: Any, how: str) -> None:
    text = sentence.text
    other = {
        "upper": text.upper(),
        "spaces": f"  {text.replace(' ', '   ')} ",
        "nfd": unicodedata.normalize("NFD", text),
    }[how]
    found, expected = (
        parse(each, now=NOW) for each in (other, text)
    )  # at one time: some end at a time of day
    assert {**found, "spans": None} == {**expected, "spans": None}


@given(st.sampled_from(sentences("dev")))
@settings(max_examples=60, deadline=None)
def test_spans_lie_in_the_text(sentence: Any) -> None:
    for places in (parse(sentence.text)["spans"] or {}).values():
        assert all(0 <= start < end <= len(sentence.text) for start, end in places)


WORDS_OF_NEGATION = ("not", "never", "don't", "cannot")


def passes_over_negation(text: str, negation: str, at: int) -> bool:
    """Whether ``text`` with ``negation`` as its word ``at`` is acted upon as it was without."""
    words = text.split()
    if '"' in text or at > len(words):
        return False
    said = " ".join([*words[:at], negation, *words[at:]])
    spec = parse(said)
    if spec["intent"] in READS or spec["operation"] == "list":
        return False
    place = len(" ".join(words[:at]) + " ") if at else 0
    spares = any(start <= place < end for start, end in spec["spans"].get("protect", ()))
    heard = spares or spec["protect"] != parse(text)["protect"]
    before = " ".join(words[:at])
    heard = heard or "so that" in before or "so i can" in before  # what is wanted by it, not whether
    # what must not start at boot is disabled, "not on mains" is on battery, "not more than" a bound
    heard = heard or any(spec[field] != parse(text)[field] for field in ("operation", "condition"))
    heard = heard or "not more than" in said
    return not heard and {"takes", "plugged", "but", "except", "not", "nobody"}.isdisjoint(words)


@given(st.sampled_from(ACTING), st.sampled_from(WORDS_OF_NEGATION), st.integers(0, 12))
@settings(max_examples=60, deadline=None)
def test_a_negation_anywhere_is_heard(text: str, negation: str, at: int) -> None:
    assert not passes_over_negation(text, negation, at)


@pytest.mark.slow
def test_a_negation_anywhere_in_any_wish_is_heard() -> None:
    places = [(text, at) for text in ACTING for at in range(13)]
    found = [
        (text, WORDS_OF_NEGATION[number % 4], at)
        for number, (text, at) in enumerate(places)
        if passes_over_negation(text, WORDS_OF_NEGATION[number % 4], at)
    ]
    assert found == []


def test_only_questions_skip_words() -> None:
    skipping = [each for each in grammar().intents.every if "{words}" in each.text]
    assert skipping
    assert {each.fields["intent"] for each in skipping} <= READS
    assert not any(each.fields.get("acts") for each in skipping)
    assert parse("how much of the whole wretched memory is left")["confidence"] < 0.7
    assert parse("restart the whole wretched nginx")["intent"] == "none"


@pytest.mark.parametrize(
    ("said", "span"),
    [
        ("prioritize blender until 18:30", "PT9H10M"),
        ("until midnight limit the background to 40 %", "PT14H40M"),
        ("limit blender to 2 cores till 7 am", "PT21H40M"),
        ("limit blender to 2 cores from now to midnight", "PT14H40M"),
    ],
)
def test_a_time_of_day_is_the_next_such_time_from_now(said: str, span: str) -> None:
    assert parse(said, now=datetime(2026, 3, 2, 9, 20))["until"] == span


@pytest.mark.parametrize("said", ["don't limit blender until 7 am", "leave blender alone until 18:00"])
def test_what_is_not_wanted_until_then_is_not_done(said: str) -> None:
    assert parse(said)["intent"] == "none"


def test_verbs_of_everyday_speech_take_what_is_surely_a_name() -> None:
    assert said("reset nginx")["targets"] == ["nginx"]
    assert said("reset flurbel") == {"intent": "none"}
    assert said("reset flurbel", names=("flurbel",))["intent"] == "service"


def test_an_amount_in_an_alert_is_its_threshold() -> None:
    found = said("alert on cpu above 90 %")
    assert found["condition"] == {"kind": "above", "value": 90.0, "unit": "%", "resource": "cpu"}
    assert "amount" not in found and found["notify"]
