# SPDX-License-Identifier: Apache-2.0
"""`jepa act`, `undo` and `history` on real processes and kernel parameters, and what they refuse."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.shell.ptys import started
from tests.unit.shell.verbs.conftest import Jepa, Process, nice_of

SWAPPINESS = Path("/proc/sys/vm/swappiness")
HISTORY = {
    "id",
    "ts",
    "uid",
    "task",
    "plan",
    "action",
    "target",
    "from",
    "to",
    "state",
    "why",
    "predicted",
    "observed",
}
"""What programs rely on in a row."""


def history(jepa: Jepa) -> list[dict[str, Any]]:
    status, out, _ = jepa("history", "--json")
    assert status == 0
    rows: list[dict[str, Any]] = json.loads(out)
    return rows


def test_a_dry_run_shows_the_change_and_makes_none(jepa: Jepa, sleeper: Process) -> None:
    before = nice_of(sleeper)
    status, out, _ = jepa("act", "process.nice", str(sleeper.pid), "7", "--for", "10m", "--dry-run")
    assert status == 0
    assert f"process.nice of {sleeper.pid}: {before} -> 7" in out
    assert "allowed:" in out
    assert "Taken back after 10 min" in out
    assert (nice_of(sleeper), history(jepa)) == (before, [])


def test_a_dry_run_gives_programs_the_verdict(jepa: Jepa, sleeper: Process) -> None:
    _, out, _ = jepa("act", "process.kill", str(sleeper.pid), "--dry-run", "--json")
    shown = json.loads(out)
    assert shown["verdict"]["decision"] == "ask"
    assert shown["verdict"]["reasons"]
    assert (shown["tier"], shown["reversible"]) == ("irreversible", False)


def test_a_change_is_made_recorded_and_undone(jepa: Jepa, sleeper: Process) -> None:
    before = nice_of(sleeper)
    status, out, err = jepa("act", "process.nice", str(sleeper.pid), "7", "--for", "10m", "--why", "a call")
    assert (status, err) == (0, "")
    assert "committed" in out
    assert nice_of(sleeper) == 7
    (row,) = history(jepa)
    assert set(row) >= HISTORY
    assert (row["from"], row["to"], row["state"], row["why"]) == (before, 7, "committed", "a call")
    assert (row["uid"], row["action"], row["target"]) == (os.getuid(), "process.nice", str(sleeper.pid))
    assert 590 < row["left_s"] <= 600

    status, out, _ = jepa("history")
    assert "a call" in out and "left" in out
    status, out, _ = jepa("history", row["id"])
    assert "taken back in" in out

    status, out, _ = jepa("undo", row["id"])
    assert status == 0
    assert f"7 -> {before}, undone" in out
    assert nice_of(sleeper) == before
    assert history(jepa)[0]["state"] == "undone"


def test_act_gives_programs_the_row_of_the_history(jepa: Jepa, sleeper: Process) -> None:
    _, out, _ = jepa("act", "process.nice", str(sleeper.pid), "7", "--json")
    assert json.loads(out) == history(jepa)[0]
    _, out, _ = jepa("undo", "--json")
    assert [row["state"] for row in json.loads(out)] == ["undone"]


@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_a_kernel_parameter_is_set_and_put_back(jepa: Jepa) -> None:
    before = int(SWAPPINESS.read_text())
    value = before + 1 if before < 200 else before - 1
    try:
        assert jepa("act", "vm.swappiness", str(value), "--for", "1m")[0] == 0
        assert int(SWAPPINESS.read_text()) == value
        assert jepa("undo")[0] == 0
        assert int(SWAPPINESS.read_text()) == before
    finally:
        SWAPPINESS.write_text(str(before))


def test_a_value_that_somebody_else_changed_is_left_and_told(jepa: Jepa, sleeper: Process) -> None:
    jepa("act", "process.nice", str(sleeper.pid), "7")
    os.setpriority(os.PRIO_PROCESS, sleeper.pid, 9)
    status, out, _ = jepa("undo")
    assert status == 1
    assert "failed" in out
    assert nice_of(sleeper) == 9


def test_a_condition_that_does_not_hold_takes_the_change_back(jepa: Jepa, sleeper: Process) -> None:
    before = nice_of(sleeper)
    condition = "system.memory.utilization above 100"
    status, out, _ = jepa(
        "act", "process.nice", str(sleeper.pid), "7", "--watch", "1s", "--keep-if", condition
    )
    assert status == 1
    assert "reverted" in out
    assert nice_of(sleeper) == before


def test_consent_is_asked_for_and_a_script_is_told_how_to_give_it(jepa: Jepa, sleeper: Process) -> None:
    status, _, err = jepa("act", "process.terminate", str(sleeper.pid))
    assert status == 1
    assert "Add --yes to give it." in err
    assert sleeper.poll() is None
    status, _, _ = jepa("act", "process.terminate", str(sleeper.pid), "--yes")
    assert status == 0
    assert sleeper.wait(10) != 0


@pytest.mark.parametrize(("answer", "status"), [("y", 0), ("n", 1), ("", 1)])
def test_on_a_terminal_a_person_is_asked(tmp_path: Path, sleeper: Process, answer: str, status: int) -> None:
    code = "import sys; from jepa.shell.cli import main; sys.exit(main())"
    line = [sys.executable, "-c", code, "--local", "act", "process.terminate", str(sleeper.pid)]
    with started(line, STATE_DIRECTORY=str(tmp_path)) as terminal:
        terminal.expect(r"Do it\? \[y/N\] ")
        terminal.type(f"{answer}\r")
        assert terminal.status() == status
    assert (sleeper.poll() is None) == (status == 1) or sleeper.wait(10) is not None


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["vm.swapiness", "10"], 2, "Did you mean vm.swappiness"),
        (["no.such.action"], 2, "There is no action"),
        (["vm.swappiness"], 2, "takes a VALUE"),
        (["vm.swappiness", "10", "20"], 2, "takes a VALUE"),
        (["vm.swappiness", "201"], 2, "out of range"),
        (["vm.swappiness", "-1"], 2, "out of range"),
        (["vm.swappiness", "NaN"], 2, "no number"),
        (["vm.swappiness", "inf"], 2, "no number"),
        (["vm.swappiness", "1" + "0" * 30], 2, "no number"),
        (["vm.swappiness", "10%"], 2, "no number"),
        (["vm.swappiness", ""], 2, "needs a value"),
        (["net.core.default_qdisc", "fifo"], 2, "none of the choices"),
        (["process.nice", "7"], 2, "a PROCESS and a VALUE"),
        (["process.nice", "4194304999", "7"], 1, "There is no process"),
        (["process.nice", "no-such-program", "7"], 1, "no-such-program"),
        (["process.kill", "1", "--yes"], 1, "refused"),
        (["vm.swappiness", "10", "--for", "10"], 2, "span of time"),
        (["vm.swappiness", "10", "--for", "-1m"], 2, "for"),
        (["vm.swappiness", "10", "--for", "100d"], 2, "30 d"),
        (["vm.swappiness", "10", "--keep-if", "cpu below 9"], 2, "--watch"),
        (["vm.swappiness", "10", "--loud"], 2, "--loud"),
        (["vm.swappiness\x1b[2J", "10"], 2, "There is no action"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_line_is_one_clear_sentence_and_changes_nothing(
    jepa: Jepa, words: list[str], status: int, said: str
) -> None:
    got, out, err = jepa("act", *words)
    assert (got, out) == (status, "") or got == status == 1
    assert said in err
    assert len(err.splitlines()) == 1
    assert "\x1b" not in err
    assert history(jepa) == []


def test_a_condition_that_nobody_understands_is_refused_before_anything_is_changed(jepa: Jepa) -> None:
    status, _, err = jepa("act", "vm.swappiness", "10", "--watch", "9s", "--keep-if", "fast")
    assert status == 2
    assert "fast" in err
    assert history(jepa) == []


def test_errors_are_json_for_programs(jepa: Jepa) -> None:
    status, out, _ = jepa("act", "vm.swappiness", "201", "--json")
    assert status == 2
    assert json.loads(out)["error"]["remedy"]


def test_what_is_not_there_is_told(jepa: Jepa) -> None:
    assert jepa("history")[1] == "Nothing has been changed.\n"
    assert jepa("history", "0" * 12)[0] == 1
    assert jepa("undo", "0" * 12)[0] == 1
    assert jepa("undo", "0" * 12, "--task", "x")[0] == 2


def test_an_actuator_that_does_not_run_is_told_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from jepa.shell.cli import main

    monkeypatch.setenv("JEPA_ACTUATOR_SOCKET", str(tmp_path / "none"))
    assert main(["act", "vm.swappiness", "10"]) == 1
    assert "jepa-actuator.socket" in capsys.readouterr().err
