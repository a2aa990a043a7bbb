# SPDX-License-Identifier: Apache-2.0
"""`jepa actions` lists what can be set here and describes each action."""

import json
import sys
from pathlib import Path

import pytest

from jepa.actions.catalogue import catalogue
from jepa.actions.client import Availability
from jepa.actions.values import takes
from jepa.shell.cli import main
from jepa.shell.verbs.actions import manual
from tests.unit.shell.ptys import started
from tests.unit.shell.verbs.conftest import Jepa


def test_every_action_is_listed_with_what_this_machine_lacks(jepa: Jepa) -> None:
    status, out, _ = jepa("actions")
    assert status == 0
    for name, action in catalogue().items():
        (line,) = [line for line in out.splitlines() if line.split()[:1] == [name]]
        assert f"  {action.tier}  " in line
    rows = {row["name"]: row for row in json.loads(jepa("actions", "--json")[1])}
    assert set(rows) == set(catalogue())
    assert rows["process.nice"]["available"] is True
    assert all(row["available"] == (row["missing"] is None) for row in rows.values())


@pytest.mark.parametrize(("term", "ellipsis"), [("xterm", "…"), ("linux", "...")])
def test_a_terminal_gets_no_line_wider_than_it_is_and_an_ellipsis_where_one_is_cut(
    tmp_path: Path, term: str, ellipsis: str
) -> None:
    command = [sys.executable, "-m", "jepa.shell.cli", "--local", "actions"]
    environ = {"TERM": term, "LC_ALL": "C.UTF-8", "COLUMNS": None, "STATE_DIRECTORY": str(tmp_path)}
    with started(command, size=(24, 80), **environ) as line:
        shown = line.expect("describes one").splitlines()
    assert max(map(len, shown)) <= 80
    (cut,) = [each for each in shown if each.split()[:1] == ["cpu.governor"]]
    assert cut.endswith(ellipsis)


def test_a_pipe_gets_all_of_what_an_action_takes(jepa: Jepa) -> None:
    lines = jepa("actions")[1].splitlines()
    for name, action in catalogue().items():
        (line,) = [line for line in lines if line.split()[:1] == [name]]
        assert not action.takes_value or takes(action) in line


@pytest.mark.parametrize("name", catalogue())
@pytest.mark.parametrize("width", [40, 80])
def test_each_action_has_a_manual_page_that_fits(name: str, width: int) -> None:
    action = catalogue()[name]
    lines = manual(action, Availability(name, None, "TuneD"), width)
    assert [line for line in lines if line and not line.startswith(" ")][:3] == [
        "NAME",
        "SYNOPSIS",
        "VALUE" if action.takes_value else "DESCRIPTION",
    ]
    assert "    yes, and TuneD" in lines
    words = {word for line in lines for word in line.split()}
    assert max(map(len, lines)) <= max(width, max(map(len, words)) + 4)


def test_an_unknown_name_is_a_usage_error_that_names_near_ones(jepa: Jepa) -> None:
    status, _, err = jepa("actions", "vm.swapines")
    assert status == 2
    assert "vm.swappiness" in err


def test_without_an_actuator_the_catalogue_is_shown_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JEPA_ACTUATOR_SOCKET", str(tmp_path / "none"))
    assert main(["actions", "vm.swappiness"]) == 0
    assert "What this machine lacks is not known" in capsys.readouterr().out
