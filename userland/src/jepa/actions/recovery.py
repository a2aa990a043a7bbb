# SPDX-License-Identifier: Apache-2.0
"""What a start finds: changes whose process died, whose time is over, or that a reboot ended.

Run at the start of whatever opens the journal, before anything else, and early at boot.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from jepa.actions.change import TIME_OVER, Change, State
from jepa.actions.clock import HostClock
from jepa.actions.dead_man import DeadMan
from jepa.actions.journal import Journal
from jepa.actions.undo import TakeBack
from jepa.errors import JepaError

EARLY_S: Final = 0.5
"""Timers may fire this much before the time they were armed for."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a recovery did."""

    ended: Sequence[Change] = ()
    """Changes that are not in force any more."""
    problems: Sequence[JepaError] = ()
    """Why others could not be taken back: they are in force, and the next recovery tries again."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """Ends what has to end. The caller sees to it that nothing else changes the machine meanwhile."""

    journal: Journal
    take_back: TakeBack
    timers: DeadMan
    clock: HostClock = field(default_factory=HostClock)

    def start(self) -> Recovered:
        """Leave only changes that are committed and whose time is not over, each with its timer armed.

        JepaError when the journal is damaged: nothing is done then.
        """
        ended: list[Change] = []
        problems: list[JepaError] = []
        self.journal.check()
        for change in reversed(self.journal.in_force):  # the newest first: it lies upon the others
            try:
                end = self._at_start(change)
                if end is not None:
                    ended.append(end())
                else:
                    self._see_to_timer(change)
            except JepaError as error:
                problems.append(error)
        return Recovered(ended, problems)

    def expire(self, change_id: str) -> Change:
        """What the dead-man's timer asks for: take the change back if its time is over.

        One whose time is not over is left, and gets a timer if it has none. JepaError (404) for one that is
        not known, and whatever taking it back raises.
        """
        change = self.journal.get(change_id)
        if not self.due(change):
            self._see_to_timer(change)
            return change
        if change.state is State.COMMITTED:
            return self.take_back(change_id, State.REVERTED, TIME_OVER)
        return self.take_back(change_id, State.REVERTED, "it was not confirmed in time")

    def due(self, change: Change) -> bool:
        """Whether the time of a change in force is over."""
        if not change.in_force or change.until_s is None:
            return False
        return change.boot_id != self.clock.boot_id or change.until_s - EARLY_S <= self.clock.boottime_s()

    def _see_to_timer(self, change: Change) -> None:
        if change.in_force and change.until_s is not None and change.id not in self.timers.armed():
            self.timers.arm(change.id, change.until_s - self.clock.boottime_s())

    def _at_start(self, change: Change) -> Callable[[], Change] | None:
        """What ends a change that does not stay in force."""
        rebooted = change.boot_id != self.clock.boot_id
        if rebooted and not change.persistent:
            detail = "the machine was restarted, which resets it"
            return lambda: self.take_back.close(change, State.REVERTED, detail)
        if change.ending is not None:
            return lambda: self.take_back(
                change.id, State.REVERTED, change.detail or "it was being taken back"
            )
        if change.state is not State.COMMITTED:
            return lambda: self.take_back(
                change.id, State.REVERTED, "its process died before it was committed"
            )
        if self.due(change):
            reason = "the machine was restarted" if rebooted else TIME_OVER
            return lambda: self.take_back(change.id, State.REVERTED, reason)
        return None
