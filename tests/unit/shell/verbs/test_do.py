# SPDX-License-Identifier: Apache-2.0
"""`jepa do` has a task stand with the grant that a person agreed to, and `jepa tasks` shows and ends it."""

import io
import json
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jepa.errors import JepaError
from jepa.shell.cli import main
from jepa.shell.output import Output
from jepa.shell.request import Request
from jepa.shell.usage import UsageError
from jepa.shell.verbs import do, tasks
from tests.unit.service.test_standing_tasks import ME, SPEC, Service
from tests.unit.service.test_standing_tasks import service as service
from tests.unit.shell.verbs.conftest import Process, nice_of
from tests.unit.shell.verbs.conftest import sleeper as sleeper

Ask = Callable[..., tuple[int, str]]


class Client:
    """A service over the tasks of this process."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.refuses: JepaError | None = None
        self.steps = True

    def plan(self, spec: str) -> dict[str, Any]:
        assert json.loads(spec) == SPEC
        made = self.service.wanted(steps=self.steps)
        content = made.as_dict()
        self.service.made[content["id"]] = made
        return content

    def frames(self, *, since_ns: int = 0, limit: int = 300) -> list[Any]:
        return []

    def start_task(self, wanted: Any) -> dict[str, Any]:
        if self.refuses is not None:
            raise self.refuses
        return self.service.tasks.accept(wanted, ME)

    def tasks(self) -> list[dict[str, Any]]:
        return self.service.tasks.all()

    def task(self, task_id: str) -> dict[str, Any]:
        return self.service.tasks.detail(task_id)

    def end_task(self, task_id: str) -> dict[str, Any]:
        return self.service.tasks.end(task_id, ME)


@pytest.fixture
def client(service: Service) -> Client:
    return Client(service)


@pytest.fixture
def ask(client: Client, tmp_path: Path) -> Ask:
    """What `jepa do` or, with ``words``, `jepa tasks` answers."""
    file = tmp_path / "spec.json"
    file.write_text(json.dumps(SPEC))

    def answer(*words: str, verb: Any = do, as_json: bool = False, yes: bool = True) -> tuple[int, str]:
        stream = io.StringIO()
        args = Namespace(spec=str(file), yes=yes, words=list(words))
        this: Any = client
        out = Output(stream, json=as_json, unicode=True, colour=False)
        request = Request(args, out, lambda: this, prompt=False, reach=lambda _: client.service.actuator)
        try:
            return verb.run(request), stream.getvalue()
        finally:
            request.close()

    return answer


def test_a_task_is_begun_shown_and_ended(ask: Ask, client: Client, sleeper: Process) -> None:
    before = nice_of(sleeper)
    status, said = ask(as_json=True)
    answer = json.loads(said)
    assert status == 0
    assert set(answer) == {"task", "plan", "history"}
    task = answer["task"]
    assert (task["state"], task["spec"]["intent"], task["plans"]) == ("active", "prioritize", 1)
    assert nice_of(sleeper) == 7
    (grant,) = client.service.actuator.grants()
    assert (grant["task"], grant["daemon"], grant["ranges"]) == (
        task["id"],
        "jepad.service",
        {"process.nice": [0, 7]},
    )

    status, said = ask(verb=tasks)
    assert status == 0
    assert "prioritize" in said and "active" in said and "benefit not measured yet" in said
    status, said = ask(task["id"], verb=tasks)
    assert status == 0
    assert f"in force: process.nice {sleeper.pid} {before} -> 7" in said

    status, said = ask("end", task["id"], verb=tasks)
    assert status == 0
    assert f"User {ME} ended it." in said
    assert nice_of(sleeper) == before


def test_a_person_reads_what_the_grant_would_be_before_it_is_given(
    ask: Ask, client: Client, sleeper: Process
) -> None:
    before = nice_of(sleeper)
    with pytest.raises(JepaError, match="needs your consent") as refused:
        ask(yes=False)
    assert "--yes" in refused.value.remedy
    assert (client.service.actuator.grants(), nice_of(sleeper)) == ([], before)


def test_when_jepad_refuses_the_grant_is_given_back(ask: Ask, client: Client) -> None:
    client.refuses = JepaError("8 tasks stand already.", "End one.", status=429)
    with pytest.raises(JepaError, match="8 tasks"):
        ask()
    assert client.service.actuator.grants() == []


def test_a_task_stands_also_where_nothing_is_to_do_now(ask: Ask, client: Client, sleeper: Process) -> None:
    client.steps = False
    client.service.fails = JepaError("The machine surprises the model.", "", status=503)
    status, said = ask()
    assert status == 0
    assert f"process.nice from 0 to 7 of {sleeper.pid}" in said
    assert "at most 30 times an hour, until `jepa tasks end`" in said
    assert "active" in said


def test_what_is_no_line_of_tasks_is_a_usage_error(ask: Ask) -> None:
    assert ask(verb=tasks) == (0, "No task stands. `jepa do --spec FILE` has one stand.\n")
    for words in (("end",), ("a", "b"), ("end", "a", "b")):
        with pytest.raises(UsageError):
            ask(*words, verb=tasks)
    with pytest.raises(JepaError, match="no task 'nothing'"):
        ask("nothing", verb=tasks)


def test_tasks_stand_in_jepad_and_in_no_other_process(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--local", "do", "--spec", "x"]) == 2
    assert "A task stands in jepad." in capsys.readouterr().err
