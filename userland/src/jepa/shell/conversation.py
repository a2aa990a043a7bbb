# SPDX-License-Identifier: Apache-2.0
"""What one shell remembers of its last sentence: what was understood, planned for it and done about it."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from jepa.errors import JepaError
from jepa.language.dialogue import Dialogue, FollowUp, begin, follow_up, goes_on
from jepa.language.understanding import Understanding
from jepa.telemetry.clocks import boot_s

NOT_UNDERSTOOD: Final = "That was not understood."


class Conversation:
    """One a shell; a command line by itself has a new one."""

    def __init__(
        self,
        understanding: Understanding,
        clock: Callable[[], float] = boot_s,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        """``clock`` counts seconds as plans expire by, ``now`` is the local time of day."""
        self.understanding = understanding
        self._clock = clock
        self._now = now
        self.dialogue: Dialogue | None = None
        self.plan: dict[str, Any] | None = None
        """The last that was made for what was understood."""
        self.changes: tuple[str, ...] = ()
        """The ids of the changes that the plan came to, in their order."""
        self.task = ""
        """The id of the task that it was to stand as."""

    def refers(self, line: str) -> FollowUp | None:
        """What ``line`` says about the sentence before; None where it says nothing of that."""
        return follow_up(self.dialogue, line, self.understanding.inventory, self._clock(), self._now())

    def drop(self) -> None:
        """Forget what was understood."""
        self._go_on(None)

    def heard(self, turn: FollowUp) -> None:
        """Remember what a follow-up that is no wish came to."""
        if turn.dialogue is not self.dialogue and turn.dialogue is not None:
            self.dialogue = turn.dialogue

    def hear(self, text: str) -> Dialogue:
        """Begin anew with ``text``, a sentence that stands by itself."""
        new = begin(text, self.understanding.parse_openly(text), self._clock())
        self._go_on(goes_on(self.dialogue, new))
        return new

    def spec(self, text: str) -> dict[str, Any]:
        """The task spec of ``text``, as a follow-up or by itself; JepaError (422) with the question."""
        turn = self.refers(text)
        if turn is None:
            new = self.hear(text)
            if new.spec["intent"] == "none":
                raise JepaError(NOT_UNDERSTOOD, new.spec["question"], status=422)
            return dict(new.spec)
        if turn.about != "wish" or turn.dialogue is None:
            self.heard(turn)
            raise JepaError(turn.answer or "That asks for no plan.", "", status=422)
        self._go_on(turn.dialogue)
        return dict(turn.dialogue.spec)

    def planned(self, plan: dict[str, Any]) -> None:
        """Remember the plan that was made for it."""
        self.plan = plan

    def did(self, plan: str, changes: Sequence[str] = (), task: str = "") -> None:
        """Remember what the plan of this id came to, if it is the one."""
        if self.plan is not None and self.plan["id"] == plan:
            self.changes, self.task = tuple(changes), task

    def expired(self) -> bool:
        """Whether the plan is none that can be applied any more."""
        return self.plan is not None and self._clock() >= self.plan["expires_s"]

    def _go_on(self, dialogue: Dialogue | None) -> None:
        if dialogue is not self.dialogue:
            self.plan, self.changes, self.task = None, (), ""
        self.dialogue = dialogue
