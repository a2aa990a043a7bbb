# SPDX-License-Identifier: Apache-2.0
"""Faults are repaired rung by rung, within a budget, by requests that the guard may refuse."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.actions.catalogue import Tier
from jepa.actions.change import Change, State
from jepa.actions.messages import ActionRequest
from jepa.errors import JepaError
from jepa.healing.finding import Fault, Finding, RepairTarget
from jepa.healing.healer import Healer
from jepa.healing.ladder import load
from jepa.healing.mode import Mode
from jepa.healing.observation import Observation
from jepa.healing.report import HealingReport
from tests.unit.healing.streams import CALM

FAILED = Finding(Fault.UNIT_FAILED, "a.service", "a.service failed (signal)", (RepairTarget("a.service"),))


class Scripted:
    """A detector that finds what it is told to."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def observe(self, observation: Observation) -> Iterable[Finding]:
        return self.findings


class Recorded:
    """Hands that note what is asked of them, and refuse the targets in ``protected``."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, object, float | None]] = []
        self.protected: set[str] = set()
        self.undone: list[str] = []
        self.changed: list[Change] = []
        self.approved = False

    def act(self, request: ActionRequest, consent: bool) -> Change:
        if request.target in self.protected:
            raise JepaError(f"{request.target} is protected.", "Nothing is done.", status=403)
        self.asked.append((request.action, request.target, request.value, request.for_s))
        assert request.task == "healing" and request.why.startswith("healing: ") and not consent
        return change(request.action, request.target)

    def may(self, request: ActionRequest) -> bool:
        return self.approved and request.target not in self.protected

    def recent(self, subject: str) -> Sequence[Change]:
        return [each for each in self.changed if each.target == subject]

    def undo(self, change: Change) -> None:
        if not change.unit:
            raise JepaError("A person changed it.", "Ask the person.", status=403)
        self.undone.append(change.id)


def change(action: str, target: str) -> Change:
    return Change("c" * 12, 0, "b", 0, action, target, action, "", None, None, Tier.TUNE, State.COMMITTED)


class Machine:
    """A healer with what it is given and what it reports."""

    def __init__(self, mode: Mode = "auto") -> None:
        self.detector, self.hands, self.mode = Scripted(), Recorded(), mode
        self.now = 0.0
        self.reports: list[HealingReport] = []
        self.healer = Healer([self.detector], load(), self.hands, lambda: self.mode, _request)

    def run(self, seconds: float, faulty: Callable[[float], Sequence[Finding]]) -> None:
        for _ in range(int(seconds)):
            self.detector.findings = list(faulty(self.now))
            self.reports += self.healer.observe(replace(CALM, now_s=self.now))
            self.now += 1.0

    def stages(self) -> list[str]:
        return [each.stage for each in self.reports]


def _request(**words: Any) -> ActionRequest:
    return ActionRequest(**words)


def test_a_failed_unit_is_restarted_once_and_reported_well() -> None:
    machine = Machine()
    machine.run(60, lambda now: [FAILED] if now < 2 else [])
    assert machine.hands.asked == [("unit.restart", "a.service", None, None)]
    assert machine.stages() == ["detected", "acted", "repaired"]
    assert machine.reports[-1].text == "a.service is well again, 1 s after the fault was seen."


def test_one_that_no_restart_helps_is_tried_rung_by_rung_and_then_a_person_is_asked() -> None:
    machine = Machine()
    machine.run(300, lambda now: [FAILED])
    assert [action for action, *_ in machine.hands.asked] == ["unit.restart"] * 4
    assert machine.stages().count("gave_up") == 1
    assert machine.stages()[-1] == "gave_up"


def test_a_fault_that_comes_again_and_again_is_not_repaired_for_ever() -> None:
    machine = Machine()
    machine.run(1200, lambda now: [FAILED] if now % 40 < 2 else [])
    assert len(machine.hands.asked) == load()[Fault.UNIT_FAILED].episodes
    assert "had the same fault 4 times within an hour" in machine.reports[-1].text


@pytest.mark.parametrize("mode", ["advise", "ask"])
def test_unless_it_may_act_it_only_proposes_and_says_how(mode: Mode) -> None:
    machine = Machine(mode)
    machine.run(60, lambda now: [FAILED])
    assert not machine.hands.asked
    assert machine.stages() == ["detected", "proposed"]
    assert "`jepa act unit.restart a.service`" in machine.reports[-1].text


def test_what_a_daemon_changed_lately_is_taken_back_and_what_a_person_did_is_proposed() -> None:
    machine = Machine()
    own = replace(change("cpu.max", "a.service"), id="d" * 12, unit="jepad.service")
    machine.hands.changed = [own, change("memory.high", "a.service"), change("cpu.max", "b.service")]
    machine.run(60, lambda now: [FAILED])
    assert machine.hands.undone == ["d" * 12]
    texts = [each.text for each in machine.reports]
    assert "Took back cpu.max a.service." in texts
    assert any("`jepa undo cccccccccccc` would take back memory.high a.service" in each for each in texts)


def test_asked_it_waits_for_consent_and_then_climbs_the_ladder() -> None:
    machine = Machine("ask")
    machine.run(30, lambda now: [FAILED])
    assert not machine.hands.asked
    assert "`jepa autonomy --approve a.service` lets healing do it" in machine.reports[-1].text
    machine.hands.approved = True
    machine.run(60, lambda now: [FAILED] if now < 33 else [])
    assert machine.hands.asked == [("unit.restart", "a.service", None, None)]
    assert machine.stages() == ["detected", "proposed", "acted", "repaired"]


def test_off_says_and_does_nothing() -> None:
    machine = Machine("off")
    machine.run(60, lambda now: [FAILED])
    assert not machine.hands.asked and not machine.reports


def test_what_the_guard_protects_is_passed_over_for_the_next_offender() -> None:
    machine = Machine()
    machine.hands.protected = {"sshd.service"}
    full = Finding(
        Fault.MEMORY_THRASHING,
        "memory",
        "memory runs out",
        (RepairTarget("sshd.service"), RepairTarget("hog.service")),
    )
    machine.run(3, lambda now: [full])
    assert machine.hands.asked == [
        ("unit.freeze", "hog.service", None, 5),
        ("memory.high", "hog.service", "40%", 600),
        ("memory.swap.max", "hog.service", "20%", 600),
    ]
    assert machine.stages() == ["detected", "refused", "acted", "acted", "acted"]


def test_a_hog_in_a_session_is_paused_and_in_the_end_killed() -> None:
    machine = Machine()
    full = Finding(
        Fault.MEMORY_THRASHING, "memory", "memory runs out", (RepairTarget("4711", "process", "hog"),)
    )
    machine.run(60, lambda now: [full])
    assert [action for action, *_ in machine.hands.asked] == [
        "process.pause", "process.pause", "process.terminate", "process.kill",
    ]  # fmt: skip


def test_what_is_foreseen_is_reported_at_once_and_repaired_only_when_little_time_is_left() -> None:
    machine = Machine()
    leak = Finding(Fault.LEAK, "a.service", "a.service grows", (RepairTarget("a.service"),))
    machine.run(200, lambda now: [replace(leak, left_s=200 - now)])
    assert machine.stages()[0] == "detected"
    assert machine.reports[1].stage == "acted" and machine.reports[1].after_s == 110


def test_what_was_held_back_for_its_harm_and_then_fails_is_not_started_again() -> None:
    machine = Machine()
    full = Finding(Fault.MEMORY_THRASHING, "memory", "memory runs out", (RepairTarget("a.service"),))
    machine.run(60, lambda now: [full] if now < 3 else [FAILED] if now > 20 else [])
    assert {action for action, *_ in machine.hands.asked} == {
        "unit.freeze",
        "memory.high",
        "memory.swap.max",
    }
    machine.run(700, lambda now: [FAILED] if now > 650 else [])
    assert machine.hands.asked[-1][0] == "unit.restart"


def test_a_dead_dependency_is_started_before_its_victim() -> None:
    machine = Machine()
    dead = Finding(
        Fault.DEPENDENCY_FAILED,
        "shop.service",
        "s",
        (RepairTarget("db.service"), RepairTarget("shop.service")),
    )
    machine.run(3, lambda now: [dead])
    assert [each[:2] for each in machine.hands.asked] == [
        ("unit.start", "db.service"),
        ("unit.restart", "shop.service"),
    ]


@given(st.lists(st.lists(st.sampled_from(list(Fault)), max_size=4), min_size=1, max_size=400))
def test_whatever_happens_no_more_is_done_than_the_budget_of_an_hour(pattern: list[list[Fault]]) -> None:
    machine = Machine()
    offenders = (RepairTarget("a.service"), RepairTarget("b.service"))

    def faulty(now: float) -> list[Finding]:
        return [
            Finding(fault, "a.service", "s", offenders, left_s=1.0)
            for fault in pattern[int(now) % len(pattern)]
        ]

    machine.run(400, faulty)
    rungs = sum(each.stage == "acted" for each in machine.reports)
    assert len(machine.hands.asked) <= 3 * 30 and rungs <= 4 * 30
    assert machine.hands.asked or not any(pattern)


def test_an_action_that_fails_is_tried_again_after_a_while_and_not_at_once() -> None:
    machine = Machine()
    failing = JepaError("The job failed.", "See `systemctl status` of it.", status=500)
    act = machine.hands.act

    def fail_first(request: ActionRequest, consent: bool) -> Change:
        if machine.now < 3:
            raise failing
        return act(request, consent)

    machine.hands.act = fail_first  # type: ignore[method-assign]
    machine.run(30, lambda now: [FAILED] if now < 7 else [])
    assert len(machine.hands.asked) == 1
    assert machine.stages() == ["detected", "refused", "acted", "repaired"]


def test_a_restart_that_failed_half_way_is_finished_though_the_fault_is_no_longer_seen() -> None:
    machine = Machine()
    stopped = Finding(
        Fault.FILE_SYSTEM_FAILED, "/srv", "/srv takes no more writes", (RepairTarget("a.service"),)
    )
    act = machine.hands.act

    def fail_first(request: ActionRequest, consent: bool) -> Change:
        if machine.now < 5:
            raise JepaError("The job failed.", "See `systemctl status` of it.", status=500)
        return act(request, consent)

    machine.hands.act = fail_first  # type: ignore[method-assign]
    machine.run(60, lambda now: [stopped] if now < 1 else [])  # unmounted: nothing is to be seen of it
    assert machine.hands.asked == [("unit.restart", "a.service", None, None)]
    assert machine.stages() == ["detected", "refused", "refused", "acted", "repaired"]


def test_it_waits_a_while_until_it_shows_who_causes_a_fault() -> None:
    machine = Machine()
    unknown = Finding(Fault.LOG_STORM, "a.service", "a log storm", ())
    known = replace(unknown, offenders=(RepairTarget("a.service"),))
    machine.run(40, lambda now: [unknown if now < 4 else known] if now < 6 else [])
    assert machine.stages() == ["detected", "acted", "repaired"]
    machine = Machine()
    machine.run(40, lambda now: [unknown])
    assert machine.stages() == ["detected", "gave_up"]
