# SPDX-License-Identifier: Apache-2.0
"""`jepa habits` switches learning on and off, and says what is kept and how well it predicts."""

import json
from pathlib import Path

import pytest

from jepa.shell.cli import main
from jepa.shell.habits.store import HabitStore

HABIT = ["status", "explain web", "undo"]


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HabitStore:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    return HabitStore(tmp_path / "xdg/jepa/habits")


def test_on_show_off(store: HabitStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["habits", "show"]) == 0
    assert "`jepa habits on`" in capsys.readouterr().out
    assert main(["habits", "on"]) == 0
    assert str(store.path) in capsys.readouterr().out.replace("\n", "")
    assert main(["habits", "show"]) == 0
    assert "No line is kept yet" in capsys.readouterr().out
    for line in HABIT * 10:
        store.add(line)
    assert main(["habits", "show"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("30 lines since ") and "%  status\n" in shown
    assert main(["habits", "off"]) == 0
    assert capsys.readouterr().out == "30 lines were deleted; no more are kept.\n"
    assert not store.enabled()


def test_json_has_the_score_beside_the_most_frequent(
    store: HabitStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["habits", "show", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"enabled": False, "lines": 0}
    store.enable()
    for line in HABIT * 10:
        store.add(line)
    assert main(["habits", "show", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["enabled"] and found["lines"] == 30
    assert found["next"][0]["line"] == "status" and found["next"][0]["probability"] > 0.5
    assert found["score"]["line_first"] > found["most_frequent"]["line_first"]


def test_a_folder_that_is_not_there_to_be_used_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert main(["habits", "on"]) == 1
    assert "XDG_STATE_HOME" in capsys.readouterr().err
