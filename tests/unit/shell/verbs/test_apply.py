# SPDX-License-Identifier: Apache-2.0
"""`jepa apply` does what was shown, on real processes, and only what was shown, here and in time."""

import io
import json
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jepa.actions.clock import HostClock
from jepa.errors import JepaError
from jepa.planning.plan import CourseVerdict, Plan, Step
from jepa.shell.output import Output
from jepa.shell.request import Request
from jepa.shell.verbs import apply
from tests.unit.shell.verbs.conftest import Process, nice_of
from tests.unit.shell.verbs.conftest import sleeper as sleeper
from tests.unit.tasks.machine import Channels, plan

Apply = Callable[..., tuple[int, Any]]


def nicer(process: Process, **other: Any) -> Plan:
    clock = HostClock()
    step = Step(1, "process.nice", str(process.pid), nice_of(process), 7, "process.nice", "tune", True)
    steps = (replace(step, **other),)
    made = plan(horizon_s=1, spec={"intent": "limit", "until": "PT10M"})
    return replace(
        made,
        boot_id=clock.boot_id,
        expires_s=clock.boottime_s() + 60,
        steps=steps,
        verdict=CourseVerdict("ask", ("A person has to agree.",)),
    )


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Apply:
    """What `jepa --local apply --json` answers of a plan: its exit status and its output."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    # What else runs on this host would be judged as well.
    monkeypatch.setattr("jepa.actions.channel_reader.KernelChannels", Channels)

    class Service:
        def __init__(self, content: dict[str, Any]) -> None:
            self.content = content

        def kept_plan(self, plan_id: str) -> dict[str, Any]:
            return self.content

        def frames(self, *, since_ns: int = 0, limit: int = 300) -> list[Any]:
            return []

    def answer(content: dict[str, Any], **how: Any) -> tuple[int, Any]:
        stream = io.StringIO()
        as_json = how.get("json", True)
        out = Output(stream, json=as_json, unicode=True, colour=False)
        args = Namespace(
            plan="x", yes=how.get("yes", True), for_s=how.get("for_s"), why="a call", local=True
        )
        service: Any = Service(json.loads(json.dumps(content)))
        request = Request(args, out, lambda: service, prompt=False)
        try:
            status = apply.run(request)
        finally:
            request.close()
        return status, json.loads(stream.getvalue()) if as_json else stream.getvalue()

    return answer


def refused(ask: Apply, content: dict[str, Any], **how: Any) -> JepaError:
    with pytest.raises(JepaError) as error:
        ask(content, **how)
    assert error.value.remedy
    return error.value


def test_the_steps_are_made_for_the_time_that_the_spec_says(ask: Apply, sleeper: Process) -> None:
    content = nicer(sleeper).as_dict()
    status, said = ask(content)
    assert status == 0
    assert nice_of(sleeper) == 7
    (row,) = said["history"]
    assert (row["plan"], row["state"], row["why"]) == (content["hash"], "committed", "a call")
    assert 590 < row["left_s"] <= 600, "PT10M"
    assert row["predicted"] == {"system.role.foreground.pressure.cpu": [8.0, 11.0, 14.0]}
    assert row["observed"]


def test_what_comes_of_it_is_shown_to_a_person(ask: Apply, sleeper: Process) -> None:
    status, said = ask(nicer(sleeper).as_dict(), json=False, for_s=60)
    assert status == 0
    assert "1. process.nice" in said and "needs consent" in said
    assert f"process.nice {sleeper.pid} 7  committed" in said
    assert "pressure.cpu: predicted 11 % (8.0 % .. 14 %), came 12 %" in said


def test_a_machine_that_has_moved_is_left_alone(ask: Apply, sleeper: Process) -> None:
    before = nice_of(sleeper)
    status, said = ask(nicer(sleeper, old=before + 3).as_dict())
    assert status == 1
    assert "The plan is stale" in said["error"]["problem"]
    assert nice_of(sleeper) == before


def test_without_consent_nothing_is_done(ask: Apply, sleeper: Process) -> None:
    before = nice_of(sleeper)
    error = refused(ask, nicer(sleeper).as_dict(), yes=False)
    assert (error.status, "--yes" in error.remedy) == (403, True)
    assert nice_of(sleeper) == before


def test_a_plan_of_no_steps_is_done(ask: Apply, sleeper: Process) -> None:
    status, said = ask(replace(nicer(sleeper), steps=(), verdict=CourseVerdict("allow")).as_dict())
    assert (status, said["history"]) == (0, [])


def test_a_plan_that_is_refused_is_not_applied(ask: Apply, sleeper: Process) -> None:
    content = replace(nicer(sleeper), steps=(), verdict=CourseVerdict("deny", ("It is unknown.",))).as_dict()
    assert "It is unknown." in refused(ask, content).problem


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"boot_id": "b" * 32}, "before this machine was last started"),
        ({"expires_s": 1.0}, "expired"),
    ],
)
def test_a_plan_of_another_time_is_refused(
    ask: Apply, sleeper: Process, other: dict[str, Any], said: str
) -> None:
    error = refused(ask, replace(nicer(sleeper), **other).as_dict())
    assert (error.status, said in error.problem) == (409, True)


def test_a_plan_that_was_altered_is_refused(ask: Apply, sleeper: Process) -> None:
    content = nicer(sleeper).as_dict()
    content["steps"][0]["to"] = 19
    assert "altered" in refused(ask, content).problem
