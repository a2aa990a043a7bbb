# SPDX-License-Identifier: Apache-2.0
"""Standing goals are kept in a file that a person may edit, and a wrong one changes nothing that is kept."""

from pathlib import Path

import pytest

from jepa.errors import JepaError
from jepa.tasks.conditions import check_condition
from jepa.tasks.kept_goals import GOALS, KeptGoals
from jepa.tasks.spec import TaskSpec
from jepa.tasks.task import goal_of


@pytest.mark.parametrize("name", GOALS)
def test_each_goal_is_a_task_spec_whose_condition_can_be_watched(name: str) -> None:
    goal = GOALS[name]
    spec = goal.spec_between("22:00-06:00" if goal.scheduled else "")
    check_condition(TaskSpec.model_validate(spec).model_dump(mode="json", exclude_none=True))
    assert len(f"goal-{name}-abcd") <= 32, "the id of a task"


def test_what_is_kept_is_kept_and_released(tmp_path: Path) -> None:
    file = tmp_path / "etc/goals.toml"
    KeptGoals(file).keep("quiet-foreground")
    KeptGoals(file).keep("energy-by-schedule", "22:00-06:00")
    kept = KeptGoals(file)
    assert kept() == {"quiet-foreground": "", "energy-by-schedule": "22:00-06:00"}
    kept.release("quiet-foreground")
    assert kept() == {"energy-by-schedule": "22:00-06:00"}
    with pytest.raises(JepaError, match="is not kept"):
        kept.release("quiet-foreground")


@pytest.mark.parametrize(
    ("name", "between", "status"),
    [
        ("quiet", "", 404),
        ("quiet-foreground", "22:00-06:00", 422),
        ("energy-by-schedule", "", 422),
        ("energy-by-schedule", "22-06", 422),
        ("energy-by-schedule", '22:00-06:00"', 422),
    ],
)
def test_what_is_no_goal_is_not_kept(tmp_path: Path, name: str, between: str, status: int) -> None:
    with pytest.raises(JepaError) as error:
        KeptGoals(tmp_path / "goals.toml").keep(name, between)
    assert error.value.status == status and error.value.remedy
    assert not (tmp_path / "goals.toml").exists()


@pytest.mark.parametrize(
    "text", ["quiet = true", 'quiet-foreground = "22:00-06:00"', "quiet-foreground", "x = ["]
)
def test_a_file_that_cannot_be_used_leaves_what_was_kept_and_is_not_written_over(
    tmp_path: Path, text: str
) -> None:
    file = tmp_path / "goals.toml"
    kept = KeptGoals(file)
    kept.keep("disk-headroom")
    assert kept() == {"disk-headroom": ""}
    file.unlink()
    file.write_text(text)
    assert kept() == {"disk-headroom": ""} and str(file) in kept.fault
    with pytest.raises(JepaError, match="cannot be used"):
        kept.keep("memory-headroom")
    assert file.read_text() == text


def test_the_goal_of_a_task_is_told_by_its_id() -> None:
    assert goal_of("goal-quiet-foreground-12ab") == "quiet-foreground"
    assert goal_of("t1f0c9a3b") is None and goal_of("goal-") is None
