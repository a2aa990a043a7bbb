# SPDX-License-Identifier: Apache-2.0
"""Workloads are seeded, bounded and leave nothing behind."""

import time
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jepa_lab.workloads.context import DISK_LIMIT_MIB
from jepa_lab.workloads.plans import PLANS
from jepa_lab.workloads.runner import Runner
from jepa_lab.workloads.session import PROGRAMS, Session, Stretch, schedule

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


def test_held_out_sessions_share_no_seed_and_bring_programs_never_trained_on() -> None:
    splits = {
        split: [session for session in SESSIONS if session.split == split]
        for split in ("train", "validation", "heldout")
    }
    seeds = [session.seed for session in SESSIONS]
    assert len(set(seeds)) == len(seeds)
    trained = {
        name for split in ("train", "validation") for session in splits[split] for name in session.programs
    }
    for session in splits["heldout"]:
        assert set(session.programs) - trained, f"{session.name} has only programs that were trained on"


@pytest.mark.parametrize("program", sorted(PROGRAMS))
def test_each_program_runs_ends_in_time_and_leaves_nothing(program: str, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    start = time.monotonic()
    used = 0
    with Runner([Stretch(0, 1.5, program, 7, 0.3)], scratch):
        while not (mine := children()) and time.monotonic() < start + 20:
            time.sleep(0.02)
        assert mine, "the program never started"
        while any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in mine):
            used = max(used, sum(size(path) for path in scratch.rglob("*")))
            assert time.monotonic() < start + 40, "the program did not end"
            time.sleep(0.05)
    assert used <= DISK_LIMIT_MIB << 20
    assert not list(scratch.iterdir())
    assert not children()


def children() -> list[psutil.Process]:
    return [
        process
        for process in psutil.Process().children(recursive=True)
        if "jepa_lab.workloads.runner" in " ".join(process.cmdline())
    ]


def size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except FileNotFoundError:
        return 0
