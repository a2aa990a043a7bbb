# SPDX-License-Identifier: Apache-2.0
"""What a plan may say, and what the shipped one says."""

from pathlib import Path

import pytest

from jepa.errors import JepaError
from jepa_lab.branches.plan import SPLITS, Plan, load_plan
from jepa_lab.branches.schedule import runs_of
from tests.unit.jepa_lab.branches.plans import PLAN, PROGRAMS, TRIED, WHOLE, program, tried
from tools.record_branches import PLAN as SHIPPED


def load(text: str, folder: Path) -> Plan:
    file = folder / "plan.toml"
    file.write_text(text)
    return load_plan(file)


def test_a_plan_is_read_as_it_is_written(tmp_path: Path) -> None:
    plan = load(WHOLE, tmp_path)
    assert plan.runs["heldout"] == 3
    assert {each.action for each in plan.tried} == {"cpu.weight", "cpu.max", "unit.freeze", "vm.swappiness"}
    assert [shape.tight for shape in plan.shapes] == [False, True]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (PLAN + TRIED, "program is missing"),
        (PLAN + PROGRAMS + TRIED + program("xz", "heldout"), "xz is in two splits"),
        (PLAN + PROGRAMS + tried("cpu.weight", "background", "[1, 3]", "[3]"), "also tried in training"),
        (PLAN + PROGRAMS + tried("cpu.weight", "", "[1]", "[3]"), "cpu.weight has no target"),
        (PLAN + PROGRAMS + tried("vm.swappiness", "background", "[0]", "[3]"), "none that it can have"),
        (PLAN + PROGRAMS + program("top", "lost") + TRIED, "unknown split"),
        (PLAN.replace("instruction_ns = 4", "instruction_ns = 3") + PROGRAMS + TRIED, "no power of two"),
        (PLAN + PROGRAMS + "".join(program(f"own{n}", "train", own=True) for n in range(9)) + TRIED, "half"),
        ("seed = ", "Invalid value"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused_with_the_reason(
    text: str, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(JepaError, match=reason):
        load(text, tmp_path)


def test_an_action_that_the_catalogue_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JepaError, match=r"cpu\.wait"):
        load(PLAN + PROGRAMS + tried("cpu.wait", "background", "[1]", "[3]"), tmp_path)


def test_the_shipped_plan_tries_every_action_often_and_shares_no_software_between_splits() -> None:
    plan = load_plan(SHIPPED)
    runs = runs_of(plan)
    steps = [
        (run.split, step)
        for run in runs
        for moment in run.moments
        for course in moment.courses
        for step in course.steps
    ]
    for each in plan.tried:
        for split, least in (("train", 12), ("heldout", 3)):
            many = sum(
                each.action == step.action and each.target == step.target and of == split
                for of, step in steps
            )
            assert many >= least, (each.action, each.target, split)
    software = {
        split: {start.program.software for run in runs if run.split == split for start in run.starts}
        for split in SPLITS
    }
    assert not software["train"] & software["heldout"]
    assert not software["validation"] & (software["train"] | software["heldout"])
