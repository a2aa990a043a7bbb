# SPDX-License-Identifier: Apache-2.0
"""What is left to record, and what a machine of the laboratory is told."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from jepa.errors import JepaError
from jepa_lab.branches.plan import load_plan
from jepa_lab.branches.schedule import Course, Run, Step, runs_of
from tests.unit.jepa_lab.branches.plans import WHOLE
from tools.laboratory import PARTS, boot_name, command, forget_boots, make_work_disk, write_course
from tools.record_branches import Progress, chosen, missing
from tools.vm.image import ROOT


@pytest.fixture
def runs(tmp_path: Path) -> list[Run]:
    file = tmp_path / "plan.toml"
    file.write_text(WHOLE)
    return runs_of(load_plan(file))


def test_recording_goes_on_where_it_was_stopped(runs: list[Run], tmp_path: Path) -> None:
    run = runs[0]
    assert missing(run, tmp_path) == list(run.moments)
    whole, half = tmp_path / run.name / "m1", tmp_path / run.name / "m2.tmp"
    for folder in (whole, half):
        folder.mkdir(parents=True)
        (folder / "moment.json").write_text("{}")
    assert missing(run, tmp_path) == [run.moments[1]]


def test_runs_are_chosen_by_name(runs: list[Run]) -> None:
    assert chosen(runs, [runs[2].name]) == [runs[2]]
    assert chosen(runs, []) == runs
    with pytest.raises(JepaError, match="no run 'none-such'"):
        chosen(runs, ["none-such"])


def test_progress_says_what_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(2)
    progress.done("t001/m1")
    progress.done("t001/m2")
    first, second = capsys.readouterr().err.splitlines()
    assert "t001/m1 is there; 1 moments are left" in first
    assert "0 moments are left, about 0.0 h" in second


def test_the_course_is_a_file_of_one_size_whatever_it_says(tmp_path: Path) -> None:
    file = tmp_path / "course"
    write_course(file, Course("nothing"), ends=False)
    size = file.stat().st_size
    assert json.loads(file.read_text()) == {"steps": [], "ends": False}
    write_course(
        file, Course("freeze", (Step(0.0, "unit.freeze", "lab-background.service", None),)), ends=True
    )
    assert file.stat().st_size == size
    told = json.loads(file.read_text())
    assert told == {"steps": [[0.0, "unit.freeze", "lab-background.service", None]], "ends": True}


def test_a_program_begins_as_a_unit_in_the_slice_of_its_role(runs: list[Run]) -> None:
    for start in runs[0].starts:
        words = command(start)
        assert words[-1] == start.program.command
        assert f"--unit=lab-{start.role}" in words
        assert f"--setenv=SEED={start.seed}" in words
        slice_of = {"foreground": "user.slice", "background": "background.slice"}[start.role]
        assert f"--slice={slice_of}" in words


def test_what_is_taken_into_the_machine_runs_without_the_rest(tmp_path: Path) -> None:
    for part in PARTS:
        there = tmp_path / "jepa_lab" / part
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "userland/src/jepa_lab" / part, there)
    (tmp_path / "jepa").symlink_to(ROOT / "userland/src/jepa")
    (tmp_path / "torch.py").write_text("raise ImportError('not in the image')\n")
    line = [sys.executable, "-m", "jepa_lab.branches.guest", "no-such-order"]
    done = subprocess.run(
        line, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert "FileNotFoundError" in done.stderr, done.stderr
    assert "no-such-order" in done.stderr


def test_machines_that_boot_alike_share_a_boot_of_the_same_image(runs: list[Run], tmp_path: Path) -> None:
    shape = runs[0].shape
    image = tmp_path / "image"
    image.write_bytes(b"one")
    name = boot_name([image], shape)
    assert boot_name([image], replace(shape, operations_per_s=7)) == name
    assert boot_name([image], replace(shape, memory_mib=7)) != name
    other = tmp_path / boot_name([image], replace(shape, instruction_ns=8))
    image.write_bytes(b"another")
    kept = tmp_path / boot_name([image], shape)
    beside = tmp_path / boot_name([image], replace(shape, memory_mib=7))
    for file in (other, beside):
        file.touch()
    forget_boots(tmp_path, kept)
    assert beside.exists(), "of the image of now"
    assert not other.exists(), "of an image that is no more"


def test_the_disk_that_programs_work_on_is_as_slow_as_the_machine_says(runs: list[Run]) -> None:
    shape = replace(runs[0].shape, operations_per_s=400)
    assert "ndelay=2500000 max_queue=1" in make_work_disk(shape)
