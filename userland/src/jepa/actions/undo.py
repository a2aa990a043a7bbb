# SPDX-License-Identifier: Apache-2.0
"""Taking one change back: the old value in force again, unless the setting is somebody else's by now.

Several changes of one setting lie upon each other. Only the uppermost is the machine's; when a lower one is
taken back the machine stays as it is, and the one above inherits what it will put in force one day. So
changes may be taken back in any order, and the last one leaves what was there before the first.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from jepa.actions import kept_files
from jepa.actions.catalogue import ActionType, Catalogue, Value, catalogue
from jepa.actions.change import Change, State
from jepa.actions.dead_man import DeadMan
from jepa.actions.family import Family, Host, Lingers, Resource, Stepwise
from jepa.actions.journal import Journal
from jepa.actions.registry import family_of
from jepa.actions.values import shown
from jepa.errors import JepaError

_GONE: Final = (404, 409)
"""What ``Family.read`` raises for a resource that is gone or is another one by now."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a machine: which there are, and what reads and sets each."""

    host: Host
    actions: Catalogue = field(default_factory=catalogue)
    families: Callable[[ActionType], Family] = family_of

    def of(self, change: Change) -> tuple[ActionType, Resource, Family]:
        """What a change was made to. JepaError (409) when this version no longer has its action."""
        action = self.actions.get(change.action)
        if action is None:
            raise JepaError(
                f"This version has no action {change.action}, so {change.id} cannot be taken back.",
                f"Set {change.setting} to {change.inverse} by hand.",
                status=409,
            )
        resource = Resource(action.target, change.target, change.setting, change.identity)
        return action, resource, self.families(action)


def lies_upon(change: Change, others: list[Change]) -> Change | None:
    """The change in force, of ``others`` in the order of the journal, that was made upon ``change``."""
    stack = [
        each
        for each in others
        if each.in_force
        and (each.target, each.setting, each.identity) == (change.target, change.setting, change.identity)
    ]
    place = next((at for at, each in enumerate(stack) if each.id == change.id), len(stack))
    return stack[place + 1] if place + 1 < len(stack) else None


def _is_mixture(family: Family, found: Value, change: Change) -> bool:
    """Whether a change was interrupted between the steps that it takes."""
    return isinstance(family, Stepwise) and family.is_mixture(found, change.inverse, change.new)


class TakeBack:
    """Takes changes back, one call each. The caller holds what keeps others from the same resource."""

    def __init__(self, journal: Journal, settings: Settings, timers: DeadMan) -> None:
        self._journal = journal
        self._settings = settings
        self._timers = timers

    def __call__(self, change_id: str, outcome: State, reason: str) -> Change:
        """Bring the change to ``outcome``, or to FAILED when the setting is somebody else's by now.

        May be called again after it was killed, or failed, at any point. JepaError when the setting could
        not be put back: the change is in force still, and the journal says so.
        """
        change = self._journal.get(change_id)
        if not change.reversible:
            return self._irreversible(change)
        if not change.in_force:
            return change
        action, resource, family = self._settings.of(change)
        outcome = change.ending or outcome
        above = lies_upon(change, self._journal.changes)
        if above is not None:
            return self._hand_over(change, above, outcome, reason)
        try:
            found = family.read(self._settings.host, resource)
        except JepaError as error:
            if error.status not in _GONE:
                raise
            if isinstance(family, Lingers):
                family.forget(self._settings.host, resource)
            return self.close(change, outcome, f"{reason}; nothing was left to take back: {error.problem}")
        interrupted = change.state is State.INTENDED or change.ending is not None
        if found == change.inverse and not interrupted:
            return self.close(change, outcome, f"{reason}; it was {shown(action, found)} already")
        if found not in (change.new, change.inverse) and not _is_mixture(family, found, change):
            return self._leave(
                change, f"somebody set it to {shown(action, found)} meanwhile, so it was left"
            )
        self._put_back(change, family, resource, outcome)
        return self.close(change, outcome, reason)

    def close(self, change: Change, outcome: State, detail: str) -> Change:
        """Write that the change is no longer in force, and let its timer go."""
        if change.persistent:
            kept_files.sync(self._settings.host.root)  # before the journal says that it is so
        closed = replace(change, state=outcome, ending=None, until_s=None, detail=detail)
        self._journal.record(closed)
        self._timers.disarm(change.id)
        return closed

    def _put_back(self, change: Change, family: Family, resource: Resource, outcome: State) -> None:
        if change.ending is None:
            self._journal.record(replace(change, ending=outcome))
        inverse: Value = change.inverse
        family.undo(self._settings.host, resource, inverse)
        family.verify(self._settings.host, resource, inverse)

    def _hand_over(self, change: Change, above: Change, outcome: State, reason: str) -> Change:
        if above.ending is not None:
            raise JepaError(
                f"{above.id}, which was made upon {change.id}, could not be taken back yet.",
                f"Take that back first: `jepa undo {above.id}`.",
                status=409,
            )
        if above.inverse != change.new:
            return self._leave(
                change, f"somebody set it to {above.inverse} before {above.id}, so it was left"
            )
        closed = replace(
            change,
            state=outcome,
            ending=None,
            until_s=None,
            detail=f"{reason}; {above.id} is in force and will put {change.inverse} back",
        )
        self._journal.record(closed, replace(above, inverse=change.inverse))  # one row: both or neither
        self._timers.disarm(change.id)
        return closed

    def _leave(self, change: Change, detail: str) -> Change:
        return self.close(change, State.FAILED, detail)

    def _irreversible(self, change: Change) -> Change:
        if change.state is State.COMMITTED:
            raise JepaError(
                f"{change.action} cannot be taken back.",
                "`jepa actions` shows which actions can.",
                status=409,
            )
        if not change.in_force:
            return change
        return self.close(change, State.FAILED, "it was interrupted, and nobody knows whether it was done")
