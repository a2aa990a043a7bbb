# SPDX-License-Identifier: Apache-2.0
"""Records the sessions of a plan, one after the other; what is recorded already is skipped."""

import shutil
import sys
from dataclasses import asdict
from pathlib import Path

from jepa.errors import JepaError
from jepa.telemetry.frame import Frame
from jepa.telemetry.recording import read_meta, record
from jepa.telemetry.sampler import open_machine
from jepa_lab.workloads.plans import PLANS
from jepa_lab.workloads.runner import Runner
from jepa_lab.workloads.session import Session, schedule


def record_plan(plan: str, out: Path) -> None:
    """Record every session of ``plan`` that ``out`` lacks, with progress on stderr."""
    if plan not in PLANS:
        raise JepaError(f"There is no plan {plan!r}.", f"Choose one of {', '.join(PLANS)}.")
    sessions = PLANS[plan]
    for number, session in enumerate(sessions, 1):
        folder = out / session.name
        title = f"[{number}/{len(sessions)}] {session.name}"
        if _finished(folder):
            print(f"{title}: recorded already", file=sys.stderr)
            continue
        shutil.rmtree(folder, ignore_errors=True)
        record_session(session, folder, title)


def record_session(session: Session, folder: Path, title: str = "") -> None:
    """Run the programs of ``session`` on this machine and record its frames into ``folder``."""
    stretches = schedule(session)
    labels = {**asdict(session), "schedule": [asdict(stretch) for stretch in stretches]}
    frames = 0

    def progress(_: Frame) -> None:
        nonlocal frames
        frames += 1
        if frames % 10 == 0:
            print(f"\r{title or session.name}: {frames}/{session.seconds} s ", end="", file=sys.stderr)

    source = open_machine()
    folder.mkdir(parents=True)
    try:
        with Runner(stretches, folder / "scratch"):
            record(source, folder, session.seconds, labels=labels, on_frame=progress)
    finally:
        source.close()
        shutil.rmtree(folder / "scratch", ignore_errors=True)
    print(file=sys.stderr)


def _finished(folder: Path) -> bool:
    try:
        return read_meta(folder).finished
    except JepaError:
        return False
