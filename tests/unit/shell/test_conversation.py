# SPDX-License-Identifier: Apache-2.0
"""At the prompt a line may refer to the sentence before; nothing is changed by that without consent."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from jepa.language.inventory import LiveInventory
from jepa.language.understanding import Understanding
from jepa.planning.goals import Knowledge
from jepa.shell.conversation import Conversation
from jepa.shell.prompt_line import LineRunner, run_line
from jepa.telemetry.schema import Schema
from tests.unit.planning.conftest import knowing as knowing
from tests.unit.planning.conftest import tree as tree
from tests.unit.shell.verbs.test_plan import Planning

Say = Callable[[str], str]


class Clock:
    """Stands until it is moved."""

    def __init__(self) -> None:
        self.at_s = 100.0

    def __call__(self) -> float:
        return self.at_s


class Watched(Planning):
    """A service that plans, and remembers for what."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.specs: list[dict[str, Any]] = []
        self.ended: list[str] = []

    def plan(self, spec: str) -> dict[str, Any]:
        self.specs.append(json.loads(spec))
        return super().plan(spec)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def service(schema: Schema, knowing: Callable[..., Knowledge]) -> Watched:
    return Watched(schema, knowing(), 0.6)


@pytest.fixture
def conversation(clock: Clock) -> Conversation:
    inventory = LiveInventory(frozenset(("nginx.service",)), {})
    return Conversation(
        Understanding(lambda: inventory, find=lambda: None), clock, lambda: datetime(2026, 11, 29, 17, 0)
    )


@pytest.fixture
def say(service: Watched, conversation: Conversation) -> Say:
    client: Any = service
    return lambda line: run_line(client, line, conversation=conversation)


def test_a_follow_up_is_planned_for_as_what_was_said_before_with_the_change(
    say: Say, service: Watched
) -> None:
    assert "needs consent" in say("prioritize the foreground")
    assert say("for an hour").startswith("understood: prioritize foreground, for 1 h\nplan ")
    assert "without touching nginx" in say("not nginx")
    assert [spec["until"] for spec in service.specs] == [None, "PT1H", "PT1H"]
    assert service.specs[-1]["protect"] == ["nginx.service"]


def test_why_shows_the_words_the_plan_and_what_it_expects(say: Say) -> None:
    say("prioritize the foreground")
    say("for an hour")
    said = say("why?")
    assert "understood: prioritize foreground, for 1 h" in said
    assert "\"for an hour\": until from 'an hour'" in said
    assert "targets from 'the foreground'" in said
    assert "needs consent" in said
    assert "gains" in said
    assert "next 15 s: without" in said


def test_yes_gives_no_consent_but_says_how(
    say: Say, service: Watched, conversation: Conversation, clock: Clock
) -> None:
    clock.at_s = service.plan('{"intent": "prioritize"}')["expires_s"] - 60
    say("prioritize the foreground")
    assert conversation.plan is not None
    clock.at_s = conversation.plan["expires_s"] - 1
    assert say("yes") == f"`apply {conversation.plan['id']} --yes` gives your consent and carries it out."
    clock.at_s = conversation.plan["expires_s"]
    assert say("do it") == "The plan has expired; say the wish again."
    assert "has expired" in say("why?")


def test_what_was_not_done_is_not_taken_back(say: Say) -> None:
    say("prioritize the foreground")
    assert say("undo that").startswith("Nothing was changed for it.")


def test_what_the_plan_came_to_is_taken_back_newest_first(
    say: Say, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jepa.shell import prompt_line

    done: list[tuple[str, str]] = []
    monkeypatch.setattr(
        prompt_line, "perform", lambda request: done.append((request.args.verb, request.args.change))
    )
    conversation.dialogue, conversation.plan = None, None
    conversation.spec("prioritize the foreground")
    conversation.planned({"id": "3f9c2a71b04e"})
    conversation.did("another", ["c1"])
    say("undo that")
    assert done == []
    conversation.did("3f9c2a71b04e", ["c7", "c8"])
    say("undo that")
    assert done == [("undo", "c8"), ("undo", "c7")]
    assert say("forget it") == "Dropped. What was done stays; `undo c8` and `undo c7` takes it back."


def test_after_never_mind_there_is_nothing_to_refer_to(say: Say, service: Watched) -> None:
    say("prioritize the foreground")
    assert say("no, never mind") == "Dropped."
    assert say("for an hour").startswith("There is nothing before it")
    assert len(service.specs) == 1


def test_a_new_sentence_begins_anew(say: Say, service: Watched) -> None:
    say("prioritize the foreground but not nginx")
    say("limit the background to 40 %")
    say("make it 60 %")
    assert (service.specs[-1]["intent"], service.specs[-1]["amount"]["value"]) == ("limit", 60)


def test_verbs_stay_verbs_and_names_alone_are_misspelt_verbs(say: Say) -> None:
    assert "There is no verb 'nginx'" in say("nginx")
    assert "There is no verb 'statu'" in say("statu")
    assert "`jepa undo` takes back the last change" in say("undo that")
    assert say("help forecast").startswith("usage: jepa forecast")


def test_without_a_conversation_a_line_refers_to_nothing(service: Watched) -> None:
    client: Any = service
    assert "There is nothing before it" in run_line(client, "for an hour")


def test_a_target_that_is_protected_by_another_name_is_not_taken_for_everything(
    service: Watched, clock: Clock
) -> None:
    inventory = LiveInventory(
        frozenset(("postgresql.service",)), {"postgres": frozenset(("postgresql.service",))}
    )
    conversation = Conversation(Understanding(lambda: inventory, find=lambda: None), clock)
    client: Any = service
    said = run_line(client, "limit the database to 40 % but not postgres", conversation=conversation)
    assert "changed and left alone at once" in said
    assert service.specs == []


def test_each_shell_remembers_for_itself(service: Watched) -> None:
    client: Any = service
    one, other = LineRunner(), LineRunner()
    one(client, "prioritize the foreground")
    assert "There is nothing before it" in other(client, "for an hour")
    assert "for 1 h" in one(client, "for an hour")
