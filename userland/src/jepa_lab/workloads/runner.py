# SPDX-License-Identifier: Apache-2.0
"""Runs a session's programs as child processes, and removes what they leave."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from jepa_lab.workloads.context import Work
from jepa_lab.workloads.groups import Groups
from jepa_lab.workloads.session import ALL_PROGRAMS, ProgramRun

_NICE = 5
_KILLED_FIRST = "300"
"""oom_score_adj of programs: when memory runs out, it is not the recorder that goes."""


class Runner:
    """Starts each stretch at its time in a thread of its own, until stopped."""

    def __init__(self, stretches: list[ProgramRun], scratch: Path, groups: Groups | None = None) -> None:
        self._stretches = sorted(stretches, key=lambda stretch: stretch.start_s)
        self._scratch = scratch
        self._groups = groups
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Runner":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        self._scratch.mkdir(parents=True, exist_ok=True)
        start = time.monotonic()
        running: list[tuple[subprocess.Popen[bytes], Path]] = []
        for stretch in self._stretches:
            if self._stop.wait(max(0.0, start + stretch.start_s - time.monotonic())):
                break
            running = [kept for kept in running if not _over(*kept)]
            folder = Path(tempfile.mkdtemp(prefix=f"{stretch.program}-", dir=self._scratch))
            command = [sys.executable, "-m", __spec__.name, stretch.program, str(stretch.seed)]
            command += [str(stretch.level), str(stretch.seconds), str(folder)]
            if self._groups is not None:
                # It joins before it becomes the program, so that whatever that starts belongs there too.
                joined = self._groups.folder(stretch.role) / "cgroup.procs"
                command = ["sh", "-c", 'echo $$ >"$0" && exec "$@"', str(joined), *command]
            process = subprocess.Popen(command, start_new_session=True)
            running.append((process, folder))
        self._stop.wait()
        for process, folder in running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            shutil.rmtree(folder, ignore_errors=True)


def _over(process: subprocess.Popen[bytes], folder: Path) -> bool:
    if process.poll() is None:
        return False
    shutil.rmtree(folder, ignore_errors=True)
    return True


def main(arguments: list[str]) -> None:
    """Run one program: NAME SEED LEVEL SECONDS FOLDER."""
    name, seed, level, seconds, folder = arguments
    os.nice(_NICE)
    Path("/proc/self/oom_score_adj").write_text(_KILLED_FIRST)
    deadline = time.monotonic() + float(seconds)
    # A program that is stuck in one long call ends all the same.
    signal.signal(signal.SIGALRM, lambda *_: os._exit(0))
    signal.setitimer(signal.ITIMER_REAL, float(seconds) + 1.0)
    ALL_PROGRAMS[name](Work(random.Random(int(seed)), Path(folder), float(level), deadline))


if __name__ == "__main__":
    main(sys.argv[1:])
