# SPDX-License-Identifier: Apache-2.0
"""The answer is to what was asked, in order, with what jepa itself has changed."""

from dataclasses import replace

from jepa.actions.change import Change, State
from jepa.explanation.ranking import Question
from jepa.explanation.situation import JournalLine
from tests.unit.explanation.scenes import (
    END_NS,
    GIB,
    MIB,
    event,
    explained,
    first,
    process,
    situation,
    unit,
)

HOG = unit("hog.service", cpu=90.0, cpu_wait=50.0)
WEB = unit("web.service", cpu=5.0, cpu_wait=30.0)
SHORT = {"system.cpu.utilization": 99.0, "system.pressure.cpu.some": 80.0}
SEEN = situation(SHORT, (HOG, WEB, unit("quiet.service")), processes=(process("yes", "hog.service"),))


def change(target: str) -> Change:
    return Change(
        id="c1",
        action="cpu.max",
        target=target,
        boot_id="b",
        setting="s",
        identity="i",
        old=None,
        new=50,
        state=State.COMMITTED,
        ts_ns=END_NS,
        uid=0,
        tier="tune",
        reversible=True,
        persistent=False,
        detail="it helped",
        predicted={"system.cpu.utilization": (20.0, 30.0, 40.0)},
        observed={"system.cpu.utilization": 33.0},
    )


def test_causes_come_in_order_of_severity() -> None:
    seen = situation(
        SHORT | {"system.network.tcp.retransmits": 90.0, "hw.temperature": 99.0},
        (HOG, WEB),
        events=(event("fault_detected", "x.service", "hung: it hangs"),),
    )
    severities = [cause.severity for cause in explained(seen).causes]
    assert len(severities) >= 4
    assert severities == sorted(severities, reverse=True)


def test_who_waits_is_told_who_takes_it_and_who_does_not_wait_is_told_how_it_is() -> None:
    assert first(SEEN, Question(units=("web.service",))).offenders[0].name == "hog.service"
    quiet = explained(SEEN, Question(units=("quiet.service",)))
    assert not quiet.causes
    assert "quiet.service is active" in quiet.facts[0].text


def test_a_process_is_explained_with_its_unit() -> None:
    found = explained(SEEN, Question(pids=(812,)))
    assert found.about == "process 812"
    assert found.causes[0].offenders[0].name == "hog.service"
    assert {each.kind for each in found.facts} >= {"process", "unit"}


def test_a_resource_has_its_own_causes_and_its_largest_users_who_are_not_accused() -> None:
    seen = situation(units=(unit("db.service", memory=1.2 * GIB), unit("web.service", memory=80 * MIB)))
    found = explained(seen, Question(resource="memory"))
    assert not found.causes
    users = [each for each in found.facts if each.kind == "unit"]
    assert [each.source for each in users][:2] == ["db.service", "web.service"]
    assert "60 % of memory" in users[0].text
    assert not explained(SEEN, Question(resource="io")).causes


def test_a_channel_is_explained_by_the_causes_that_it_speaks_for() -> None:
    found = explained(SEEN, Question(channels=("system.pressure.cpu.some",)))
    assert found.causes[0].kind == "cpu_contention"
    assert found.facts[0].source == "system.pressure.cpu.some"
    assert not explained(SEEN, Question(channels=("hw.temperature",))).causes


def test_a_unit_that_does_not_run_is_said_not_to() -> None:
    found = explained(SEEN, Question(units=("gone.service",)))
    assert found.facts[0].text == "gone.service does not run"


def test_a_unit_that_failed_long_ago_is_told_of_when_it_is_asked_about() -> None:
    seen = situation(units=(unit("old.service", active="failed", result="signal"),))
    assert not explained(seen).causes
    assert first(seen, Question(units=("old.service",))).kind == "unit_failed"


def test_what_was_changed_on_an_offender_is_evidence_with_its_outcome() -> None:
    seen = replace(SEEN, changes=(change("hog.service"), change("other.service")))
    found = explained(seen)
    cited = [each for each in found.causes[0].evidence if each.kind == "change"]
    assert [each.command for each in cited] == ["jepa history c1"]
    assert "it helped" in cited[0].text
    assert "system.cpu.utilization was predicted as 30 and came as 33" in cited[0].text
    assert len(found.changes) == 2


def test_a_line_of_the_journal_is_cited_by_its_cursor() -> None:
    seen = situation(
        events=(event("unit_failed", "mail.service", "result exit-code"),),
        journal={"mail.service": JournalLine("mail.service", "no such host", "s=1;i=2", END_NS)},
    )
    cited = next(each for each in first(seen).evidence if each.kind == "journal")
    assert cited.cursor == "s=1;i=2"
    assert cited.command == "journalctl -u mail.service --cursor='s=1;i=2'"


def test_what_is_expected_and_what_surprises_is_told() -> None:
    seen = replace(SEEN, probabilities={"cpu_saturation": {"15": 0.9, "60": 0.9}}, surprise=0.999)
    found = explained(seen)
    assert any("within 15 s with 90 %" in each.text for each in found.causes[0].evidence)
    assert any(each.kind == "surprise" for each in found.facts)


def test_a_fault_that_healing_and_the_look_both_see_is_told_once() -> None:
    seen = replace(SEEN, events=(event("fault_detected", "hog.service", "runaway: it takes all"),))
    assert [cause.kind for cause in explained(seen).causes] == ["cpu_contention"]
