# SPDX-License-Identifier: Apache-2.0
"""Workloads are seeded, bounded and leave nothing behind."""

import os
import time
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jepa_lab.workloads.context import DISK_LIMIT_MIB
from jepa_lab.workloads.faults import FAULTS
from jepa_lab.workloads.plans import (
    HELD_OUT,
    PLANS,
    SCARCE_HELD_OUT,
    SCARCE_TRAINED,
    STEADY_HELD_OUT,
    STEADY_TRAINED,
    STEADY_VALIDATED,
    TRAINED,
    VALIDATED,
)
from jepa_lab.workloads.runner import Runner
from jepa_lab.workloads.scarce import SCARCE, small_disk, small_memory
from jepa_lab.workloads.session import ALL_PROGRAMS, PROGRAMS, ProgramRun, Session, schedule
from jepa_lab.workloads.steady import STEADY

SESSIONS = [session for plan in PLANS.values() for session in plan]


@settings(deadline=None)
@given(seed=st.integers(0, 1 << 32), idle=st.floats(0, 1), seconds=st.integers(30, 400))
def test_a_schedule_is_the_same_for_its_seed_and_at_most_two_run_at_once(
    seed: int, idle: float, seconds: int
) -> None:
    session = Session("x", "train", "busy", seed, ("burst", "log", "scan"), idle, seconds)
    stretches = schedule(session)
    assert stretches == schedule(session)
    assert stretches[0].start_s == 0
    assert max(stretch.start_s + stretch.seconds for stretch in stretches) == pytest.approx(seconds)
    for stretch in stretches:
        inside = [s for s in stretches if s.start_s <= stretch.start_s < s.start_s + s.seconds]
        assert len(inside) <= 2
        assert 0 <= stretch.level <= 1
        assert stretch.program in PROGRAMS


@given(seed=st.integers(0, 1 << 32), faults=st.integers(1, len(FAULTS)))
def test_faults_strike_one_after_the_other_after_the_first_minute(seed: int, faults: int) -> None:
    session = Session("x", "faults", "busy", seed, ("burst", "log"), 0.2, 240, faults=faults)
    struck = [stretch for stretch in schedule(session) if stretch.program in FAULTS]
    assert len({stretch.program for stretch in struck}) == faults
    ends = [60.0]
    for stretch in struck:
        assert stretch.start_s >= ends[-1]
        ends.append(stretch.start_s + stretch.seconds)
    assert ends[-1] < 240
    assert not {stretch.program for stretch in schedule(session)} & {*HELD_OUT, *VALIDATED}


@given(seed=st.integers(0, 1 << 32), seconds=st.integers(60, 400))
def test_in_trials_both_roles_work_all_the_time(seed: int, seconds: int) -> None:
    session = Session("x", "train", "trial", seed, STEADY_TRAINED, 0.0, seconds, acts=True)
    assert schedule(session) == schedule(session)
    for second in range(seconds):
        inside = [s for s in schedule(session) if s.start_s <= second < s.start_s + s.seconds]
        assert sorted(stretch.role for stretch in inside) == ["background", "foreground"]
        assert len({stretch.program for stretch in inside}) == 2


def test_no_seed_is_shared_and_no_program_is_in_two_splits_but_for_company() -> None:
    splits = {
        split: [session for session in SESSIONS if session.split == split]
        for split in ("train", "validation", "heldout")
    }
    seeds = [session.seed for session in SESSIONS]
    assert len(set(seeds)) == len(seeds)
    trained = {name for session in splits["train"] for name in session.programs}
    held_out = {*HELD_OUT, *STEADY_HELD_OUT, *SCARCE_HELD_OUT}
    validated = {*VALIDATED, *STEADY_VALIDATED}
    assert not trained & (held_out | validated)
    assert trained == {*TRAINED, *STEADY_TRAINED, *SCARCE_TRAINED}
    for session in splits["heldout"]:
        assert set(session.programs) & held_out
        assert not set(session.programs) & validated, "choices were made on these"
    for session in splits["validation"]:
        assert set(session.programs) & validated
        assert not set(session.programs) & held_out


def test_there_are_programs_enough_and_each_is_in_some_session() -> None:
    assert len(PROGRAMS) > 25
    assert {name for session in SESSIONS for name in session.programs} == {
        *PROGRAMS,
        *STEADY,
        *SCARCE,
    } - {"idle"}


def test_every_busy_session_is_run_twice_and_every_held_out_one_with_actions() -> None:
    busy = [session for session in SESSIONS if session.kind == "busy" and not session.faults]
    assert all(session.twin for session in busy if not session.acts)
    kinds = ("busy", "trial")
    assert all(session.twin for session in SESSIONS if session.split == "heldout" and session.kind in kinds)


def test_only_small_machines_are_filled_up() -> None:
    assert small_memory("MemTotal:         786432 kB\nMemFree: 1 kB\n")
    assert not small_memory("MemTotal:       16384000 kB\n")
    assert small_disk(4 << 30)
    assert not small_disk(64 << 30)


FAMILIES = {
    family: [name for name, program in ALL_PROGRAMS.items() if program.__module__.endswith(f".{family}")]
    for family in ("compute", "desktop", "network", "storage", "steady", "scarce", "faults")
}


@pytest.mark.parametrize("family", FAMILIES)
def test_programs_run_end_in_time_and_leave_nothing(
    family: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    names = FAMILIES[family]
    scratch = tmp_path / "scratch"
    start = time.monotonic()
    used = dict.fromkeys(names, 0)
    with Runner([ProgramRun(0, 1, name, 7, 0.2) for name in names], scratch):
        while (mine := children()) or time.monotonic() < start + 1:
            for folder in scratch.glob("*"):
                # Files come and go meanwhile, and whole directories, which a walk passes over.
                total = sum(size(Path(at) / each) for at, _, files in os.walk(folder) for each in files)
                name = folder.name.rpartition("-")[0]
                used[name] = max(used[name], total)
            assert time.monotonic() < start + 40, f"{mine} did not end"
            time.sleep(0.1)
    assert "Traceback" not in capfd.readouterr().err
    assert max(used.values()) <= DISK_LIMIT_MIB << 20, used
    assert not list(scratch.iterdir())
    assert not children()


def children() -> list[psutil.Process]:
    return [process for process in psutil.Process().children(recursive=True) if is_runner(process)]


def is_runner(process: psutil.Process) -> bool:
    try:
        alive = process.status() != psutil.STATUS_ZOMBIE
        return alive and "jepa_lab.workloads.runner" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False


def size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except FileNotFoundError:
        return 0
