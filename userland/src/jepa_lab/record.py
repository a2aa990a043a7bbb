# SPDX-License-Identifier: Apache-2.0
"""Records the sessions of a plan, one after the other; what is recorded already is skipped."""

import os
import shutil
import sys
import time
from dataclasses import asdict
from pathlib import Path

from jepa.errors import JepaError
from jepa.telemetry.frame import Frame
from jepa.telemetry.recording import TWIN, read_meta, record
from jepa.telemetry.sampler import open_machine
from jepa_lab.workloads.plans import PLANS
from jepa_lab.workloads.runner import Runner
from jepa_lab.workloads.session import Session, schedule

SETTLE_S = 5.0
"""Rest before a session, so that what the one before left to be written does not count as its work."""


def record_plan(plan: str, pack: Path, settle_s: float = SETTLE_S) -> None:
    """Record every session of ``plan`` that the folder of the pack lacks, with progress on stderr.

    Held-out sessions and their twins go to ``heldout``, which is shipped with the pack, the others to
    ``recordings``, which is not.
    """
    if plan not in PLANS:
        raise JepaError(f"There is no plan {plan!r}.", f"Choose one of {', '.join(PLANS)}.")
    runs = [(session, again) for session in PLANS[plan] for again in (False, True)[: 1 + session.twin]]
    for number, (session, again) in enumerate(runs, 1):
        place = pack / ("heldout" if session.split == "heldout" else "recordings")
        folder = place / (session.name + (TWIN if again else ""))
        title = f"[{number}/{len(runs)}] {folder.name}"
        if _finished(folder):
            print(f"{title}: recorded already", file=sys.stderr)
            continue
        shutil.rmtree(folder, ignore_errors=True)
        os.sync()
        time.sleep(settle_s)
        record_session(session, folder, pack / "scratch", title)


def record_session(session: Session, folder: Path, scratch: Path, title: str = "") -> None:
    """Run the programs of ``session`` in ``scratch``, and record this machine meanwhile into ``folder``."""
    stretches = schedule(session)
    labels = {**asdict(session), "schedule": [asdict(stretch) for stretch in stretches]}
    if folder.name.endswith(TWIN):
        labels["split"] = "twin"
    frames = 0

    def progress(_: Frame) -> None:
        nonlocal frames
        frames += 1
        if frames % 10 == 0:
            print(f"\r{title or session.name}: {frames}/{session.seconds} s ", end="", file=sys.stderr)

    source = open_machine(kernel=True, own_cost=True)
    folder.mkdir(parents=True)
    try:
        with Runner(stretches, scratch):
            record(source, folder, session.seconds, labels=labels, on_frame=progress)
    finally:
        source.close()
        shutil.rmtree(scratch, ignore_errors=True)
    print(file=sys.stderr)


def _finished(folder: Path) -> bool:
    try:
        return read_meta(folder).finished
    except JepaError:
        return False
