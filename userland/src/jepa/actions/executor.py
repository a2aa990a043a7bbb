# SPDX-License-Identifier: Apache-2.0
"""The transaction that every change goes through, in the order that no caller can leave out.

Check the request, ask the guard, write the old value down, arm the dead-man's timer, apply, read back,
watch, then commit or take back. The process may be killed between any two steps: ``jepa.actions.recovery``
goes on there.
"""

import contextlib
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol

from jepa.actions import request as requests
from jepa.actions.assessor import BASELINE_S, WORSE_WHEN_HIGHER, Assessor, ChannelReader, parse_condition
from jepa.actions.catalogue import ActionType, Catalogue, Persistence, Value, ValueType, catalogue
from jepa.actions.change import Caller, Change, Proposal, Request, State, Verdict, undone_by
from jepa.actions.client import Preview, Progress
from jepa.actions.clock import HostClock
from jepa.actions.dead_man import DeadMan
from jepa.actions.family import Family, Host, Resource
from jepa.actions.journal import Journal
from jepa.actions.recovery import Recovered, Recovery
from jepa.actions.registry import family_of
from jepa.actions.undo import Settings, TakeBack
from jepa.actions.values import parse, shown
from jepa.errors import JepaError

GRACE_S: Final = 30.0
"""How long after it should be committed a change is taken back, by the dead-man's timer."""
IN_FLIGHT_S: Final = 10.0
"""How long a call waits for another one on the same resource."""
STEP_WATCH_S: Final = 3.0
"""How long each step of taking back several changes is watched."""
WATCH_S: Final = 30.0
"""The window of a condition that came without one."""


class Judge(Protocol):
    """The guard, as the transaction sees it."""

    def judge(self, proposal: Proposal, changes: Sequence[Change], now_s: float) -> Verdict:
        """Whether it may be done; ``now_s`` is CLOCK_BOOTTIME."""

    def judge_undo(self, change: Change, caller: Caller) -> Verdict:
        """Whether ``caller`` may take it back."""


class Executor:
    """Changes this machine. Methods may be called by many threads; one resource is changed by one at a
    time."""

    def __init__(
        self,
        host: Host,
        guard: Judge,
        journal: Journal,
        timers: DeadMan,
        channels: ChannelReader | None = None,
        clock: HostClock | None = None,
        *,
        actions: Catalogue | None = None,
        families: Callable[[ActionType], Family] = family_of,
    ) -> None:
        self._host = host
        self._guard = guard
        self._journal = journal
        self._timers = timers
        self._channels = channels
        self._clock = clock or HostClock()
        self._settings = Settings(host, actions or catalogue(), families)
        self._take_back = TakeBack(journal, self._settings, timers)
        self._recovery = Recovery(journal, self._take_back, timers, self._clock)
        self._locks = _Locks()
        self._admission = threading.Lock()
        """Held from the verdict to the row of the intention: budgets count what is admitted."""
        self._watched: dict[str, _Watched] = {}

    @property
    def journal(self) -> Journal:
        """What it writes to."""
        return self._journal

    def check(self, request: Request, caller: Caller) -> Preview:
        """What ``request`` would do and whether it is allowed; changes nothing. JepaError when it is no
        request."""
        requests.verify(request, caller.uid, self._clock)
        action, resource, family = self._resolve(request)
        proposal = self._proposal(request, caller, action, resource, family)
        verdict = self._guard.judge(proposal, self._journal.changes, self._clock.boottime_s())
        return Preview(action.name, resource.name, proposal.old, proposal.new, verdict)

    def act(
        self, request: Request, caller: Caller, consent: bool = False, progress: Progress | None = None
    ) -> Change:
        """Do it, and return the change as it is in the end: committed, or taken back and ``detail`` says
        why.

        JepaError when nothing was changed: refused (403), gone or moved on (409), out of range (422), no
        room for the journal (507); or when it was changed and put back at once, since it did not take effect
        (500).
        """
        requests.verify(request, caller.uid, self._clock)
        self._refuse_second(request)
        self._journal.reserve()
        action, resource, family = self._resolve(request)
        assessor = self._assessor(request, action)
        with self._locks.hold(resource.key):
            # What was resolved may be another thing by now; from here on nobody else of ours touches it.
            action, resource, family = self._resolve(request)
            with self._admission:
                self._refuse_second(request)
                proposal = self._proposal(request, caller, action, resource, family)
                self._refuse_unfinished(resource)
                self._ask_guard(proposal, consent)
                watch_s = _watch_s(request)
                change = self._change(proposal, watch_s + GRACE_S)
                self._journal.reserve()
                self._journal.record(change)
            try:
                self._timers.arm(change.id, watch_s + GRACE_S)
            except BaseException as error:
                self._take_back.close(change, State.FAILED, f"it was never in force: {_problem(error)}")
                raise
            self._apply(change, resource, family)
            change = replace(change, applied_s=self._clock.boottime_s())
            if assessor is None:
                return self._commit(change, request)
            return self._watch(change, request, assessor, progress)

    def undo(self, caller: Caller, change: str = "", task: str = "") -> list[Change]:
        """Take back one change, those of a task, newest first, or the last one of the caller's own.

        A change whose setting is somebody else's by now is left: its state is FAILED and ``detail`` says so.
        JepaError when there is nothing to take back (404, 409), it is refused (403), or, with several, when
        a step made things worse (409): what was not taken back yet then stays.
        """
        self._journal.check()
        chosen = self._chosen(caller, change, task)
        for each in chosen:
            verdict = self._guard.judge_undo(each, caller)
            if verdict.decision == "deny":
                raise _refused(f"{each.id} is not taken back", verdict)
        done: list[Change] = []
        for number, each in enumerate(chosen):
            assessor = self._step_assessor() if len(chosen) > 1 else None
            done.append(self._undo_one(each, caller))
            if assessor is None or number == len(chosen) - 1:
                continue
            worse = assessor.watch(STEP_WATCH_S, threading.Event()).worse
            if worse:
                left = len(chosen) - len(done)
                raise JepaError(
                    f"Stopped after {each.action} was taken back, since {worse}; {left} more are in force.",
                    "Go on with the same command once the machine is at rest.",
                    status=409,
                )
        return done

    def expire(self, change_id: str) -> Change:
        """Take the change back if its time is over: what the dead-man's timer calls."""
        with self._hold(self._journal.get(change_id)):
            return self._recovery.expire(change_id)

    def expire_due(self) -> list[Change]:
        """Take back everything whose time is over, except what is being watched. Problems are left for
        later."""
        ended = []
        for change in reversed(self._journal.in_force):
            if self._recovery.due(change) and change.id not in self._watched:
                with contextlib.suppress(JepaError):
                    ended.append(self.expire(change.id))
        return ended

    def next_deadline_s(self) -> float | None:
        """CLOCK_BOOTTIME in seconds when the next change is to be taken back; None when none is."""
        return min(
            (each.until_s for each in self._journal.in_force if each.until_s is not None), default=None
        )

    def recover(self) -> Recovered:
        """Take back what an earlier process left uncommitted: before anything else is done, at each
        start."""
        return self._recovery.start()

    def history(self, limit: int = 50) -> list[Change]:
        """The newest changes, newest first. What is intended may be in force, so it is shown as applied."""
        return [
            replace(each, state=State.APPLIED) if each.state is State.INTENDED else each
            for each in self._journal.history(limit)
        ]

    def _refuse_second(self, request: Request) -> None:
        for change in self._journal.changes:
            if change.request == request.id:
                raise JepaError(
                    f"This request was carried out already: it is change {change.id}, {change.state}.",
                    "Send a new request to do it again.",
                    status=403,
                )

    def _refuse_unfinished(self, resource: Resource) -> None:
        for each in self._journal.in_force:
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

    def _resolve(self, request: Request) -> tuple[ActionType, Resource, Family]:
        action = self._settings.actions.find(request.action)
        family = self._settings.families(action)
        if (missing := family.missing(self._host, action)) is not None:
            raise JepaError(missing, "`jepa actions` shows what can be set here.", status=409)
        if not action.reversible and (request.for_s is not None or _watch_s(request)):
            raise JepaError(
                f"{action.name} cannot be taken back, so it can neither be limited in time nor watched.",
                "Leave out --for, --watch and --keep-if.",
                status=422,
            )
        return action, family.resolve(self._host, action, request.target), family

    def _proposal(
        self, request: Request, caller: Caller, action: ActionType, resource: Resource, family: Family
    ) -> Proposal:
        value = parse(action, request.value, self._memory_bytes(action))
        old = family.read(self._host, resource)
        new = family.check(self._host, action, resource, value)
        if request.plan and old != request.expected:
            raise JepaError(
                f"The plan is stale: {resource.setting} is {shown(action, old)}, not "
                f"{shown(action, request.expected)} as when it was made.",
                "Make the plan anew.",
                status=409,
            )
        return Proposal(action, resource, old, new, request, caller)

    def _memory_bytes(self, action: ActionType) -> int:
        if action.type is not ValueType.BYTES:
            return 0
        first = (self._host.root / "proc/meminfo").read_text().split("\n", 1)[0]
        return int(first.split()[1]) * 1024

    def _ask_guard(self, proposal: Proposal, consent: bool) -> None:
        verdict = self._guard.judge(proposal, self._journal.changes, self._clock.boottime_s())
        if verdict.decision == "deny":
            raise _refused(f"{proposal.action.name} is refused", verdict)
        if verdict.decision == "ask" and not consent:
            raise _refused(f"{proposal.action.name} needs your consent", verdict)

    def _change(self, proposal: Proposal, dead_s: float) -> Change:
        request, action, resource = proposal.request, proposal.action, proposal.resource
        return Change(
            id=secrets.token_hex(6),
            ts_ns=self._clock.wall_ns(),
            boot_id=self._clock.boot_id,
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
            until_s=self._clock.boottime_s() + dead_s,
            persistent=action.persistence is Persistence.PERSISTENT,
            reversible=action.reversible,
            why=request.why,
            task=request.task,
            plan=request.plan,
            request=request.id,
            unit=proposal.caller.unit,
            predicted=dict(request.predicted),
        )

    def _apply(self, change: Change, resource: Resource, family: Family) -> None:
        """Apply and read back. What raises is put back at once, whatever was read: nobody else was at it."""
        try:
            family.apply(self._host, resource, change.new)
            family.verify(self._host, resource, change.new)
        except BaseException as error:
            if change.reversible:
                self._put_back(resource, family, change.inverse)
            self._take_back.close(change, State.FAILED, _problem(error))
            raise

    def _put_back(self, resource: Resource, family: Family, value: Value) -> None:
        """JepaError leaves the change as intended: the dead-man's timer and the recovery try again."""
        family.undo(self._host, resource, value)
        family.verify(self._host, resource, value)

    def _commit(self, change: Change, request: Request, **more: Any) -> Change:
        until_s = None
        if request.for_s is not None and change.applied_s is not None:
            until_s = change.applied_s + request.for_s
        committed = replace(change, state=State.COMMITTED, until_s=until_s, **more)
        try:
            self._journal.record(committed)
            if until_s is not None:
                self._timers.arm(change.id, until_s - self._clock.boottime_s())
        except BaseException:
            # Neither kept nor forgotten: the journal says intended, and whatever starts next takes it back.
            with contextlib.suppress(JepaError):
                self._take_back(change.id, State.REVERTED, "it could not be committed")
            raise
        if until_s is None:
            self._timers.disarm(change.id)
        return committed

    def _assessor(self, request: Request, action: ActionType) -> Assessor | None:
        condition = parse_condition(request.keep_if)
        if not _watch_s(request):
            return None
        if self._channels is None:
            raise JepaError(
                "No channels can be read here, so the change cannot be watched.",
                "Leave out --watch and --keep-if.",
                status=503,
            )
        assessor = Assessor(self._channels, self._clock, condition)
        assessor.measure_before(min(BASELINE_S, _watch_s(request)))
        return assessor

    def _step_assessor(self) -> Assessor | None:
        if self._channels is None:
            return None
        assessor = Assessor(self._channels, self._clock)
        assessor.measure_before(STEP_WATCH_S)
        return assessor

    def _watch(
        self, change: Change, request: Request, assessor: Assessor, progress: Progress | None
    ) -> Change:
        watched = self._watched[change.id] = _Watched()
        try:
            change = replace(change, state=State.APPLIED)
            self._journal.record(change)
            if progress is not None:
                progress(change)
            assessment = assessor.watch(_watch_s(request), watched.cancelled)
            observed = {
                name: mean
                for name, mean in assessment.observed.items()
                if name in WORSE_WHEN_HIGHER or name in request.predicted or name in request.keep_if.split()
            }
            if watched.cancelled.is_set():
                return self._take_back(change.id, State.UNDONE, watched.reason)
            if assessment.worse:
                self._journal.record(replace(change, observed=observed))
                return self._take_back(change.id, State.REVERTED, assessment.worse)
            return self._commit(change, request, observed=observed)
        except BaseException as error:
            with contextlib.suppress(JepaError):
                self._take_back(change.id, State.REVERTED, f"interrupted while watched: {_problem(error)}")
            raise
        finally:
            del self._watched[change.id]
            watched.over.set()

    def _chosen(self, caller: Caller, change: str, task: str) -> list[Change]:
        newest_first = [each for each in reversed(self._journal.changes) if each.in_force]
        if change:
            found = self._journal.get(change)
            if not found.in_force:
                raise JepaError(
                    f"{change} is {found.state}, so there is nothing to take back.",
                    "`jepa history` shows what is in force." if found.reversible else "It has no inverse.",
                    status=409,
                )
            return [found]
        if task:
            chosen = [each for each in newest_first if each.task == task]
        else:
            chosen = [each for each in newest_first if each.uid == caller.uid][:1]
        if not chosen:
            what = (
                f"The task {task[:64]} has no change in force" if task else "No change of yours is in force"
            )
            raise JepaError(f"{what}.", "`jepa history` shows what was changed.", status=404)
        return chosen

    def _undo_one(self, change: Change, caller: Caller) -> Change:
        reason = undone_by(caller.uid)
        watched = self._watched.get(change.id)
        if watched is not None:
            watched.reason = reason
            watched.cancelled.set()
            watched.over.wait(IN_FLIGHT_S)
            return self._journal.get(change.id)
        with self._hold(change):
            return self._take_back(change.id, State.UNDONE, reason)

    def _hold(self, change: Change) -> contextlib.AbstractContextManager[None]:
        _, resource, _ = self._settings.of(change)
        return self._locks.hold(resource.key)


class _Watched:
    """A change in its window, for whoever wants it undone meanwhile."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()
        self.over = threading.Event()
        self.reason = ""


class _Locks:
    """One lock for each resource, for as long as somebody wants it."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._locks: dict[str, tuple[threading.Lock, int]] = {}

    @contextlib.contextmanager
    def hold(self, key: str) -> Iterator[None]:
        """Hold the lock of ``key``; JepaError (409) when somebody keeps it for long, as while watching."""
        with self._mutex:
            lock, users = self._locks.get(key, (threading.Lock(), 0))
            self._locks[key] = (lock, users + 1)
        try:
            if not lock.acquire(timeout=IN_FLIGHT_S):
                raise JepaError(
                    f"Another change of {key.rpartition(':')[2]} is in flight.",
                    "Wait until it is committed, or take it back with `jepa undo`.",
                    status=409,
                )
            try:
                yield
            finally:
                lock.release()
        finally:
            with self._mutex:
                lock, users = self._locks.pop(key)
                if users > 1:
                    self._locks[key] = (lock, users - 1)


def _watch_s(request: Request) -> float:
    return request.watch_s or (WATCH_S if request.keep_if else 0.0)


def _problem(error: BaseException) -> str:
    return error.problem if isinstance(error, JepaError) else type(error).__name__


def _refused(what: str, verdict: Verdict) -> JepaError:
    reasons = " ".join(verdict.reasons)
    remedy = "Give it with --yes." if verdict.decision == "ask" else "`jepa policy` shows the rules."
    return JepaError(f"{what}: {reasons or 'no rule allows it.'}", remedy, status=403)
