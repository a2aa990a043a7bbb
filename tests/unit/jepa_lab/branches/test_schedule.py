# SPDX-License-Identifier: Apache-2.0
"""Runs, moments and courses are the plan's, always the same, and keep to its split."""

from collections import Counter
from pathlib import Path

import pytest

from jepa_lab.branches.plan import Plan, load_plan
from jepa_lab.branches.schedule import NOTHING, Run, runs_of
from tests.unit.jepa_lab.branches.plans import SPLITS, WHOLE


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    file = tmp_path / "plan.toml"
    file.write_text(WHOLE)
    return load_plan(file)


@pytest.fixture
def runs(plan: Plan) -> list[Run]:
    return runs_of(plan)


def test_the_same_plan_gives_the_same_runs(plan: Plan, runs: list[Run]) -> None:
    assert runs_of(plan) == runs
    assert len({run.name for run in runs}) == len(runs) == 11


def test_each_split_has_its_runs_and_they_take_turns(runs: list[Run]) -> None:
    assert Counter(run.split for run in runs) == {"train": 6, "validation": 2, "heldout": 3}
    assert {run.split for run in runs[:3]} == set(SPLITS)


def test_runs_use_the_programs_of_their_split_alone_and_never_one_software_twice(
    plan: Plan, runs: list[Run]
) -> None:
    of = {program.software: program.split for program in plan.programs}
    for run in runs:
        used = [start.program.software for start in run.starts]
        assert {of[software] for software in used} == {run.split}
        assert len(set(used)) == len(used) == 2
        assert {start.role for start in run.starts} == {"foreground", "background"}
        assert min(start.frame for start in run.starts) == 0


def test_moments_have_their_context_before_them_and_their_branches_behind_them(
    plan: Plan, runs: list[Run]
) -> None:
    for run in runs:
        first, second = run.moments
        assert plan.context_s + 2 <= first.frame <= plan.context_s + 5
        assert 2 <= second.frame - (first.frame + plan.branch_s) <= 5


def test_every_moment_has_two_branches_without_an_action_and_different_ones_with(
    plan: Plan, runs: list[Run]
) -> None:
    for run in runs:
        for moment in run.moments:
            names = [course.name for course in moment.courses]
            assert names[:2] == list(NOTHING)
            assert len(set(names)) == len(names)
            assert 2 < len(names) <= 2 + plan.courses
            assert all(bool(course.steps) == (course.name not in NOTHING) for course in moment.courses)


def test_held_out_values_are_those_of_held_out_moments(plan: Plan, runs: list[Run]) -> None:
    of = {(each.action, each.target): each for each in plan.tried}
    for run in runs:
        for moment in run.moments:
            for step in (step for course in moment.courses for step in course.steps):
                each = of[step.action, step.target]
                allowed = each.held_out if run.split == "heldout" else each.values
                assert step.value in (allowed or (None,))


def test_what_matters_only_when_memory_runs_out_is_tried_only_then(runs: list[Run]) -> None:
    tight = 0
    for run in runs:
        wants = {want for start in run.starts for want in start.program.wants}
        for step in (step for moment in run.moments for course in moment.courses for step in course.steps):
            if step.action == "vm.swappiness":
                tight += 1
                assert run.shape.tight
                assert "memory" in wants
    assert tight


def test_all_that_fits_is_tried_about_as_often(runs: list[Run]) -> None:
    firsts = Counter(
        course.steps[0].action
        for run in runs
        for moment in run.moments
        for course in moment.courses
        if course.steps
    )
    often = [firsts[name] for name in ("cpu.weight", "cpu.max", "unit.freeze")]
    assert max(often) - min(often) <= 3


def test_what_is_about_a_role_is_tried_where_the_program_in_that_role_wants_it(
    plan: Plan, runs: list[Run]
) -> None:
    of = {(each.action, each.target): each for each in plan.tried}
    for run in runs:
        wants = {start.role: start.program.wants for start in run.starts}
        for step in (step for moment in run.moments for course in moment.courses for step in course.steps):
            each = of[step.action, step.target]
            assert not each.role or each.wants in wants[each.role]


def test_a_plan_about_one_want_has_its_programs_and_actions_alone(plan: Plan) -> None:
    about = plan.about("memory")
    assert {each.software for each in about.programs} == {"hoard", "heap"}
    assert {each.action for each in about.tried} == {"vm.swappiness"} | {
        each.action for each in plan.tried if each.wants == "memory"
    }
    cpu = runs_of(plan.about("cpu"))
    assert all(run.name.startswith("cpu-") for run in cpu)
    assert {
        step.action
        for run in cpu
        for moment in run.moments
        for course in moment.courses
        for step in course.steps
    } <= {each.action for each in plan.tried if each.wants == "cpu"}
