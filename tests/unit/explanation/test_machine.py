# SPDX-License-Identifier: Apache-2.0
"""Real processes are measured; units are read from control groups, those of persons too."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from jepa.actions.service_manager import NoServiceManager
from jepa.explanation.machine import newest_lines, sample

BUSY = "while True: pass"
HANDOVER = """
import threading
locks = [threading.Semaphore(1), threading.Semaphore(0)]
def run(n):
    while True:
        locks[n].acquire(); locks[1 - n].release()
for n in (0, 1):
    threading.Thread(target=run, args=(n,)).start()
"""


def test_a_busy_process_and_one_whose_threads_wait_are_measured() -> None:
    started = [subprocess.Popen([sys.executable, "-c", code]) for code in (BUSY, HANDOVER)]
    try:
        found = sample(NoServiceManager(), seconds=1.0)  # type: ignore[arg-type]
    finally:
        for each in started:
            each.kill()
            each.wait()
    by_pid = {use.pid: use for use in found.processes}
    busy, waits = (by_pid[each.pid] for each in started)
    assert busy.cpu > 1
    assert waits.switches > 20
    assert waits.switches > busy.switches
    assert found.seconds >= 1
    assert os.getpid() not in by_pid
    assert 0 < found.own_cpu < 100


def test_units_of_the_system_and_of_persons_are_read(tmp_path: Path) -> None:
    places = {
        "system.slice/web.service": "web.service",
        "user.slice/user-1000.slice/session-3.scope": "session-3.scope",
        "user.slice/user-1000.slice/user@1000.service/app.slice/player.service": "player.service",
    }
    (tmp_path / "proc").mkdir()
    stats = []
    for place in places:
        folder = tmp_path / "sys/fs/cgroup" / place
        folder.mkdir(parents=True)
        stats.append(folder / "cpu.stat")
        stats[-1].write_text("usage_usec 1000000\nthrottled_usec 0\n")

    def go_on(seconds: float) -> None:
        for stat in stats:
            stat.write_text("usage_usec 1500000\nthrottled_usec 400000\n")

    found = sample(NoServiceManager(), tmp_path, 1.0, sleep=go_on)  # type: ignore[arg-type]
    assert set(found.uses) == set(places.values())
    assert all(use.cpu > 0 and use.throttled > 0 for use in found.uses.values())


def test_looking_is_no_use_of_the_unit_that_looks(tmp_path: Path) -> None:
    stat = tmp_path / "sys/fs/cgroup/system.slice/web.service/cpu.stat"
    stat.parent.mkdir(parents=True)
    own = tmp_path / "proc" / str(os.getpid())
    own.mkdir(parents=True)
    for name in ("stat", "status"):
        shutil.copy(f"/proc/self/{name}", own)
    (own / "cgroup").write_text("0::/system.slice/web.service\n")

    waited = "".join(f"{kind} avg10=0.00 avg60=0.00 avg300=0.00 total={{0}}\n" for kind in ("some", "full"))

    def compute(seconds: float) -> None:
        end = time.process_time() + seconds
        while time.process_time() < end:
            pass
        stat.write_text(f"usage_usec {1e6 * time.process_time():.0f}\nthrottled_usec 0\n")
        stat.with_name("cpu.pressure").write_text(waited.format(400_000))

    stat.with_name("cpu.pressure").write_text(waited.format(0))
    stat.write_text(f"usage_usec {1e6 * time.process_time():.0f}\nthrottled_usec 0\n")
    found = sample(NoServiceManager(), tmp_path, 0.5, sleep=compute)  # type: ignore[arg-type]
    assert found.own_cpu > 10
    assert found.uses["web.service"].cpu < found.own_cpu / 4
    assert found.uses["web.service"].cpu_wait == 0, "it waited only to look"


def test_without_a_journal_there_is_no_line() -> None:
    assert newest_lines(["no-such-unit-of-any-kind.service"]) == {}
