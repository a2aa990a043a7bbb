# SPDX-License-Identifier: Apache-2.0
"""Tasks outlive whoever keeps them, whatever became of the end of the file."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jepa.tasks.store import ENDED_KEPT, TaskStore
from jepa.tasks.task import Task, TaskState

TASK = Task("t1", {"intent": "prioritize", "targets": ["web"]}, "0a", 1000, since_ns=1, until_ns=9)


def task(number: int) -> Task:
    return replace(TASK, id=f"t{number}", since_ns=number)


def test_the_newest_state_of_each_task_is_what_counts(tmp_path: Path) -> None:
    store = TaskStore(tmp_path / "tasks.jsonl")
    ended = replace(TASK.noted("One.").with_window(0.5, without=True), left=(("freezer", "a.slice"),)).ended(
        "Over.", 5
    )
    for each in (TASK, task(2), ended):
        store.put(each)
    store.close()
    again = TaskStore(tmp_path / "tasks.jsonl")
    assert again.all() == [ended, task(2)]
    assert again.get("t1") == ended
    assert (ended.state, ended.active) == (TaskState.ENDED, False)


@given(cut=st.integers(0, 2000), noise=st.binary(max_size=30))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_a_torn_end_costs_only_what_is_torn(tmp_path: Path, cut: int, noise: bytes) -> None:
    path = tmp_path / "tasks.jsonl"
    path.unlink(missing_ok=True)
    store = TaskStore(path)
    for number in range(5):
        store.put(task(number))
    store.close()
    whole = path.read_bytes()
    path.write_bytes(whole[: max(0, len(whole) - cut)] + noise)
    found = TaskStore(path)
    assert found.all() == [task(number) for number in range(len(found.all()))]
    assert cut or len(found.all()) == 5
    found.put(task(9))
    found.close()
    assert TaskStore(path).get("t9") == task(9), "what comes after is whole"


def test_those_that_ended_long_ago_are_forgotten(tmp_path: Path) -> None:
    store = TaskStore(tmp_path / "tasks.jsonl")
    for number in range(ENDED_KEPT + 20):
        store.put(task(number).ended("Over.", number))
    store.put(replace(TASK, id="stands", since_ns=0))
    store.close()
    again = TaskStore(tmp_path / "tasks.jsonl")
    assert len(again.all()) == ENDED_KEPT + 1
    assert again.all()[0].id == "stands"
    assert again.all()[1].id == "t20"


def test_where_nothing_can_be_kept_it_says_so_and_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = TaskStore(tmp_path / "file" / "tasks.jsonl")
    assert "cannot be kept" in store.fault
    store.put(TASK)
    assert store.get("t1") == TASK


@pytest.mark.parametrize("field", ["spec", "state", "taken", "left", "notes"])
def test_a_row_of_another_version_is_passed_over(field: str, tmp_path: Path) -> None:
    row = TASK.as_row()
    with pytest.raises((KeyError, TypeError, ValueError)):
        Task.from_row({**row, field: 7})
    with pytest.raises(TypeError):
        Task.from_row({**row, "more": 1})
