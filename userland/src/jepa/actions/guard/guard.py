# SPDX-License-Identifier: Apache-2.0
"""The guard: whether a change may be made, and in plain sentences why not.

In this order: who asks, what would be touched, the policy or the grant, the budgets, other programs that
hold the setting. Every part can refuse, and none can undo the refusal of another.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from jepa.actions.catalogue import TargetKind
from jepa.actions.change import Caller, Change, Proposal
from jepa.actions.family import Host
from jepa.actions.guard import budget, protected
from jepa.actions.guard.caller import alive, is_person
from jepa.actions.guard.grants import Grant, GrantStore
from jepa.actions.guard.policy import Policy
from jepa.actions.guard.policy_store import PolicyStore
from jepa.actions.guard.reach import Reach, reaches
from jepa.actions.guard.rules import JudgedProposal
from jepa.actions.guard.tuners import Tuners
from jepa.actions.guard.unit_role import role_of
from jepa.actions.messages import Verdict
from jepa.errors import JepaError

_HEALING = "jepa-healing.service"
_ENDING: frozenset[str] = frozenset({"process.terminate", "process.kill"})


class Guard:
    """Judges proposals on one machine. Holds nothing but the policy and the tuners as last seen."""

    def __init__(
        self,
        host: Host,
        policy: PolicyStore,
        grants: GrantStore,
        boot_id: str,
        local_time: Callable[[], datetime] = datetime.now,
    ) -> None:
        self._host = host
        self._store = policy
        self._grants = grants
        self._boot_id = boot_id
        self._local_time = local_time
        self._tuners = Tuners(host.root, host.monotonic_s)

    @classmethod
    def of(cls, host: Host, directory: Path) -> "Guard":
        """The guard of ``host``, whose grants and last good policy are kept in ``directory``."""
        boot_id = (host.root / "proc/sys/kernel/random/boot_id").read_text().strip().replace("-", "")
        policy = PolicyStore(host.root, directory / "policy.json")
        return cls(host, policy, GrantStore(directory / "grants.jsonl", boot_id), boot_id)

    @property
    def policy(self) -> Policy | None:
        """The policy in force; None, everything is denied, when there never was one without a fault."""
        return self._store.policy()

    @property
    def policy_fault(self) -> str:
        """Why the policy files are not what is in force; empty when they are."""
        self._store.policy()
        return self._store.fault

    def judge(self, proposal: Proposal, changes: Sequence[Change], now_s: float) -> Verdict:
        """Whether it may be done; ``now_s`` is CLOCK_BOOTTIME. A daemon is denied what a person is asked."""
        caller = proposal.caller
        if caller.pidfd is not None and not alive(caller.pidfd):
            return _deny("Who asks has ended, so it is not known any more on whose behalf to act.")
        policy = self._store.policy()
        if policy is None:
            return _deny(self._store.fault)
        try:
            for reach in reaches(self._host, proposal):
                guarded = protected.reasons(self._host, proposal, reach, policy.protected)
                if guarded and not protected.raises_only(proposal):
                    return _deny(*guarded)
        except JepaError as error:
            return _deny(error.problem)
        except OSError as error:
            return _deny(f"What it would touch cannot be told: {error}.")
        question = self._question(proposal, reach, bool(guarded))
        here = [change for change in changes if change.boot_id == self._boot_id]
        verdict = self._permission(policy, question, proposal, reach, here, now_s)
        if verdict.decision == "deny":
            return _deny(*guarded, *verdict.reasons)
        if waiting := budget.reasons(proposal, here, now_s, policy.limits):
            return _deny(*waiting)
        if held := self._held(proposal, policy):
            verdict = Verdict("ask", (held, *(verdict.reasons if verdict.decision == "ask" else ())))
        if verdict.decision == "ask" and caller.autonomous:
            return _deny(*verdict.reasons)
        return verdict

    def judge_undo(self, change: Change, caller: Caller) -> Verdict:
        """Whether ``caller`` may take it back. A person may whatever a daemon did; a daemon its
        own, and healing also another daemon's."""
        if caller.pidfd is not None and not alive(caller.pidfd):
            return _deny("Who asks has ended.")
        if caller.autonomous:
            if change.unit == caller.unit:
                return Verdict("allow", ("It made the change itself.",))
            if caller.unit == _HEALING and budget.is_of_daemon(change):
                return Verdict("allow", ("Healing may take back what another daemon changed.",))
            return _deny(f"{caller.unit} may not take back what {change.unit or 'a person'} changed.")
        if caller.uid == 0:
            return Verdict("allow", ("The administrator may take back everything.",))
        if not is_person(caller):
            return _deny("A service takes nothing back by itself.")
        if change.uid == caller.uid or budget.is_of_daemon(change):
            return Verdict("allow", ("Persons may take back their own changes, and those of the daemons.",))
        return _deny(
            f"Change {change.id} was made by user {change.uid}: only that user or root takes it back."
        )

    def holder(self, setting: str) -> str:
        """Another program that holds ``setting`` and that the policy yields to; empty when there is none."""
        policy = self._store.policy()
        return self._tuners.holder(setting, policy.ignored_tuners if policy else ())

    def grant(self, given: Mapping[str, Any], caller: Caller) -> Grant:
        """Keep a grant that a person gives. JepaError (403) when it is none, (422) when it is no grant."""
        self._refuse_unless_person(caller, "give")
        return self._grants.add(given, caller.uid)

    def grants(self) -> list[Grant]:
        """The grants in force."""
        return self._grants.in_force()

    def revoke(self, grant_id: str, caller: Caller) -> Grant:
        """End a grant; any person may, and the daemon that it is for. JepaError (403, 404)."""
        daemons = [grant.daemon for grant in self.grants() if grant.id == grant_id]
        if not caller.autonomous or caller.unit not in daemons:
            self._refuse_unless_person(caller, "end")
        return self._grants.revoke(grant_id)

    def _refuse_unless_person(self, caller: Caller, what: str) -> None:
        if (caller.pidfd is not None and not alive(caller.pidfd)) or not is_person(caller):
            raise JepaError(
                f"Only a person can {what} a grant.", "Do it as yourself or as root.", status=403
            )

    def _permission(
        self,
        policy: Policy,
        question: JudgedProposal,
        proposal: Proposal,
        reach: Reach,
        changes: Sequence[Change],
        now_s: float,
    ) -> Verdict:
        if not proposal.caller.autonomous:
            return policy.decide(question)
        if forbidden := policy.forbidden(question):
            return Verdict("deny", forbidden)
        if question.protected:
            return _deny("A grant does not reach what is protected.")
        names = _names(proposal, reach)
        refusals = []
        for grant, remaining_s in self._grants.with_remaining_s():
            refusal = grant.refuses(proposal, names, changes, now_s, remaining_s)
            if not refusal:
                return Verdict("allow", (f"Grant {grant.id} of user {grant.uid} for task {grant.task}.",))
            refusals.append(refusal)
        task = proposal.request.task
        return (
            _deny(*refusals[:5])
            if refusals
            else _deny(f"No grant is in force{f' for task {task}' if task else ''}.")
        )

    def _question(self, proposal: Proposal, reach: Reach, guarded: bool) -> JudgedProposal:
        action, resource = proposal.action, proposal.resource
        group = reach.cgroup if resource.kind is not TargetKind.MACHINE else ""
        return JudgedProposal(
            action=action.name,
            family=action.family,
            tier=action.tier,
            kind=resource.kind,
            names=_names(proposal, reach),
            touched=reach.all,
            role=role_of(group, self._host.root) if group else "",
            value=proposal.new,
            caller=proposal.caller,
            on_battery=on_battery(self._host.root),
            now=self._local_time(),
            protected=guarded,
        )

    def _held(self, proposal: Proposal, policy: Policy) -> str:
        ignored = policy.ignored_tuners
        if name := self._tuners.holder(proposal.resource.setting, ignored):
            return f"{name} is active, holds {proposal.resource.setting} and may set it again."
        if (
            proposal.caller.autonomous
            and proposal.action.name in _ENDING
            and (name := self._tuners.killer(ignored))
        ):
            return f"{name} is active and ends processes when memory runs out, so this is left to it."
        return ""


def on_battery(root: Path) -> bool:
    """Whether the machine has a battery of its own, and no supply that is plugged in."""
    has_battery = False
    for supply in (root / "sys/class/power_supply").glob("*"):
        match _read(supply / "type"):
            case "Battery":
                has_battery |= _read(supply / "scope") != "Device"  # a mouse's is none of the machine's
            case _ if _read(supply / "online") not in ("", "0"):
                return False
    return has_battery


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _names(proposal: Proposal, reach: Reach) -> tuple[str, ...]:
    """The canonical names by which a permit or a grant may name the target: for a process also its unit."""
    resource = proposal.resource
    if resource.kind is TargetKind.MACHINE:
        return ("machine",)
    return (resource.name, reach.unit) if reach.unit else (resource.name,)


def _deny(*reasons: str) -> Verdict:
    return Verdict("deny", tuple(dict.fromkeys(reasons)))
