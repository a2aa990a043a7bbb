# SPDX-License-Identifier: Apache-2.0
"""The tools of `jepa mcp`: what verbs answer in JSON. Each reads or proposes; none changes the machine."""

import argparse
import io
import json
import threading
from typing import Annotated, Any, Final

from pydantic import Field

from jepa.errors import JepaError
from jepa.shell.output import Output
from jepa.shell.request import Request
from jepa.shell.verbs import perform
from jepa.text import shown

MOST: Final = 200
"""Events or changes in one answer: an assistant pays for each word that it reads."""
Names = Annotated[list[str], Field(max_length=100)]
Sentence = Annotated[str, Field(max_length=4096)]


class Tools:
    """Answers calls one after the other; the docstring of each is what assistants are told of it.

    Every method raises JepaError, with the remedy, as the verb of its name does.
    """

    def __init__(self, request: Request) -> None:
        """``request``: that of `jepa mcp`; its service is asked for as long as the server runs."""
        self._request = request
        self._alone = threading.Lock()

    def status(self) -> dict[str, Any]:
        """How each part of JEPA OS is, what is degraded and why, and what it uses itself."""
        return self._object("status")

    def doctor(self) -> dict[str, Any]:
        """Every check of JEPA OS and of this machine's kernel, with the remedy where one is not ok."""
        return self._object("doctor")

    def forecast(
        self,
        channels: Annotated[Names, Field(description="such as cpu; empty: all")] = [],  # noqa: B006
        horizon_s: Annotated[int | None, Field(ge=1, le=3600, description="seconds; default: all")] = None,
    ) -> dict[str, Any]:
        """What this machine's channels are expected to do: quantiles and probabilities of events."""
        return self._object("forecast", channels=channels, horizon=horizon_s)

    def events(
        self,
        since_s: Annotated[int, Field(ge=1, le=7 * 86400, description="of the last so many seconds")] = 3600,
        kinds: Annotated[Names, Field(description="such as unit_failed; empty: all")] = [],  # noqa: B006
    ) -> dict[str, Any]:
        """What happened: failed units, devices, errors in the kernel log, alerts. The newest 200 at most."""
        found = self._lines("events", since=since_s, follow=False, kind=kinds)
        return {"events": found[-MOST:], "left_out": max(0, len(found) - MOST)}

    def explain(
        self,
        about: Annotated[Sentence, Field(description="a unit, PID, channel, resource or a question")] = "",
        ago_s: Annotated[int | None, Field(ge=1, le=600, description="as it was so long ago")] = None,
    ) -> dict[str, Any]:
        """Why the machine, or a part of it, is as it is: causes with evidence. Takes some seconds."""
        return self._object("explain", about=[about] if about else [], at=ago_s)

    def actions(
        self, name: Annotated[str, Field(max_length=100, description="one action; empty: all")] = ""
    ) -> dict[str, Any]:
        """What can be set on this machine: range, tier, what it lacks. Only a person may set it."""
        (found,) = self._lines("actions", name=name or None)
        return {"actions": [found] if name else found}

    def history(self, limit: Annotated[int, Field(ge=1, le=MOST)] = 20) -> dict[str, Any]:
        """The newest changes of the machine: by whom, why, from what to what, and what came of them."""
        (found,) = self._lines("history", change=None, limit=limit)
        return {"changes": found}

    def parse(self, text: Annotated[Sentence, Field(min_length=1)]) -> dict[str, Any]:
        """What a sentence in plain words means, as a task spec; does nothing of it."""
        return self._object("parse", text=[text], lines=None)

    def propose_plan(
        self,
        text: Annotated[Sentence, Field(description="what is wanted, such as: free memory")] = "",
        spec: Annotated[dict[str, Any] | None, Field(description="a task spec in place of text")] = None,
    ) -> dict[str, Any]:
        """A plan for a task: steps, what they are imagined to do, the verdict, an id. Changes nothing.

        A person carries it out, within a minute, with `jepa apply ID`.
        """
        if bool(text) == (spec is not None):
            raise JepaError("One of text and spec is wanted.", 'Give for instance text "free memory".')
        if spec is None:
            return self._object("plan", text=[text], spec=None)
        with self._alone:
            plan: dict[str, Any] = _escaped(self._request.client.plan(json.dumps(spec)))
        return plan

    def _object(self, verb: str, **arguments: Any) -> dict[str, Any]:
        """The one object that ``verb`` prints."""
        found: dict[str, Any]
        (found,) = self._lines(verb, **arguments)
        return found

    def _lines(self, verb: str, **arguments: Any) -> list[Any]:
        """Each line of JSON that ``verb`` prints."""
        given = vars(self._request.args)
        chosen = {name: given[name] for name in ("local", "socket") if name in given}
        text = io.StringIO()
        with self._alone:
            # At a prompt no verb reads standard input, which here is the protocol's.
            perform(
                Request(
                    argparse.Namespace(verb=verb, **chosen, **arguments),
                    Output(text, json=True, unicode=True, colour=False),
                    lambda: self._request.client,
                    prompt=True,
                    reach=self._request.reach,
                )
            )
        return [_escaped(json.loads(line)) for line in text.getvalue().split("\n") if line]


def _escaped(found: Any) -> Any:
    """``found`` with the control characters of its texts escaped: an assistant shows them to a person."""
    match found:
        case str():
            return shown(found)
        case dict():
            return {shown(name): _escaped(value) for name, value in found.items()}
        case list():
            return [_escaped(each) for each in found]
    return found
