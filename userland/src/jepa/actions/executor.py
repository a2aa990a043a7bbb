# SPDX-License-Identifier: Apache-2.0
"""The transaction that every change goes through, in the order that no caller can leave out.

Check the request, ask the guard, write the old value down, arm the dead-man's timer, apply, read back,
watch, then commit or take back. The process may be killed between any two steps: ``jepa.actions.recovery``
goes on there.
"""

import contextlib
import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from typing import Any, Final

from jepa.actions import kept_files
from jepa.actions.admission import Admission, Judge, refused, watch_s
from jepa.actions.assessor import (
    BASELINE_S,
    MEANT_TO_RISE,
    WORSE_WHEN_HIGHER,
    Assessor,
    ChannelReader,
    WatchCondition,
    parse_condition,
)
from jepa.actions.catalogue import ActionType, Catalogue, Value, catalogue
from jepa.actions.change import Caller, Change, Proposal, State, undone_by
from jepa.actions.client import Progress
from jepa.actions.clock import HostClock
from jepa.actions.dead_man import DeadMan
from jepa.actions.family import Family, Host, Resource
from jepa.actions.journal import Journal
from jepa.actions.messages import ActionRequest, Preview, Verdict
from jepa.actions.recovery import Recovered, Recovery
from jepa.actions.registry import family_of
from jepa.actions.resource_locks import IN_FLIGHT_S, ResourceLocks
from jepa.actions.undo import Settings, TakeBack
from jepa.errors import JepaError

GRACE_S: Final = 30.0
"""How long after it should be committed a change is taken back, by the dead-man's timer."""
STEP_WATCH_S: Final = 3.0
"""How long each step of taking back several changes is watched."""


class Executor:
    """Changes this machine. Many threads may call it; one at a time changes a resource."""

    def __init__(
        self,
        host: Host,
        guard: Judge,
        journal: Journal,
        timers: DeadMan,
        channels: Callable[[], ChannelReader] | None = None,
        clock: HostClock | None = None,
        *,
        actions: Catalogue | None = None,
        families: Callable[[ActionType], Family] = family_of,
    ) -> None:
        self._host = host
        self._journal = journal
        self._timers = timers
        self._channels = channels
        self._clock = clock or HostClock()
        self._settings = Settings(host, actions or catalogue(), families)
        self._admission = Admission(self._settings, guard, journal, self._clock)
        self._take_back = TakeBack(journal, self._settings, timers)
        self._recovery = Recovery(journal, self._take_back, timers, self._clock)
        self._locks = ResourceLocks()
        self._watched: dict[str, _Watched] = {}

    @property
    def journal(self) -> Journal:
        """What it writes to."""
        return self._journal

    def check(self, request: ActionRequest, caller: Caller) -> Preview:
        """What ``request`` would do and whether it is allowed; changes nothing. Raises as ``act`` does."""
        self._admission.verify(request, caller)
        proposal = self._admission.propose(request, caller)
        return _preview(proposal, self._admission.judge(proposal))

    def require(self, request: ActionRequest, caller: Caller, consent: bool) -> Preview:
        """``check`` of what the guard allows; JepaError (403) where ``act`` would refuse it now."""
        self._admission.verify(request, caller)
        proposal = self._admission.propose(request, caller)
        return _preview(proposal, self._admission.require(proposal, consent))

    def act(
        self, request: ActionRequest, caller: Caller, consent: bool = False, progress: Progress | None = None
    ) -> Change:
        """Do it, and return what came of it: committed, or taken back, and ``detail`` says why.

        JepaError when nothing was changed: refused (403), gone or moved on (409), out of range (422), no
        room for the journal (507); or when it was changed and put back at once, since it did not take effect
        (500).
        """
        admission = self._admission
        admission.verify(request, caller)
        admission.refuse_second(request)
        self._journal.reserve()
        _, resource, family = admission.resolve(request)
        with contextlib.ExitStack() as held:
            assessor = None
            if watch_s(request):
                admission.require(admission.propose(request, caller), consent)  # before time is spent on it
                assessor = held.enter_context(
                    self._assessor(parse_condition(request.keep_if), MEANT_TO_RISE.get(request.action, ()))
                )
                assessor.measure_before(min(BASELINE_S, watch_s(request)))
            held.enter_context(self._locks.hold(resource.key))
            proposal = admission.propose(request, caller)  # from here on nobody else of ours touches it
            _refuse_another(resource, proposal.resource)
            with admission.one_at_a_time():
                admission.refuse_second(request)
                admission.refuse_unfinished(proposal.resource)
                admission.require(proposal, consent)
                dead_s = watch_s(request) + GRACE_S
                change = admission.intended(proposal, dead_s)
                self._journal.reserve()
                self._journal.record(change)
            try:
                self._timers.arm(change.id, dead_s)
            except BaseException as error:
                self._take_back.close(change, State.FAILED, f"it was never in force: {_problem(error)}")
                raise
            self._apply(change, proposal.resource, family)
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
            verdict = self._admission.guard.judge_undo(each, caller)
            if verdict.decision == "deny":
                raise refused(f"{each.id} is not taken back", verdict)
        done: list[Change] = []
        for each in chosen:
            if each is chosen[-1] or self._channels is None:
                done.append(self._undo_one(each, caller))
                continue
            with self._assessor(None) as assessor:
                assessor.measure_before(STEP_WATCH_S)
                done.append(self._undo_one(each, caller))
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
        """Take back everything whose time is over, except what is watched; problems are left for later."""
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
        """Take back what an earlier process left uncommitted: at each start, before anything else."""
        return self._recovery.start()

    def history(self, limit: int = 50) -> list[Change]:
        """The newest changes, newest first. What is intended may be in force, so it is shown as applied."""
        return [
            replace(each, state=State.APPLIED) if each.state is State.INTENDED else each
            for each in self._journal.history(limit)
        ]

    def _apply(self, change: Change, resource: Resource, family: Family) -> None:
        """Apply and read back. What raises is put back at once, whatever was read: nobody else was at it."""
        try:
            family.apply(self._host, resource, change.new)
            family.verify(self._host, resource, change.new)
            if change.persistent:
                kept_files.sync(self._host.root)  # before the journal says that it is so
        except BaseException as error:
            if change.reversible:
                self._put_back(resource, family, change.inverse)
            self._take_back.close(change, State.FAILED, _problem(error))
            raise

    def _put_back(self, resource: Resource, family: Family, value: Value) -> None:
        """JepaError leaves the change as intended: the dead-man's timer and the recovery try again."""
        family.undo(self._host, resource, value)
        family.verify(self._host, resource, value)

    def _commit(self, change: Change, request: ActionRequest, **more: Any) -> Change:
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

    @contextlib.contextmanager
    def _assessor(
        self, condition: WatchCondition | None, meant_to_rise: Collection[str] = ()
    ) -> Iterator[Assessor]:
        if self._channels is None:
            raise JepaError(
                "No channels can be read here, so the change cannot be watched.",
                "Leave out --watch and --keep-if.",
                status=503,
            )
        with contextlib.closing(self._channels()) as reader:
            yield Assessor(reader, self._clock, condition, meant_to_rise)

    def _watch(
        self, change: Change, request: ActionRequest, assessor: Assessor, progress: Progress | None
    ) -> Change:
        watched = self._watched[change.id] = _Watched()
        try:
            change = replace(change, state=State.APPLIED)
            self._journal.record(change)
            if progress is not None:
                progress(change)
            assessment = assessor.watch(watch_s(request), watched.cancelled)
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


def _preview(proposal: Proposal, verdict: Verdict) -> Preview:
    return Preview(proposal.action.name, proposal.resource.name, proposal.old, proposal.new, verdict)


def _refuse_another(resource: Resource, now: Resource) -> None:
    if now.key != resource.key:
        raise JepaError(
            f"{resource.name or resource.setting} became another thing while it was looked at.",
            "Try again.",
            status=409,
        )


def _problem(error: BaseException) -> str:
    return error.problem if isinstance(error, JepaError) else type(error).__name__
