# SPDX-License-Identifier: Apache-2.0
"""Tasks of standing goals stand as far as the autonomy says, with a grant each, and end with it."""

import io
import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from jepa.errors import JepaError
from jepa.healing import mode as mode_file
from jepa.shell import standing_goals
from jepa.shell.output import Output
from jepa.shell.request import Request
from jepa.shell.verbs import goal as goal_verb
from jepa.tasks import kept_goals
from jepa.tasks.task import goal_of

SETTABLE = {"action": "cpu.weight", "targets": ["background.slice"], "values": ["default", "idle"]}


class Jepad:
    """A service that plans, and whose tasks stand until they are ended; and the actuator beside it."""

    def __init__(self) -> None:
        self.standing: dict[str, dict[str, Any]] = {}
        self.given: dict[str, dict[str, Any]] = {}
        self.refuses: JepaError | None = None

    def plan(self, spec: str) -> dict[str, Any]:
        if self.refuses is not None:
            raise self.refuses
        meant = json.loads(spec)
        settable = [] if meant["intent"] == "watch" else [SETTABLE]
        verdict = {"decision": "ask", "reasons": []}
        return {"id": "p1", "spec": meant, "steps": [], "settable": settable, "verdict": verdict}

    def tasks(self) -> list[dict[str, Any]]:
        return list(self.standing.values())

    def start_task(self, wanted: Any) -> dict[str, Any]:
        task = {"id": wanted.task, "spec": wanted.spec, "grant": wanted.grant, "state": "active"}
        self.standing[wanted.task] = task
        return task

    def end_task(self, task_id: str) -> dict[str, Any]:
        ended = self.standing.pop(task_id)
        self.given.pop(ended["grant"], None)
        return ended

    def grant(self, given: dict[str, Any]) -> str:
        assert given["task"].startswith("goal-") and given["daemon"] == "jepad.service"
        self.given[given["task"]] = given
        return str(given["task"])

    def revoke(self, grant: str) -> None:
        del self.given[grant]

    def close(self) -> None:
        pass


@pytest.fixture
def jepad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Jepad:
    monkeypatch.setattr(kept_goals, "FILE", tmp_path / "goals.toml")
    monkeypatch.setattr(mode_file, "FILE", tmp_path / "healing.toml")
    return Jepad()


def request(jepad: Jepad, **args: Any) -> tuple[Request, io.StringIO]:
    out = io.StringIO()
    output = Output(out, json=True, unicode=False, colour=False)
    service: Any = jepad
    return Request(Namespace(**args), output, lambda: service, False, lambda _: service), out


def settle(jepad: Jepad, mode: str, kept: dict[str, str], *approved: str) -> dict[str, dict[str, Any]]:
    rows = standing_goals.settle(request(jepad)[0], mode, kept, approved)
    return {row["goal"]: row for row in rows}


KEPT = {"quiet-foreground": "", "memory-headroom": ""}


def test_auto_has_all_that_are_kept_stand_and_a_second_time_changes_nothing(jepad: Jepad) -> None:
    for _ in range(2):
        rows = settle(jepad, "auto", KEPT)
        assert {name for name, row in rows.items() if row["task"]} == set(KEPT)
        assert len(jepad.standing) == 2
    (grant,) = jepad.given.values()
    assert grant["targets"] == ["background.slice"] and goal_of(grant["task"]) == "quiet-foreground"


@pytest.mark.parametrize("mode", ["off", "advise"])
def test_any_lesser_mode_ends_what_stands_with_its_grant(jepad: Jepad, mode: str) -> None:
    settle(jepad, "auto", KEPT)
    rows = settle(jepad, mode, KEPT)
    assert jepad.given == {} and mode in rows["quiet-foreground"]["why"]
    assert (rows["memory-headroom"]["task"] is None) is (mode == "off"), "to tell needs no more than advice"


def test_ask_waits_for_an_approval_which_then_lasts(jepad: Jepad) -> None:
    rows = settle(jepad, "ask", KEPT)
    assert "jepa autonomy --approve quiet-foreground" in rows["quiet-foreground"]["why"] and not jepad.given
    assert settle(jepad, "ask", KEPT, "quiet-foreground")["quiet-foreground"]["task"]
    assert settle(jepad, "ask", KEPT)["quiet-foreground"]["task"] and len(jepad.given) == 1


def test_what_is_no_longer_kept_or_kept_otherwise_ends(jepad: Jepad) -> None:
    settle(jepad, "auto", {"energy-by-schedule": "22:00-06:00"})
    (before,) = jepad.standing
    settle(jepad, "auto", {"energy-by-schedule": "20:00-06:00"})
    (after,) = jepad.standing.values()
    assert after["id"] != before and after["spec"]["condition"]["at"] == "20:00"
    settle(jepad, "auto", {})
    assert jepad.standing == {} and jepad.given == {}


def test_what_cannot_stand_now_says_why_and_leaves_no_grant(jepad: Jepad) -> None:
    jepad.refuses = JepaError("The model has seen 3 frames; a plan needs 32.", "", status=503)
    rows = settle(jepad, "auto", KEPT)
    assert "3 frames" in rows["quiet-foreground"]["why"] and jepad.given == {}


def test_other_tasks_of_a_person_are_left_alone(jepad: Jepad) -> None:
    jepad.standing["t1"] = {"id": "t1", "spec": {}, "grant": "0a", "state": "active"}
    settle(jepad, "off", KEPT)
    assert list(jepad.standing) == ["t1"]


def test_the_verb_keeps_lists_and_releases(jepad: Jepad) -> None:
    asked, out = request(jepad, action="keep", name="memory-headroom", between=None)
    assert goal_verb.run(asked) == 0
    rows = {row["goal"]: row for row in json.loads(out.getvalue())}
    assert rows["memory-headroom"]["kept"] and rows["memory-headroom"]["task"] in jepad.standing
    asked, out = request(jepad, action="release", name="memory-headroom")
    assert goal_verb.run(asked) == 0 and jepad.standing == {}
    asked, out = request(jepad, action="standing")
    assert goal_verb.run(asked) == 0
    assert not any(row["kept"] for row in json.loads(out.getvalue()))
