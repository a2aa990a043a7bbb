# SPDX-License-Identifier: Apache-2.0
"""At the shell's prompt the verbs that change the machine are plain verbs: nobody is asked."""

from pathlib import Path
from typing import Any

import pytest

from jepa.shell.prompt_line import help_text, run_line, verbs
from tests.unit.shell.verbs.conftest import Process, nice_of

CLIENT: Any = None
"""None of them asks jepad."""


@pytest.fixture(autouse=True)
def own_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))


def test_they_are_listed_and_run_has_no_place() -> None:
    assert {"act", "actions", "undo", "history", "grants", "policy", "autonomy"} <= set(verbs())
    assert "run" not in verbs()
    assert "  act  " in help_text()
    assert "no verb for this prompt" in run_line(CLIENT, "run --background -- true")


def test_a_change_is_made_and_undone(sleeper: Process) -> None:
    before = nice_of(sleeper)
    assert "committed" in run_line(CLIENT, f"act process.nice {sleeper.pid} 7 --local")
    assert nice_of(sleeper) == 7
    assert "committed" in run_line(CLIENT, "history --local")
    assert "undone" in run_line(CLIENT, "undo --local")
    assert nice_of(sleeper) == before


def test_consent_is_given_in_advance_or_not_at_all(sleeper: Process) -> None:
    assert "Add --yes to give it." in run_line(CLIENT, f"act process.terminate {sleeper.pid} --local")
    assert sleeper.poll() is None
    assert "committed" in run_line(CLIENT, f"act process.terminate {sleeper.pid} --local --yes")
    assert sleeper.wait(10)
