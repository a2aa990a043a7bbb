# SPDX-License-Identifier: Apache-2.0
"""From findings to actions: an episode for each fault, rung by rung, within a budget; then a person is told.

Nothing here changes the machine: every rung is a request to the actuator, whose guard decides. What it
refuses, such as an action on a protected unit, is not tried again: the next offender is.
"""

import secrets
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from jepa.actions.change import Change
from jepa.actions.messages import ActionRequest
from jepa.errors import JepaError
from jepa.healing.detectors import Detector
from jepa.healing.finding import Fault, Finding, RepairTarget
from jepa.healing.ladder import Ladder, LadderStep, Rung
from jepa.healing.mode import Mode
from jepa.healing.observation import Observation
from jepa.healing.report import HealingReport, Stage

TASK = "healing"
"""The task that its requests belong to, and so its grant."""
_HOUR_S = 3600.0
_NEVER = frozenset({403, 404, 409, 422})
"""Errors after which the same request would be refused again."""
_ENDED = frozenset({Fault.UNIT_FAILED, Fault.FLAPPING, Fault.HUNG})
"""Faults that a unit seems to have that was frozen or ended for another."""
_HARM = frozenset({Fault.MEMORY_THRASHING, Fault.DISK_FILLING, Fault.FORK_STORM, Fault.LOG_STORM})
_RESTRAINED_S = 600.0
"""A unit that was held back for the harm it did, and then fails, is not started again for so long."""
_CAUSE_S = 10.0
"""So long it may take until it shows who causes a fault."""
_TOTAL_AN_HOUR = 30
"""Actions an hour over all faults: a machine that needs more needs a person."""


class RepairHands(Protocol):
    """What healing needs of the actuator's client."""

    def act(self, request: ActionRequest, consent: bool) -> Change:
        """Make one change. JepaError when it is refused or fails."""

    def may(self, request: ActionRequest) -> bool:
        """Whether a grant allows ``request`` now."""

    def recent(self, subject: str) -> Sequence[Change]:
        """What others changed of ``subject`` lately and is in force."""

    def undo(self, change: Change) -> None:
        """Take ``change`` back. JepaError (403) where only a person may."""


@dataclass
class Episode:
    """One fault of one subject, from its first finding until it has been gone for a while."""

    finding: Finding
    begun_s: float
    id: str = field(default_factory=lambda: secrets.token_hex(6))
    rung: int = 0
    next_s: float = 0.0
    seen_s: float = 0.0
    refused: set[str] = field(default_factory=set)
    acted: int = 0
    closed: bool = False
    """Whether there is nothing more to try."""
    announced: bool = False
    proposed: bool = False
    consented: bool = False
    """Whether a person has agreed to what was proposed."""
    owed: bool = False
    """Whether the last action failed half way: a unit that was stopped is to be started, seen or not."""


class Healer:
    """Takes observations, answers reports. ``request`` makes a fresh request with its id and expiry."""

    def __init__(
        self,
        detectors: Sequence[Detector],
        ladders: Mapping[Fault, Ladder],
        hands: RepairHands,
        mode: Callable[[], Mode],
        request: Callable[..., ActionRequest],
    ) -> None:
        self._detectors, self._ladders, self._hands = detectors, ladders, hands
        self._mode, self._request = mode, request
        self._episodes: dict[tuple[Fault, str], Episode] = {}
        self._begun: dict[tuple[Fault, str], deque[float]] = {}
        self._actions: deque[float] = deque()
        self._restrained: dict[str, float] = {}
        """When each unit was last acted on for the harm that it did to others."""

    @property
    def open_episodes(self) -> Sequence[Episode]:
        """Those that are not over."""
        return tuple(self._episodes.values())

    def observe(self, observation: Observation) -> list[HealingReport]:
        """Take the next observation and do what it calls for."""
        mode = self._mode()
        if mode == "off":
            self._episodes.clear()
            return []
        now = observation.now_s
        findings = {
            finding.key: finding for each in self._detectors for finding in each.observe(observation)
        }
        causes = {
            finding.key for finding in findings.values() if not self._is_consequence(finding, findings, now)
        }
        reports: list[HealingReport] = []
        for key, episode in self._episodes.items():
            if episode.owed and key not in findings:
                findings[key] = episode.finding
                causes.add(key)
        for key, finding in findings.items():
            if key not in causes:
                continue
            episode = self._episodes.get(key) or self._begin(finding, now)
            episode.finding, episode.seen_s = finding, now
            reports += self._treat(episode, mode, now)
        for key, episode in list(self._episodes.items()):
            if now - episode.seen_s >= self._ladders[episode.finding.fault].settle_s:
                del self._episodes[key]
                reports += self._end(episode)
        return reports

    def _is_consequence(
        self, finding: Finding, findings: Mapping[tuple[Fault, str], Finding], now: float
    ) -> bool:
        """A leak while memory runs out is that fault's; what was held back for harm is not restarted."""
        if finding.fault is Fault.LEAK:
            return (Fault.MEMORY_THRASHING, "memory") in findings
        restrained = self._restrained.get(finding.subject, float("-inf"))
        return finding.fault in _ENDED and now - restrained < _RESTRAINED_S

    def _begin(self, finding: Finding, now: float) -> Episode:
        episode = self._episodes[finding.key] = Episode(finding, now, next_s=now)
        begun = self._begun.setdefault(finding.key, deque())
        begun.append(now)
        while begun and begun[0] < now - _HOUR_S:
            begun.popleft()
        return episode

    def _treat(self, episode: Episode, mode: Mode, now: float) -> Iterable[HealingReport]:
        finding, ladder = episode.finding, self._ladders[episode.finding.fault]
        if not episode.announced:
            episode.announced = True
            yield self._report(episode, "detected", f"{finding.summary}.", now)
            if len(self._begun[finding.key]) > ladder.episodes:
                episode.closed = True
                yield self._report(
                    episode,
                    "gave_up",
                    f"{finding.subject} had the same fault {ladder.episodes} times within an hour; "
                    "repairing it again would hide the cause.",
                    now,
                )
        waits = ladder.act_below_s is not None and (finding.left_s or 0.0) > ladder.act_below_s
        unknown = not finding.offenders and now - episode.begun_s < _CAUSE_S
        if episode.closed or waits or unknown or now < episode.next_s:
            return
        if mode != "auto" and not episode.consented:
            if not episode.proposed:
                episode.proposed = True
                yield from self._propose(episode, ladder, mode, now)
            if mode != "ask" or not self._has_consent(episode, ladder):
                return
            episode.consented = True
        yield from self._climb(episode, ladder, now)

    def _propose(self, episode: Episode, ladder: Ladder, mode: Mode, now: float) -> Iterable[HealingReport]:
        if (first := self._first(episode, ladder)) is None:
            return
        command = _command(*first)
        names = " ".join(f"--approve {offender.name}" for offender in episode.finding.offenders)
        consent = "jepa autonomy auto" if mode == "advise" else f"jepa autonomy {names}"
        text = f"`{command}` would be tried first; `{consent}` lets healing do it."
        yield self._report(episode, "proposed", text, now)

    def _has_consent(self, episode: Episode, ladder: Ladder) -> bool:
        """Whether a person has given the grant that the proposal asked for."""
        first = self._first(episode, ladder)
        return first is not None and self._hands.may(self._step_request(episode, *first))

    def _first(self, episode: Episode, ladder: Ladder) -> tuple[LadderStep, RepairTarget] | None:
        """What would be tried first."""
        return next(
            (
                (rung.steps[0], offender)
                for rung in ladder.rungs
                for offender in self._targets(rung.steps[0], episode)
            ),
            None,
        )

    def _step_request(self, episode: Episode, step: LadderStep, target: RepairTarget) -> ActionRequest:
        return self._request(
            action=step.action_for(target.kind),
            target=target.name,
            value=step.value or None,
            for_s=step.for_s,
            task=TASK,
            why=f"healing: {episode.finding.summary}",
        )

    def _climb(self, episode: Episode, ladder: Ladder, now: float) -> Iterable[HealingReport]:
        while self._actions and self._actions[0] < now - _HOUR_S:
            self._actions.popleft()
        if len(self._actions) >= _TOTAL_AN_HOUR:
            episode.closed, episode.owed = True, False
            yield self._report(
                episode, "gave_up", f"{_TOTAL_AN_HOUR} actions within an hour were not enough.", now
            )
            return
        while episode.rung < len(ladder.rungs):
            rung = ladder.rungs[episode.rung]
            episode.rung += 1
            if rung.undo:
                yield from self._undo_recent(episode, now)
            failed = False
            for offender in self._targets(rung.steps[0], episode):
                reports, done = self._try(episode, rung, offender, now)
                yield from reports
                if done:
                    self._actions.append(now)
                    episode.acted += 1
                    episode.owed = False
                    episode.next_s = now + rung.wait_s
                    return
                failed = failed or offender.name not in episode.refused
            if failed:  # not refused: it may work in a while, or what comes next may
                self._actions.append(now)
                episode.owed = True
                episode.next_s = now + rung.wait_s
                return
        episode.closed, episode.owed = True, False
        yield self._report(
            episode, "gave_up", "Nothing that may be tried has helped; a person is needed.", now
        )

    def _targets(self, step: LadderStep, episode: Episode) -> list[RepairTarget]:
        finding = episode.finding
        match step.on:
            case "subject":
                found = [RepairTarget(finding.subject)]
            case "required":
                found = [each for each in finding.offenders if each.name != finding.subject]
            case _:
                found = list(finding.offenders)
        return [each for each in found if step.action_for(each.kind) and each.name not in episode.refused]

    def _undo_recent(self, episode: Episode, now: float) -> Iterable[HealingReport]:
        """Take back what another daemon changed of the subject; propose to undo what a person did."""
        try:
            for change in self._hands.recent(episode.finding.subject):
                yield self._undo(episode, change, now)
        except JepaError as error:
            yield self._report(episode, "refused", f"What was changed lately is not known: {error}", now)

    def _undo(self, episode: Episode, change: Change, now: float) -> HealingReport:
        what = _words(change.action, change.target)
        try:
            self._hands.undo(change)
        except JepaError as error:
            if error.status != 403:
                return self._report(episode, "refused", f"{what} could not be taken back: {error}", now)
            text = f"`jepa undo {change.id}` would take back {what}, which a person changed lately."
            return self._report(episode, "proposed", text, now, change.id)
        return self._report(episode, "acted", f"Took back {what}.", now, change.id)

    def _try(
        self, episode: Episode, rung: Rung, offender: RepairTarget, now: float
    ) -> tuple[list[HealingReport], bool]:
        """Take the steps of ``rung``; done once the first is, whatever comes of the others."""
        reports: list[HealingReport] = []
        done = False
        for step in rung.steps:
            subject = RepairTarget(episode.finding.subject)
            target = subject if step.on == "subject" else offender
            if not (action := step.action_for(target.kind)):
                continue
            request = self._step_request(episode, step, target)
            try:
                change = self._hands.act(request, consent=False)
            except JepaError as error:
                text = f"{_words(action, str(target))}: {error}"
                reports.append(self._report(episode, "refused", text, now))
                if not done:
                    if error.status in _NEVER:
                        episode.refused.add(target.name)
                    break
            else:
                done = True
                if episode.finding.fault in _HARM:
                    self._restrained[target.name] = now
                span = f" for {step.for_s:.0f} s" if step.for_s else ""
                text = f"{_words(action, str(target), step.value)}{span}."
                reports.append(self._report(episode, "acted", text, now, change.id))
        return reports, done

    def _end(self, episode: Episode) -> Iterable[HealingReport]:
        if episode.acted:
            lasted = episode.seen_s - episode.begun_s
            text = f"{episode.finding.subject} is well again, {lasted:.0f} s after the fault was seen."
            yield self._report(episode, "repaired", text, episode.seen_s)

    def _report(
        self, episode: Episode, stage: Stage, text: str, now: float, change: str = ""
    ) -> HealingReport:
        finding = episode.finding
        after = now - episode.begun_s
        return HealingReport(stage, finding.fault, finding.subject, text, episode.id, change, after)


def _words(action: str, target: str, value: str = "") -> str:
    return " ".join(filter(None, (action, target, value)))


def _command(step: LadderStep, offender: RepairTarget) -> str:
    words = ["jepa act", step.action_for(offender.kind), offender.name, step.value]
    if step.for_s:
        words.append(f"--for {step.for_s:.0f}s")
    return " ".join(filter(None, words))
