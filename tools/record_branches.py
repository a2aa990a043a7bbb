# SPDX-License-Identifier: Apache-2.0
"""Record moments of work with and without actions, in machines in virtual time.

`python -m tools.record_branches` goes through the runs of the plan and brings each moment into the folder of
recordings, whole or not at all. What is there already is left, so that it goes on where it was stopped.
`--list` says what is left and records nothing. docs/explanation/laboratory.md is about how it works.
"""

import argparse
import os
import shutil
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from jepa.errors import JepaError
from jepa.telemetry.schema import load_schema
from jepa_lab.branches import store
from jepa_lab.branches.plan import WANTS, load_plan
from jepa_lab.branches.schedule import Moment, Run, runs_of
from tools.laboratory import PLACE, Laboratory
from tools.vm.emulator import newest
from tools.vm.image import ROOT
from tools.vm.machine import MachineError

PLAN = ROOT / "userland/src/jepa_lab/branches/plan.toml"
RECORDINGS = ROOT / "model-packs/machine/recordings/branches"


class Progress:
    """Tells what was done, what is left and how long that takes at the pace so far; for any thread."""

    def __init__(self, left: int) -> None:
        self._left, self._all = left, left
        self._begun = time.monotonic()
        self._lock = threading.Lock()

    def done(self, what: str) -> None:
        """One more moment is there."""
        with self._lock:
            self._left -= 1
            each = (time.monotonic() - self._begun) / (self._all - self._left)
            hours = each * self._left / 3600
            print(f"{what} is there; {self._left} moments are left, about {hours:.1f} h", file=sys.stderr)

    def say(self, line: str) -> None:
        """A line of a machine."""
        with self._lock:
            print(f"  {line}", file=sys.stderr, flush=True)


def missing(run: Run, target: Path) -> list[Moment]:
    """The moments of ``run`` that are not below ``target`` yet."""
    return [moment for moment in run.moments if not store.there(target / run.name / moment.name)]


def chosen(runs: Sequence[Run], only: Sequence[str]) -> list[Run]:
    """``runs``, or of them those named in ``only``; JepaError for a name that there is not."""
    unknown = set(only) - {run.name for run in runs}
    if unknown:
        raise JepaError(f"The plan has no run {min(unknown)!r}.", "`--list` shows them.")
    return [run for run in runs if not only or run.name in only]


def main() -> int:
    """Record what is missing; 1 when a run could not be recorded, once the others are."""
    parser = argparse.ArgumentParser(description="Record moments of work with and without actions.")
    parser.add_argument("--plan", type=Path, default=PLAN)
    parser.add_argument("--to", type=Path, default=RECORDINGS, metavar="DIR")
    parser.add_argument("--only", nargs="+", metavar="RUN", default=[], help="default: all of the plan")
    parser.add_argument("--about", choices=WANTS, help="only programs that want this, and actions about it")
    parser.add_argument("--action", default="", help="with --about: only this one, each of its values")
    parser.add_argument(
        "--jobs", type=int, default=1, help="machines at a time; each takes one CPU of the host"
    )
    parser.add_argument("--list", action="store_true", help="say what is left, and record nothing")
    arguments = parser.parse_args()
    try:
        plan = load_plan(arguments.plan)
        if arguments.about:
            plan = plan.about(arguments.about, arguments.action)
        runs = [(run, missing(run, arguments.to)) for run in chosen(runs_of(plan), arguments.only)]
    except JepaError as error:
        print(f"{error.problem} {error.remedy}", file=sys.stderr)
        return 1
    if arguments.list:
        for run, moments in runs:
            names = ", ".join(moment.name for moment in moments) or "nothing"
            print(f"{run.name} ({run.split}, {run.shape.name}): {names} left")
        return 0
    progress, schema = Progress(sum(len(moments) for _, moments in runs)), load_schema()
    print(f"recording in {newest()}", file=sys.stderr)

    def record(run: Run, moments: Sequence[Moment]) -> bool:
        laboratory = Laboratory(plan, run, schema, PLACE / run.name, progress.say)
        try:
            for moment, recorded in laboratory.moments(moments):
                store.write_moment(arguments.to / run.name / moment.name, recorded, schema)
                progress.done(f"{run.name}/{moment.name}")
        except MachineError as error:
            progress.say(str(error))
            return False
        return True

    left = [each for each in runs if each[1]]
    try:
        with ThreadPoolExecutor(arguments.jobs) as pool:
            went = list(pool.map(lambda each: record(*each), left))
    except KeyboardInterrupt:
        print("interrupted; run the same command to continue", file=sys.stderr, flush=True)
        for run, _ in left:
            shutil.rmtree(PLACE / run.name, ignore_errors=True)
        os._exit(1)  # the machines end with this process; their threads would be waited for
    return 0 if all(went) else 1


if __name__ == "__main__":
    sys.exit(main())
