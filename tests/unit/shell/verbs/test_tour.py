# SPDX-License-Identifier: Apache-2.0
"""`jepa tour` shows what verbs answer on this machine, goes on where one cannot, and changes nothing."""

import json
import shlex
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from jepa.shell.cli import main
from jepa.shell.parser import parse
from jepa.shell.verbs.tour import END, STEPS
from tests.unit.shell.ptys import started

TOUR = [sys.executable, "-c", "import sys; from jepa.shell.cli import main; sys.exit(main())", "tour"]


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """There is no actuator."""
    monkeypatch.setenv("JEPA_ACTUATOR_SOCKET", str(tmp_path / "none"))


def test_every_step_is_a_command_that_there_is_and_none_gives_consent() -> None:
    for step in STEPS:
        args = parse(step.words)
        assert not getattr(args, "yes", False)
        assert step.words[0] not in ("act", "undo") or args.dry_run


def test_each_step_is_shown_with_what_its_command_answers(
    served: Any, alone: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tour", "--socket", str(served.socket)]) == 0
    said = capsys.readouterr().out
    for step in STEPS:
        assert f"\n$ {shlex.join(('jepa', *step.words))}\n" in said
    assert "system.cpu.utilization" in said
    assert "understood: " in said
    assert "Not on this machine now: The actuator cannot be reached" in said
    assert said.rstrip().endswith(END[-1])


def test_without_jepad_there_is_one_clear_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tour", "--socket", str(tmp_path / "none")]) == 1
    assert "jepad" in capsys.readouterr().err


def test_for_programs_it_is_a_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tour", "--json"]) == 0
    steps = json.loads(capsys.readouterr().out)
    assert [shlex.split(step["command"])[1:] for step in steps] == [list(step.words) for step in STEPS]


@pytest.mark.parametrize(("keys", "steps"), [("q\r", 1), ("\rq\r", 2), ("\x04", 1)])
def test_at_a_terminal_it_waits_for_a_key_and_can_be_left(
    served: Any, alone: None, keys: str, steps: int
) -> None:
    with started([*TOUR, "--socket", str(served.socket)]) as line:
        for number, key in enumerate(keys.split("\r")[:steps], 1):
            line.expect(f"{number} of {len(STEPS)}.")
            line.expect("Enter goes on")
            line.type(key if key == "\x04" else f"{key}\r")
        assert line.status() == 0


def test_ctrl_c_ends_it_quietly(served: Any, alone: None) -> None:
    with started([*TOUR, "--socket", str(served.socket)]) as line:
        line.expect("Enter goes on")
        # Between the prompt and the read there is a moment in which Python would hear of it at the next key.
        time.sleep(0.3)
        line.type("\x03")
        assert line.status() == 130
