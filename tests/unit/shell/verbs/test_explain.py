# SPDX-License-Identifier: Apache-2.0
"""`jepa explain` answers names and questions, at the prompt too, and says what it cannot explain."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jepa.actions.service_manager import NoServiceManager
from jepa.errors import JepaError
from jepa.explanation import machine
from jepa.explanation.ranking import Question
from jepa.language.inventory import LiveInventory
from jepa.language.understanding import Understanding
from jepa.service.api import EventOut, FrameOut
from jepa.shell import explaining
from jepa.shell.prompt_line import run_line
from jepa.shell.questions import question
from jepa.shell.verbs import explain as verb
from jepa.telemetry.schema import load_schema
from tests.unit.explanation.scenes import END_NS, MACHINE, SECOND, situation, unit, window
from tests.unit.shell.conftest import RecordedClient

CHANNELS = load_schema().names
HERE = Understanding(
    lambda: LiveInventory(
        frozenset({"postgresql.service", "postgresql", "postgres", "nginx.service", "nginx"}),
        {"postgres": frozenset({"postgresql.service"}), "nginx": frozenset({"nginx.service"})},
    ),
    find=lambda: None,
)
SHORT = {"system.cpu.utilization": 99.0, "system.pressure.cpu.some": 80.0}


class Jepad(RecordedClient):
    """Has frames up to now of a machine whose CPUs were short in the end, and an event of before."""

    def frames(self, *, since_ns: int = 0, limit: int = 300) -> list[FrameOut]:
        self._answer()
        late = time.time_ns() - END_NS
        return [
            FrameOut(
                ts_ns=frame.ts_ns + late,
                values={
                    name: float(value) if valid else None
                    for name, value, valid in zip(CHANNELS, frame.values, frame.valid, strict=True)
                },
            )
            for frame in window(SHORT).frames
        ][-limit:]

    def events(self, *, since_ns: int = 0, limit: int = 100, after: int | None = None) -> list[EventOut]:
        return [
            EventOut(
                sequence=1, ts_ns=time.time_ns() - 120 * SECOND, kind="unit_failed", severity="error",
                source="units", unit="mail.service", detail="result signal",
            )
        ]  # fmt: skip


@pytest.fixture(autouse=True)
def sampled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two looks at units without the wait between them, and a journal of changes of the test's own."""
    hog = unit("nginx.service", cpu=92.0, cpu_wait=40.0)
    uses = situation(SHORT, (hog, unit("postgresql.service", cpu_wait=30.0))).uses
    taken = machine.Sample(uses, (), replace(MACHINE), 3.0)
    monkeypatch.setattr(explaining, "sample", lambda manager, storm: taken)
    monkeypatch.setattr(explaining, "newest_lines", lambda units: {})
    monkeypatch.setattr(verb, "understanding", lambda: HERE)
    monkeypatch.setattr("jepa.shell.sentence.understanding", lambda: HERE)
    monkeypatch.setattr("jepa.actions.systemd_bus.SystemdBus", NoServiceManager)
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))


def asked(line: str) -> str:
    client: Any = Jepad()
    return run_line(client, line, 120)


def test_the_machine_is_explained_with_offender_evidence_and_command() -> None:
    said = asked("explain")
    assert "1. nginx.service takes 92 % of all CPU time, and postgresql.service waits for it." in said
    assert "nginx.service: 92 % of CPU time" in said
    assert "jepa watch system.pressure.cpu.some" in said


@pytest.mark.parametrize("line", ["why is the database slow?", "what is slowing down the database"])
def test_a_question_typed_at_the_prompt_is_explained(line: str) -> None:
    said = asked(line)
    assert said.startswith("postgresql.service at ")
    assert "1. nginx.service takes" in said


def test_other_sentences_at_the_prompt_are_planned_for() -> None:
    assert "order a pizza" not in asked("order a pizza")
    assert "not understood" in asked("order a pizza")


def test_json_has_the_documented_shape() -> None:
    found = json.loads(asked("explain cpu --json"))
    assert set(found) == {
        "about", "at_ns", "over_s", "sampled_s", "causes", "facts", "changes", "limits",
    }  # fmt: skip
    cause = found["causes"][0]
    assert set(cause) == {
        "kind", "resource", "summary", "severity", "offenders", "suffers", "evidence",
    }  # fmt: skip
    assert set(cause["offenders"][0]) == {"name", "share", "of", "process"}
    assert set(cause["evidence"][0]) == {
        "kind", "source", "text", "command", "ts_ns", "value", "unit", "usual", "cursor",
    }  # fmt: skip
    assert found["about"] == "cpu"


def test_the_past_is_explained_from_frames_and_events_and_says_what_is_missing() -> None:
    found = json.loads(asked("explain --at 1m --json"))
    assert found["sampled_s"] == 0
    assert [cause["kind"] for cause in found["causes"]] == ["unit_failed"]
    assert any("not kept" in sentence for sentence in found["limits"])
    before = json.loads(asked("explain --at 3m --json"))
    assert before["causes"] == []
    assert "There is no frame" in asked("explain --at 1h")


def test_a_daemon_that_is_away_is_said_to_be() -> None:
    client = Jepad()
    client.fail("jepad does not run.", "Start it.")
    assert "jepad does not run" in run_line(client, "explain", 80)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], Question()),
        (["cpu"], Question(resource="cpu")),
        (["pressure.cpu.some"], Question(channels=("system.pressure.cpu.some",))),
        (["812"], Question(pids=(812,))),
        (["nginx"], Question(units=("nginx.service",))),
        (["postgres"], Question(units=("postgresql.service",))),
        (["postgresql.service", "nginx.service"], Question(units=("postgresql.service", "nginx.service"))),
        (["why is nginx slow?"], Question(units=("nginx.service",))),
        (["why", "is", "the", "disk", "busy"], Question(resource="io")),
        (["why is the machine slow"], Question()),
    ],
)
def test_names_and_questions_are_understood(words: list[str], expected: Question) -> None:
    assert question(words, CHANNELS, HERE) == expected


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["frobnicator"], "Nothing here is called"),
        (["\x1b[31mred"], "Nothing here is called"),
        (["restart nginx"], "no question"),
        (["order a pizza"], "no question"),
        (["why is mysql slow"], "Nothing here is called"),
        (["x" * 100_000], "Nothing here is called"),
    ],
)
def test_what_cannot_be_explained_is_refused_with_a_remedy(words: list[str], problem: str) -> None:
    with pytest.raises(JepaError) as refused:
        question(words, CHANNELS, HERE)
    assert problem in refused.value.problem
    assert refused.value.remedy
    assert len(refused.value.problem) < 300
