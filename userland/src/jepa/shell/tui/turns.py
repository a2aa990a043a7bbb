# SPDX-License-Identifier: Apache-2.0
"""One line that was entered and what it comes to: run in a thread, told to the app as typed messages."""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from textual.message import Message

from jepa.errors import JepaError
from jepa.service.api import Client, FrameOut
from jepa.shell.listener import Kind, Listener
from jepa.text import shown

RunLine = Callable[[Client, str, int, Listener | None], str]
"""Runs one line and gives its text for so many columns; raises JepaError."""


class OfTurn(Message):
    """Something that a line came to."""

    def __init__(self, turn: "Turn") -> None:
        super().__init__()
        self.turn = turn


class Understood(OfTurn):
    """The sentence was understood."""

    def __init__(
        self, turn: "Turn", meaning: str, spec: Mapping[str, Any], spans: Mapping[str, Any]
    ) -> None:
        super().__init__(turn)
        self.meaning = meaning
        self.spec = spec
        self.spans = spans


class Planned(OfTurn):
    """A plan was made for it."""

    def __init__(self, turn: "Turn", plan: Mapping[str, Any], past: Sequence[FrameOut]) -> None:
        super().__init__(turn)
        self.plan = plan
        self.past = past


class Wrote(OfTurn):
    """So much of the answer is there."""

    def __init__(self, turn: "Turn", kind: Kind, text: str, ended: bool) -> None:
        super().__init__(turn)
        self.kind = kind
        self.text = text
        self.ended = ended


class Turn:
    """Hears what a line comes to; see `jepa.shell.listener.Listener`."""

    def __init__(self, line: str, post: Callable[[Message], object]) -> None:
        self.line = line
        self._post = post
        self._kind: Kind = "result"

    def start(self, run_line: RunLine, client: Client, width: int) -> None:
        """Run the line; does not wait."""
        # A daemon thread: a service that hangs must not keep the shell from leaving.
        threading.Thread(target=self._run, args=(run_line, client, width), daemon=True).start()

    def _run(self, run_line: RunLine, client: Client, width: int) -> None:
        try:
            answer = run_line(client, self.line, width, self)
        except JepaError as error:
            self._kind, answer = "refused", shown(str(error))
        except Exception as error:  # a verb's bug is one wrong answer, not the end of the shell
            self._kind, answer = "refused", shown(f"This verb failed: {type(error).__name__}: {error}.")
        self._post(Wrote(self, self._kind, answer, ended=True))

    def understood(self, meaning: str, spec: Mapping[str, Any], spans: Mapping[str, Any]) -> None:
        """Tell the app."""
        self._post(Understood(self, meaning, spec, spans))

    def planned(self, plan: Mapping[str, Any], past: Sequence[FrameOut]) -> None:
        """Tell the app."""
        self._post(Planned(self, plan, past))

    def writes(self, kind: Kind) -> None:
        """Keep it for what is told from now on."""
        self._kind = kind

    def wrote(self, text: str) -> None:
        """Tell the app."""
        self._post(Wrote(self, self._kind, text, ended=False))
