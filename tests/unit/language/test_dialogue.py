# SPDX-License-Identifier: Apache-2.0
"""A follow-up changes what was understood and never widens it; what stands by itself is no follow-up."""

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jepa.language.dialogue import LASTS_S, Dialogue, FollowUp, begin, follow_up, goes_on
from jepa.language.inventory import LiveInventory
from jepa.language.parser import Parsed, parse, parse_openly
from jepa.language.resolve import resolve
from jepa.tasks.spec import TaskSpec
from jepa_lab.language.corpus import sentences

HERE = LiveInventory(
    frozenset(("nginx", "nginx.service", "postgresql.service", "redis.service", "redis", "gcc")),
    {
        "postgres": frozenset(("postgresql.service",)),
        "redis-server": frozenset(("redis.service",)),
        "nginx": frozenset(("nginx.service",)),
    },
)
FIVE = datetime(2026, 11, 29, 17, 0)
LIMIT = "limit gcc to 40 %"
TWO = "restart nginx and limit gcc to 40 %"


def hear(before: Dialogue | None, text: str, at_s: float = 0.0) -> tuple[Dialogue | None, FollowUp | None]:
    """What is understood after ``text``, as a shell keeps it, and the follow-up that it was."""
    turn = follow_up(before, text, HERE, at_s, FIVE)
    if turn is None:
        return goes_on(before, begin(text, parse_openly(text, HERE), at_s)), None
    return turn.dialogue, turn


def talk(*texts: str) -> tuple[Dialogue | None, FollowUp | None]:
    """After all of ``texts``."""
    dialogue: Dialogue | None = None
    turn: FollowUp | None = None
    for text in texts:
        dialogue, turn = hear(dialogue, text)
        if dialogue is not None:
            TaskSpec.model_validate(dialogue.spec)
    return dialogue, turn


def wish(*texts: str) -> dict[str, Any]:
    """The fields of the task spec after ``texts``, of which the last is a follow-up that wants something."""
    dialogue, turn = talk(*texts)
    assert dialogue is not None
    assert turn is not None
    assert turn.about == "wish", turn.answer
    silent = ("spans", "tier", "confidence", "question")
    return {
        name: value
        for name, value in dialogue.spec.items()
        if name not in silent and value not in (None, [], False)
    }


@pytest.mark.parametrize(
    ("texts", "changed"),
    [
        ((LIMIT, "make it 60 % instead"), {"amount": {"value": 60, "unit": "%"}}),
        ((LIMIT, "60 percent"), {"amount": {"value": 60, "unit": "%"}}),
        ((LIMIT, "no, rather 20 %"), {"amount": {"value": 20, "unit": "%"}}),
        ((LIMIT, "no more than 20 %"), {"amount": {"value": 20, "unit": "%"}}),
        ((LIMIT, "make it 2 cores"), {"amount": {"value": 2, "unit": "cores"}, "resource": "cpu"}),
        ((LIMIT, "for an hour"), {"until": "PT1H"}),
        ((LIMIT, "only for 90 seconds"), {"until": "PT90S"}),
        ((LIMIT, "until 18:00"), {"until": "PT1H"}),
        ((LIMIT, "until 4 pm"), {"until": "PT23H"}),
        ((LIMIT, "not the database"), {"protect": ["database"]}),
        ((LIMIT, "but leave nginx alone"), {"protect": ["nginx"]}),
        ((LIMIT, "for an hour", "not redis", "make it 30 %"),
         {"until": "PT1H", "protect": ["redis"], "amount": {"value": 30, "unit": "%"}}),
    ],
)  # fmt: skip
def test_a_follow_up_changes_the_field_it_names_and_no_other(
    texts: tuple[str, ...], changed: dict[str, Any]
) -> None:
    first = {"intent": "limit", "targets": ["gcc"], "amount": {"value": 40, "unit": "%"}}
    assert wish(*texts) == first | changed


def test_of_several_targets_the_one_that_is_excepted_is_left_out() -> None:
    assert wish("limit firefox and nginx to 2 cores", "not nginx.service")["targets"] == ["firefox"]


def test_between_two_wishes_is_chosen_and_then_the_other_one_is_meant() -> None:
    assert wish(TWO, "the second")["targets"] == ["gcc"]
    assert wish(TWO, "the first one")["operation"] == "restart"
    assert wish(TWO, "nginx")["operation"] == "restart"
    assert wish(TWO, "the last one", "and the other one?")["operation"] == "restart"
    assert wish(TWO, "the second", "and the other one?", "the other one")["intent"] == "limit"


def test_the_target_that_was_asked_for_may_be_named() -> None:
    answered = wish("restart it when it fails", "nginx")
    assert (answered["intent"], answered["operation"], answered["targets"]) == (
        "watch",
        "restart",
        ["nginx"],
    )


@pytest.mark.parametrize(
    ("texts", "answer"),
    [
        ((TWO, "yes"), "Which one? 1. restart nginx; 2. limit gcc to 40 %."),
        ((TWO, "the third"), "There are 2 to choose between."),
        ((TWO, "for an hour"), "Which one?"),
        ((TWO, "redis"), "Which one?"),
        ((LIMIT, "the second"), "Nothing was asked"),
        ((LIMIT, "and the other one?"), "nothing was near"),
        ((LIMIT, "make it 2 cores", "make it 4 GiB"), "no amount of cpu"),
        ((LIMIT, "make it half"), "Of what?"),
        ((LIMIT, "make it 400 %"), "From 0 to 100 %"),
        ((LIMIT, "not gcc"), "nothing is done"),
        ((LIMIT, "not gcc", "make it 60 %"), "not understood"),
        (("limit the database to 40 %", "not postgres", "not redis"), "nothing is done"),
        (("restart it when it fails", "not nginx", "nginx"), "nothing is done"),
        (("restart nginx", "make it 60 %"), "takes no amount"),
        (("how much memory is free", "for an hour"), "takes no time"),
    ],
)
def test_what_cannot_be_is_answered_in_one_sentence_and_nothing_is_wanted(
    texts: tuple[str, ...], answer: str
) -> None:
    _, turn = talk(*texts)
    assert turn is not None
    assert turn.about == "unclear"
    assert answer in turn.answer


@pytest.mark.parametrize(
    ("said", "about"),
    [
        ("why?", "why"),
        ("How come?", "why"),
        ("explain that", "why"),
        ("what did you understand?", "why"),
        ("undo that", "undo"),
        ("take it back", "undo"),
        ("yes", "yes"),
        ("ok, do it", "yes"),
        ("no, never mind", "no"),
        ("forget it", "no"),
        ("not yet", "no"),
    ],
)
def test_what_is_no_wish_is_told_apart(said: str, about: str) -> None:
    _, turn = talk(LIMIT, said)
    assert turn is not None
    assert turn.about == about


@pytest.mark.parametrize("said", ["for an hour", "make it 60 %", "yes", "the second", "never mind"])
def test_with_nothing_before_it_one_sentence_says_so(said: str) -> None:
    _, turn = talk(said)
    assert turn is not None
    assert (turn.about, turn.dialogue) == ("unclear", None)
    assert turn.answer.startswith("There is nothing before it")


@pytest.mark.parametrize("said", ["nginx", "blub", "why?", "undo that", "not nginx", "leave nginx alone"])
def test_a_name_alone_and_what_has_a_meaning_of_its_own_need_nothing_before(said: str) -> None:
    assert talk(said)[1] is None


def test_after_five_minutes_nothing_refers_to_it_any_more_and_each_turn_begins_them_anew() -> None:
    dialogue, _ = hear(None, LIMIT, at_s=0.0)
    dialogue, _ = hear(dialogue, "for an hour", at_s=LASTS_S - 1)
    later, turn = hear(dialogue, "make it 60 %", at_s=2 * LASTS_S - 2)
    assert turn is not None
    assert turn.about == "wish"
    _, turn = hear(later, "make it 20 %", at_s=4 * LASTS_S)
    assert turn is not None
    assert "five minutes" in turn.answer
    assert turn.dialogue is None


@pytest.mark.parametrize("said", ["don't do that to gcc", "never gcc again", "that must not happen"])
def test_a_negated_sentence_that_was_not_understood_ends_what_was_before(said: str) -> None:
    _, turn = talk(LIMIT, said, "make it 60 %")
    assert turn is not None
    assert turn.about != "wish"


def test_what_was_not_understood_otherwise_leaves_it_as_it_was() -> None:
    assert wish(LIMIT, "mkae ti sxity", "make it 60 %")["amount"]["value"] == 60


@pytest.mark.parametrize(
    "said",
    ["don't make it 60 %", "not for an hour", "make it not 60 %", "not the second", "never until 18:00"],
)
def test_a_negated_follow_up_is_never_taken_for_its_opposite(said: str) -> None:
    for before in (LIMIT, TWO):
        first, _ = talk(before)
        after, _ = hear(first, said)
        assert first is not None
        assert after is None or after.spec["intent"] == "none" or after.spec["until"] is None
        assert after is None or after.spec["amount"] in (None, {"value": 40.0, "unit": "%"})
        assert after is None or after.chosen is None


def test_a_sentence_that_stands_by_itself_is_no_follow_up() -> None:
    before, _ = talk(TWO)
    alone = [
        each.text
        for each in sentences("dev")[::7]
        if parse(each.text, HERE)["intent"] not in ("none", "undo", "explain")
    ]
    assert len(alone) > 100
    assert [text for text in alone if follow_up(before, text, HERE, 0.0, FIVE) is not None] == []


NAMES = [
    "nginx",
    "nginx.service",
    "redis",
    "postgres",
    "the database",
    "gcc",
    "the background",
    "redis-server",
]
FIRST = [
    "limit {0} to 40 %",
    "limit {0} and {1} to 2 cores",
    "limit {0} to 40 % but not {1}",
    "restart {0} and limit {1} to 40 %",
    "don't restart {0}",
    "restart it when it fails",
    "free memory but don't touch {0}",
    "prioritize {0}",
]
AFTER = [
    *("make it 60 % instead", "for an hour", "until 18:00", "the first", "the second", "and the other one?"),
    *("yes", "no", "why?", "undo that", "{0}", "not {0}", "leave {0} alone", "don't touch {0}"),
    *("i meant {0}", "everything but {0}", "take {0}", "and {0}"),
]
name = st.sampled_from(NAMES)


@settings(max_examples=150, deadline=None)
@given(
    st.tuples(st.sampled_from(FIRST), name, name).map(lambda of: of[0].format(of[1], of[2])),
    st.lists(st.tuples(st.sampled_from(AFTER), name).map(lambda of: of[0].format(of[1])), max_size=6),
)
def test_no_follow_up_widens_a_task_to_what_is_protected_or_was_never_a_target(
    first: str, after: list[str]
) -> None:
    dialogue, _ = hear(None, first)
    assert dialogue is not None
    targets = {name for each in (dialogue.spec, *dialogue.choices) for name in each["targets"]}
    protect = set(dialogue.protect)
    for text in after:
        before = dialogue
        dialogue, turn = hear(before, text)
        if turn is None or dialogue is None:
            return
        spec = dialogue.spec
        assert set(dialogue.protect) >= protect
        protect = set(dialogue.protect)
        if turn.about != "wish":
            assert spec["intent"] == "none" or before is None or spec == before.spec
            continue
        assert spec["intent"] != "none"
        assert set(spec["protect"]) >= protect
        asked = before is not None and before.open is not None
        assert asked or set(spec["targets"]) <= targets
        targets |= set(spec["targets"])
        units = resolve(spec, HERE)
        assert not set(units["targets"]) & set(units["protect"])
        assert units["targets"] or not targets or spec["intent"] in ("reclaim",), (
            "no target means the whole machine"
        )


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_answered(text: str) -> None:
    for before in (None, talk(LIMIT)[0], talk(TWO)[0], talk("restart it when it fails")[0]):
        hear(before, text)


def test_yes_to_a_question_about_one_wish_makes_it_the_wish() -> None:
    none = {**parse("restart nginx", HERE), "intent": "none", "operation": None, "targets": []}
    asked = Parsed({**none, "question": "Is it?"}, (parse("restart nginx but not redis", HERE),))
    before = begin("nothing loads, restart nginx", asked, 0.0)
    turn = follow_up(before, "yes", HERE, 1.0, FIVE)
    assert turn is not None
    assert turn.dialogue is not None
    assert turn.about == "wish"
    assert (turn.dialogue.spec["targets"], turn.dialogue.spec["protect"]) == (["nginx"], ["redis"])
    again = follow_up(turn.dialogue, "yes", HERE, 2.0, FIVE)  # from now on it is no consent, as ever
    assert again is not None
    assert again.about == "yes"


def test_no_to_a_question_about_one_wish_drops_it() -> None:
    asked = Parsed(parse("gibber", HERE), (parse("restart nginx", HERE),))
    turn = follow_up(begin("gibber", asked, 0.0), "no", HERE, 1.0, FIVE)
    assert turn is not None
    assert turn.dialogue is None
