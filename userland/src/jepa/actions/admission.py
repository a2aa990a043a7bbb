# SPDX-License-Identifier: Apache-2.0
"""From a request to the change that is to be made: understood, checked and allowed, nothing touched yet."""

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from jepa.actions import request as requests
from jepa.actions.catalogue import ActionType, Persistence, ValueType
from jepa.actions.change import Caller, Change, Proposal, State
from jepa.actions.clock import HostClock
from jepa.actions.family import Family, Resource
from jepa.actions.journal import Journal
from jepa.actions.messages import ActionRequest, Verdict
from jepa.actions.undo import Settings
from jepa.actions.values import parse, same, shown
from jepa.errors import JepaError

WATCH_S: Final = 30.0
"""The window of a condition that came without one."""


class Judge(Protocol):
    """The guard, as the transaction sees it."""

    def judge(self, proposal: Proposal, changes: Sequence[Change], now_s: float) -> Verdict:
        """Whether it may be done; ``now_s`` is CLOCK_BOOTTIME."""

    def judge_undo(self, change: Change, caller: Caller) -> Verdict:
        """Whether ``caller`` may take it back."""


@dataclass(frozen=True, slots=True)
class Admission:
    """Everything that may refuse before the first row is written. Every method may raise JepaError."""

    settings: Settings
    guard: Judge
    journal: Journal
    clock: HostClock
    _mutex: threading.Lock = field(default_factory=threading.Lock)

    def verify(self, request: ActionRequest, caller: Caller) -> None:
        """Refuse (403) what is not a request of ``caller``, here and now."""
        requests.verify(request, caller.uid, self.clock)

    def resolve(self, request: ActionRequest) -> tuple[ActionType, Resource, Family]:
        """What the request is about: JepaError (404, 409) when the machine has no such thing."""
        action = self.settings.actions.find(request.action)
        family = self.settings.families(action)
        if (missing := family.missing(self.settings.host, action)) is not None:
            raise JepaError(missing, "`jepa actions` shows what can be set here.", status=409)
        if not action.reversible and (request.for_s is not None or watch_s(request)):
            raise JepaError(
                f"{action.name} cannot be taken back, so it can neither be limited in time nor watched.",
                "Leave out --for, --watch and --keep-if.",
                status=422,
            )
        return action, family.resolve(self.settings.host, action, request.target), family

    def propose(self, request: ActionRequest, caller: Caller) -> Proposal:
        """What would be changed now, from what, to what; JepaError (422) for a value out of range."""
        action, resource, family = self.resolve(request)
        value = parse(action, request.value, self._memory_bytes(action))
        old = family.read(self.settings.host, resource)
        new = family.check(self.settings.host, action, resource, value)
        if request.plan and not same(resource.setting, old, request.expected):
            raise JepaError(
                f"The plan is stale: {resource.setting} is {shown(action, old)}, not "
                f"{shown(action, request.expected)} as when it was made.",
                "Make the plan anew.",
                status=409,
            )
        return Proposal(action, resource, old, new, request, caller)

    def judge(self, proposal: Proposal) -> Verdict:
        """What the guard says of it now."""
        return self.guard.judge(proposal, self.journal.changes, self.clock.boottime_s())

    def require(self, proposal: Proposal, consent: bool) -> Verdict:
        """The verdict; JepaError (403) unless the guard allows it, or asks and there is ``consent``."""
        verdict = self.judge(proposal)
        if verdict.decision == "deny" or (verdict.decision == "ask" and not consent):
            what = "is refused" if verdict.decision == "deny" else "needs your consent"
            raise refused(f"{proposal.action.name} {what}", verdict)
        return verdict

    @contextlib.contextmanager
    def one_at_a_time(self) -> Iterator[None]:
        """Held from the verdict to the row of the intention, so that budgets count what is admitted."""
        with self._mutex:
            yield

    def refuse_second(self, request: ActionRequest) -> None:
        """JepaError (403) for a request that was carried out already."""
        for change in self.journal.changes:
            if change.request == request.id:
                raise JepaError(
                    f"This request was carried out already: it is change {change.id}, {change.state}.",
                    "Send a new request to do it again.",
                    status=403,
                )

    def refuse_unfinished(self, resource: Resource) -> None:
        """JepaError (409) while an earlier change of it is neither committed nor taken back."""
        for each in self.journal.in_force:
            same = (each.target, each.setting, each.identity) == (
                resource.name,
                resource.setting,
                resource.identity,
            )
            if same and (each.state is not State.COMMITTED or each.ending is not None):
                raise JepaError(
                    f"An earlier change of {each.setting}, {each.id}, could not be taken back yet.",
                    f"Take it back first: `jepa undo {each.id}`.",
                    status=409,
                )

    def intended(self, proposal: Proposal, dead_s: float) -> Change:
        """The change as it is written down first; uncommitted it is taken back after ``dead_s``."""
        request, action, resource = proposal.request, proposal.action, proposal.resource
        return Change(
            id=os.urandom(6).hex(),
            ts_ns=self.clock.wall_ns(),
            boot_id=self.clock.boot_id,
            uid=proposal.caller.uid,
            action=action.name,
            target=resource.name,
            setting=resource.setting,
            identity=resource.identity,
            old=proposal.old,
            new=proposal.new,
            tier=action.tier,
            state=State.INTENDED,
            inverse=proposal.old,
            until_s=self.clock.boottime_s() + dead_s,
            persistent=action.persistence is Persistence.PERSISTENT,
            reversible=action.reversible,
            why=request.why,
            task=request.task,
            plan=request.plan,
            request=request.id,
            unit=proposal.caller.unit,
            predicted=dict(request.predicted),
        )

    def _memory_bytes(self, action: ActionType) -> int:
        if action.type is not ValueType.BYTES:
            return 0
        first = (self.settings.host.root / "proc/meminfo").read_text().split("\n", 1)[0]
        return int(first.split()[1]) * 1024


def watch_s(request: ActionRequest) -> float:
    """How long the change is to be watched, in seconds; 0: not at all."""
    return request.watch_s or (WATCH_S if request.keep_if else 0.0)


def refused(what: str, verdict: Verdict) -> JepaError:
    """The error (403) of a verdict, with its reasons."""
    reasons = " ".join(verdict.reasons)
    remedy = "Give it with --yes." if verdict.decision == "ask" else "`jepa policy` shows the rules."
    return JepaError(f"{what}: {reasons or 'no rule allows it.'}", remedy, status=403)
