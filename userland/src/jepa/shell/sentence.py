# SPDX-License-Identifier: Apache-2.0
"""A sentence on the command line as the task spec to plan for, with its names as units of this machine."""

from functools import cache
from typing import Any, Final

from jepa.errors import JepaError
from jepa.language.saying import understood
from jepa.language.specs import READS
from jepa.language.understanding import Understanding
from jepa.shell.conversation import Conversation
from jepa.shell.request import Request
from jepa.tasks.intents import PLANNED

_INSTEAD: Final = {
    "status": "`jepa status` and `jepa doctor` say how the machine is.",
    "query": "`jepa watch` shows what is now.",
    "explain": "`jepa explain` with the same words does.",
    "forecast": "`jepa forecast` shows what is expected.",
    "history": "`jepa history` shows what was changed.",
    "undo": "`jepa undo` takes back the last change.",
    "help": "`jepa --help` lists the verbs.",
    "service": "`jepa act unit.{operation} {targets}` does it.",
    "autonomy": "`jepa autonomy {operation}` does it.",
    "packs": "See `jepa packs --help`.",
    "goal_capture": "`jepa goal capture {goal}` does it.",
}


@cache
def understanding() -> Understanding:
    """That of this process: what was seen of the machine serves the next sentence, too."""
    return Understanding()


def verb_of(text: str) -> str:
    """The verb that answers a sentence: ``explain`` for a question of why, else ``plan``."""
    return "explain" if understanding().parse(text)["intent"] == "explain" else "plan"


def spec_of(request: Request, text: str) -> dict[str, Any]:
    """What ``text`` asks a plan for, said in one line; JepaError with the question where that is unclear."""
    conversation = request.conversation or Conversation(understanding())
    spec = conversation.spec(text)
    if request.listener is not None:
        turns = conversation.dialogue.turns if conversation.dialogue is not None else ()
        request.listener.understood(understood(spec), spec, turns[-1].spans if turns else {})
    elif not request.out.json:
        request.out.line(f"understood: {understood(spec)}")
    if spec["intent"] not in PLANNED:
        verb = "is answered" if spec["intent"] in READS else "is done"
        fields = {name: spec[name] or "" for name in ("operation", "goal")}
        fields["targets"] = " ".join(spec["targets"])
        instead = _INSTEAD.get(spec["intent"], "`jepa actions` shows what can be set here.")
        raise JepaError(f"{understood(spec)!r} {verb} without a plan.", instead.format(**fields), status=409)
    resolved = conversation.understanding.resolved(spec)
    if spec["targets"] and not resolved["targets"]:  # no target would mean all that is in the background
        raise JepaError(
            f"{' and '.join(spec['targets'])} is to be changed and left alone at once.",
            "Here both names mean the same units; name one of them.",
            status=409,
        )
    return resolved
