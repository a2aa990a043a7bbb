# SPDX-License-Identifier: Apache-2.0
"""Answers what is said about the sentence before and is no wish: why, yes, no, and to take it back."""

from collections.abc import Iterator, Mapping
from typing import Any

from jepa.language.dialogue import Dialogue, DialogueTurn, FollowUp
from jepa.language.saying import understood
from jepa.shell.conversation import Conversation
from jepa.shell.request import Request
from jepa.shell.verbs import plan as plans


def answer(request: Request, turn: FollowUp, conversation: Conversation) -> None:
    """Write what a person is told."""
    out = request.out
    match turn.about:
        case "why" if turn.dialogue is not None:
            for line in why(turn.dialogue, conversation):
                out.line(line)
        case "yes":
            out.line(_consent(conversation))
        case "no":
            stays = conversation.changes or conversation.task
            out.line(f"{turn.answer}{f' What was done stays; {take_back(conversation)}.' if stays else ''}")
            conversation.drop()
        case _:
            conversation.heard(turn)
            out.line(turn.answer)


def take_back(conversation: Conversation) -> str:
    """How a person takes back what was done, in words."""
    if conversation.task:
        return f"`tasks end {conversation.task}` takes it back"
    return " and ".join(f"`undo {change}`" for change in reversed(conversation.changes)) + " takes it back"


def undo_lines(conversation: Conversation) -> list[list[str]]:
    """The verb lines that take back what was done about the last sentence; none where nothing was."""
    if conversation.task:
        return [["tasks", "end", conversation.task]]
    return [["undo", change] for change in reversed(conversation.changes)]


def why(dialogue: Dialogue, conversation: Conversation) -> Iterator[str]:
    """What was understood by which words, and what the plan for it expects and says for itself."""
    spec = dialogue.spec
    if spec["intent"] == "none":
        yield f"not understood: {spec['question']}"
    else:
        yield f"understood: {understood(spec)}"
    for turn in dialogue.turns:
        yield f'  "{turn.said}": {_words(turn) or "gave no field"}'
    if spec["confidence"] is not None:
        yield f"  read by {spec['tier']}, confidence {spec['confidence']:g}"
    if conversation.plan is None:
        yield "No plan was made for it."
        return
    yield from _of_plan(conversation.plan, conversation.expired())


def _of_plan(plan: Mapping[str, Any], expired: bool) -> Iterator[str]:
    word, _ = plans.WORDS[plan["verdict"]["decision"]]
    yield f"plan {plan['id']}  {word}{', has expired' if expired else ''}"
    yield from (f"  {step}" for step in plans.steps(plan))
    yield from (f"  {reason}" for reason in plan["verdict"]["reasons"])
    if plan["steps"]:
        yield f"  {plans.energy(plan)}"
    yield from (
        f"  {plans.expectation(name, plan)}" for name in list(plan["imagined"]["windows"])[: plans.DRAWN]
    )


def _words(turn: DialogueTurn) -> str:
    """Which words of a turn gave which field."""
    return ", ".join(
        f"{field} from {' and '.join(repr(turn.said[start:end]) for start, end in places)}"
        for field, places in turn.spans.items()
    )


def _consent(conversation: Conversation) -> str:
    plan = conversation.plan
    if conversation.task or conversation.changes:
        return f"It is done already; {take_back(conversation)}."
    if plan is None or not plan["steps"] or plan["verdict"]["decision"] == "deny":
        return "Nothing was asked that yes would answer."
    if conversation.expired():
        return "The plan has expired; say the wish again."
    return f"`apply {plan['id']} --yes` gives your consent and carries it out."
