# SPDX-License-Identifier: Apache-2.0
"""`jepa plan` draws what was planned, says why nothing was, and takes nothing but a task spec."""

import io
import json
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jepa.errors import JepaError
from jepa.planning.goals import Knowledge
from jepa.planning.planner import Planner
from jepa.service.api import FrameOut
from jepa.shell.cli import main
from jepa.shell.output import Output
from jepa.shell.prompt_line import run_line
from jepa.shell.request import Request
from jepa.shell.usage import UsageError
from jepa.shell.verbs import plan as verb
from jepa.tasks.spec import parse_spec
from jepa.telemetry.schema import Schema
from tests.unit.planning.conftest import PAUSE, QUOTA, WAIT, WEIGHT, Heart, effects, moment_of
from tests.unit.planning.conftest import knowing as knowing
from tests.unit.planning.conftest import tree as tree

HELPS = {(WEIGHT, WAIT): -0.4, (QUOTA, WAIT): -0.4, (PAUSE, WAIT): -0.6}
Ask = Callable[..., tuple[int, str]]


class Planning:
    """A service that plans as jepad does, for a machine whose foreground waits ``wait``."""

    def __init__(self, schema: Schema, known: Knowledge, wait: float) -> None:
        self._moment = moment_of(Heart(schema, {WAIT: wait}, HELPS))
        self._known = known

    def plan(self, spec: str) -> dict[str, Any]:
        return Planner("b00t").plan(parse_spec(spec), self._moment, self._known).as_dict()

    def frames(self, *, since_ns: int = 0, limit: int = 300) -> list[FrameOut]:
        return [FrameOut(ts_ns=second, values={WAIT: 40.0 + second}) for second in range(12)]


@pytest.fixture
def ask(schema: Schema, knowing: Callable[..., Knowledge], tmp_path: Path) -> Ask:
    """What `jepa plan` answers: its exit status and its output."""

    def answer(
        spec: object, wait: float = 0.6, known: Knowledge | None = None, **how: Any
    ) -> tuple[int, str]:
        file = tmp_path / "spec.json"
        file.write_text(json.dumps(spec))
        said = how.get("text", [])
        stream = io.StringIO()
        out = Output(stream, json=how.get("json", False), unicode=how.get("unicode", True), colour=False)
        client: Any = Planning(schema, known or knowing(), wait)
        status = verb.run(
            Request(
                Namespace(verb="plan", spec=None if said else str(file), text=said),
                out,
                lambda: client,
                prompt=False,
            )
        )
        return status, stream.getvalue()

    return answer


@pytest.mark.parametrize("unicode", [True, False])
def test_steps_are_listed_and_channels_drawn_with_and_without(ask: Ask, unicode: bool) -> None:
    status, said = ask({"intent": "prioritize"}, unicode=unicode)
    assert status == 0
    assert "needs consent" in said
    arrow = "→" if unicode else "->"
    assert f"1. cpu.weight background.slice: default {arrow}" in said
    assert f"{WAIT}, next 15 s: without " in said
    lines = said.splitlines()
    without, taken = (
        [line for line in lines if line.lstrip().startswith(f"{which} ")] for which in ("without", "with")
    )
    assert len(without) == len(taken) == 2, "each channel whose effect is known is drawn twice"
    assert all(line.count("│" if unicode else "|") == 1 for line in (*without, *taken))
    assert all(len(line) <= 80 for line in (*without, *taken))
    assert said.isascii() != unicode


def test_where_doing_nothing_is_best_it_says_so_and_that_is_no_failure(ask: Ask) -> None:
    status, said = ask({"intent": "prioritize"}, wait=0.05)
    assert status == 0
    assert "nothing to do" in said
    assert "surely better than doing nothing" in said


def test_what_is_unknown_is_refused_with_the_reason(ask: Ask, knowing: Callable[..., Knowledge]) -> None:
    status, said = ask({"intent": "prioritize"}, known=knowing(effects(0.1)))
    assert status == 1
    assert "is unknown: no trial of machine 0.0.1 shows it." in said


def test_programs_get_the_plan_and_nothing_else(ask: Ask) -> None:
    status, said = ask({"intent": "prioritize"}, json=True)
    assert status == 0
    assert json.loads(said)["imagined"]["energy"]["gain_lower"] > 0


def test_a_malformed_spec_is_a_usage_error(ask: Ask) -> None:
    with pytest.raises(UsageError, match="intent"):
        ask({"intent": "dance"})
    with pytest.raises(JepaError, match="no unit 'nobody'") as refused:
        ask({"intent": "limit", "targets": ["nobody"]})
    assert not isinstance(refused.value, UsageError)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff", b"[" * 100_000, None],
    ids=["nothing", "half", "no text", "too much", "no file"],
)
def test_what_is_no_json_never_reaches_the_service(
    content: bytes | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "spec.json"
    if content is not None:
        file.write_bytes(content)
    assert main(["plan", "--spec", str(file), "--socket", str(tmp_path / "nobody")]) == 2
    assert "task spec" in capsys.readouterr().err


def test_at_the_prompt_standard_input_is_not_read() -> None:
    nobody: Any = None
    assert "Name a file." in run_line(nobody, "plan --spec -")


def test_a_spec_may_come_from_standard_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO('{"intent": "prioritize"}'))
    assert main(["plan", "--spec", "-", "--socket", str(tmp_path / "nobody")]) == 1
    assert "jepad is not running" in capsys.readouterr().err
    assert main(["plan"]) == 2


def test_a_sentence_is_planned_for_as_it_was_understood(ask: Ask) -> None:
    status, text = ask(None, text=["prioritize", "the", "foreground"])
    assert status == 0
    assert text.startswith("understood: prioritize foreground\nplan ")
    assert (
        json.loads(ask(None, text=["prioritize the foreground"], json=True)[1])["spec"]["intent"]
        == "prioritize"
    )


@pytest.mark.parametrize(
    ("sentence", "problem", "remedy"),
    [
        ("order a pizza", "not understood", "?"),
        ("don't limit the background", "not understood", "nothing is done"),
        ("restart nginx", "without a plan", "jepa act unit.restart nginx"),
        ("why is the disk busy?", "without a plan", "jepa explain"),
        ("remember this state as calm", "without a plan", "jepa goal capture calm"),
        ("make it feel like calm again", "no goal", "jepa goal"),
    ],
)
def test_a_sentence_that_asks_for_no_plan_says_what_to_do(
    sentence: str, problem: str, remedy: str, ask: Ask
) -> None:
    with pytest.raises(JepaError) as refused:
        ask(None, text=[sentence])
    assert problem in refused.value.problem
    assert remedy in refused.value.remedy


def test_a_plan_is_for_now_and_says_when_a_task_for_it_would_act(ask: Ask) -> None:
    said = ask(None, text=["prioritize the foreground while on battery"])[1]
    assert "acts only while the machine runs on battery" in said


def test_at_the_prompt_plain_words_are_planned_for() -> None:
    nobody: Any = None
    assert "That was not understood." in run_line(nobody, "don't order pizza")
    assert "There is no verb 'statsu'" in run_line(nobody, "statsu now")
