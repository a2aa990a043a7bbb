# SPDX-License-Identifier: Apache-2.0
"""Records the sessions of a plan, one after the other; what is recorded already is skipped."""

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from jepa.errors import JepaError
from jepa.telemetry.frame import Frame
from jepa.telemetry.machine import open_machine
from jepa.telemetry.recording import LISTENED, TWIN, UNTOUCHED, Action, read_meta, record
from jepa_lab.listening import Listening
from jepa_lab.workloads.actions import Actor, plan_acts, plan_trials
from jepa_lab.workloads.groups import Groups
from jepa_lab.workloads.plans import PLANS
from jepa_lab.workloads.runner import Runner
from jepa_lab.workloads.session import Session, schedule

SETTLE_S = 5.0
"""Rest before a session, so that what the one before left to be written does not count as its work."""


def record_plan(plan: str, pack: Path, only: Sequence[str] = (), *, settle_s: float = SETTLE_S) -> None:
    """Record every session of ``plan`` that the folder of the pack lacks, with progress on stderr.

    Held-out sessions and their twins go to ``heldout``, which is shipped with the pack, the others to
    ``recordings``, which is not. With ``only``, those sessions alone.
    """
    if plan not in PLANS:
        raise JepaError(f"There is no plan {plan!r}.", f"Choose one of {', '.join(PLANS)}.")
    unknown = set(only) - {session.name for session in PLANS[plan]}
    if unknown:
        raise JepaError(f"{plan} has no session {min(unknown)!r}.", "Look in jepa_lab/workloads/plans.py.")
    chosen = [session for session in PLANS[plan] if not only or session.name in only]
    runs = [(session, folder) for session in chosen for folder in folders(session, pack)]
    for number, (session, folder) in enumerate(runs, 1):
        title = f"[{number}/{len(runs)}] {folder.name}"
        if _finished(folder):
            print(f"{title}: recorded already", file=sys.stderr)
            continue
        shutil.rmtree(folder, ignore_errors=True)
        os.sync()
        time.sleep(settle_s)
        record_session(session, folder, pack / "scratch", title)


def folders(session: Session, pack: Path) -> list[Path]:
    """Where the runs of ``session`` are kept: one, another for its twin, a third without its actions.

    Of a trial that, too, is done twice: what its actions do is to be distinguished from chance.
    """
    folder = pack / ("heldout" if session.split in ("heldout", "faults") else "recordings") / session.name
    endings = [""]
    if session.twin:
        endings += [TWIN, UNTOUCHED] if session.acts else [TWIN]
    if session.twin and session.kind == "trial":
        endings.append(UNTOUCHED + TWIN)
    return [folder.with_name(folder.name + ending) for ending in endings]


def record_session(session: Session, folder: Path, scratch: Path, title: str = "") -> None:
    """Run the programs of ``session`` in ``scratch``, and record this machine meanwhile into ``folder``."""
    stretches = schedule(session)
    labels = {**asdict(session), "schedule": [asdict(stretch) for stretch in stretches], LISTENED: True}
    untouched = UNTOUCHED in folder.name
    if folder.name.endswith(TWIN) or untouched:
        labels["split"] = "twin"
    frames = 0

    def progress(_: Frame) -> None:
        nonlocal frames
        frames += 1
        if frames % 10 == 0:
            print(f"\r{title or session.name}: {frames}/{session.seconds} s ", end="", file=sys.stderr)

    source = open_machine(kernel=True, own_cost=True)
    folder.mkdir(parents=True)
    with contextlib.ExitStack() as held:
        held.callback(source.close)
        held.callback(shutil.rmtree, scratch, ignore_errors=True)
        groups = held.enter_context(Groups()) if session.acts else None
        held.enter_context(Runner(stretches, scratch, groups))

        def acting(on_action: Callable[[Action], object]) -> None:
            if groups is not None and not untouched:
                span = session.seed, session.seconds, session.split == "heldout"
                acts = plan_trials(*span, session.deck) if session.kind == "trial" else plan_acts(*span)
                held.enter_context(Actor(acts, groups, on_action))

        record(
            source,
            folder,
            session.seconds,
            labels=labels,
            on_frame=progress,
            listen=lambda on_event: held.enter_context(Listening(on_event)),
            acting=acting,
        )
    print(file=sys.stderr)


def _finished(folder: Path) -> bool:
    try:
        return read_meta(folder).finished
    except JepaError:
        return False
