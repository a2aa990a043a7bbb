# SPDX-License-Identifier: Apache-2.0
"""How much may be changed in how short a time. All of it follows from the journal; nothing is kept here."""

from collections.abc import Sequence
from typing import Final

from jepa.actions.catalogue import TargetKind
from jepa.actions.change import DAEMONS, TIME_OVER, Caller, Change, Proposal, State, undone_by
from jepa.actions.guard.policy import Limits

_HOUR_S: Final = 3600.0


def reasons(proposal: Proposal, changes: Sequence[Change], now_s: float, limits: Limits) -> list[str]:
    """Why the change has to wait, or cannot be made beside others; empty when nothing stands against it.

    ``changes`` are those of this boot, ``now_s`` is CLOCK_BOOTTIME.
    """
    found = [*_in_flight(proposal, changes), *_excluded(proposal, changes)]
    found += _rates(proposal, changes, now_s, limits)
    if proposal.caller.autonomous:
        found += _autonomous(proposal, changes, now_s, limits)
    return found


def is_of_daemon(change: Change) -> bool:
    """Whether a daemon made the change by itself."""
    return change.unit in DAEMONS


def _is_of(caller: Caller, change: Change) -> bool:
    """Whether a change counts in the budget of ``caller``: so nobody can use up another's.

    The daemons share one.
    """
    if caller.autonomous or is_of_daemon(change):
        return caller.autonomous and is_of_daemon(change)
    return change.uid == caller.uid


def _who(caller: Caller) -> str:
    return "Daemons" if caller.autonomous else f"User {caller.uid}"


def _same(proposal: Proposal, change: Change) -> bool:
    resource = proposal.resource
    if resource.kind is TargetKind.PROCESS and change.identity != resource.identity:
        return False  # an earlier process of this PID; a unit that is restarted stays the same one
    return (change.target, change.setting) == (resource.name, resource.setting)


def _age_s(change: Change, now_s: float) -> float:
    """Seconds since it was made; one without a time is being made now."""
    return now_s - change.applied_s if change.applied_s is not None else 0.0


def _happened(changes: Sequence[Change], now_s: float, within_s: float) -> list[Change]:
    """Those that were in force at some time of the last ``within_s``; what failed at once was not."""
    return [
        change
        for change in changes
        if _age_s(change, now_s) < within_s
        and not (change.state is State.FAILED and change.applied_s is None)
    ]


def _in_flight(proposal: Proposal, changes: Sequence[Change]) -> list[str]:
    return [
        f"Change {change.id} of the same setting is still being made or watched."
        for change in changes
        if _same(proposal, change) and change.state in (State.INTENDED, State.APPLIED)
    ]


def _excluded(proposal: Proposal, changes: Sequence[Change]) -> list[str]:
    return [
        f"{change.action} is in force there and excludes it: `jepa undo {change.id}`."
        for change in changes
        if change.target == proposal.resource.name
        and change.in_force
        and change.setting != proposal.resource.setting
        and change.action in proposal.action.excludes
    ]


def _rates(proposal: Proposal, changes: Sequence[Change], now_s: float, limits: Limits) -> list[str]:
    hour = _happened(changes, now_s, _HOUR_S)
    own = [change for change in hour if _is_of(proposal.caller, change)]
    most = limits.autonomous_actions_per_hour if proposal.caller.autonomous else limits.actions_per_hour
    found: list[str] = []
    if len(own) >= most:
        found.append(f"{_who(proposal.caller)} made {len(own)} changes within the hour, and {most} may be.")
    same = [change for change in hour if _same(proposal, change)]
    action, of = proposal.action, proposal.resource.name or "the machine"
    if len([each for each in same if each.action == action.name and each in own]) >= action.rate_per_hour:
        found.append(
            f"{action.name} of {of} was changed {action.rate_per_hour} times within the hour: no more."
        )
    wait_s = max((action.dwell_s - _age_s(change, now_s) for change in same), default=0.0)
    if wait_s > 0:
        found.append(
            f"{action.name} of {of} was changed a moment ago: the next change may follow in {wait_s:.1f} s."
        )
    return found


def _autonomous(proposal: Proposal, changes: Sequence[Change], now_s: float, limits: Limits) -> list[str]:
    found: list[str] = []
    own = [change for change in changes if is_of_daemon(change)]
    bad = [change for change in _happened(own, now_s, limits.breaker_s) if _did_not_last(change)]
    if len(bad) >= limits.autonomous_reverts:
        found.append(
            f"{len(bad)} changes that daemons made by themselves had to be taken back: "
            "they make no more until a person has looked, or some time has passed."
        )
    same = [change for change in changes if _same(proposal, change)]
    for change in same:
        if change.state is State.COMMITTED and change.in_force and not is_of_daemon(change):
            found.append(f"A person set it (change {change.id}), and no program overrules that.")
    if any(
        is_of_daemon(change) and _undone_by_another(change) for change in _happened(same, now_s, _HOUR_S)
    ):
        found.append("A person took back such a change within the hour, and no program repeats it.")
    hour = _happened(same, now_s, _HOUR_S)
    back = [change for change in hour if change.old == proposal.new != change.new]
    if len(back) >= limits.reversals_per_hour and proposal.action.takes_value:
        found.append(f"It was changed away from {proposal.new} {len(back)} times within the hour: it flaps.")
    return found


def _did_not_last(change: Change) -> bool:
    """Whether it was taken back because of what it did, and not because its time was over."""
    if change.state is State.UNDONE:
        return _undone_by_another(change)
    return change.state is State.REVERTED and not change.detail.startswith(TIME_OVER)


def _undone_by_another(change: Change) -> bool:
    return change.state is State.UNDONE and not f"{change.detail};".startswith(f"{undone_by(change.uid)};")
