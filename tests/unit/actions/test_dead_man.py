# SPDX-License-Identifier: Apache-2.0
"""There is always a timer while there may be something to take back, whoever dies."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from jepa.actions.change import State
from jepa.actions.clock import HostClock
from jepa.actions.dead_man import DetachedDeadMan, SystemdDeadMan, take_reaper_lock
from jepa.actions.executor import Executor
from jepa.actions.family import Host
from jepa.actions.journal import Journal, load
from jepa.actions.service_manager import NoServiceManager, Variant
from jepa.errors import JepaError
from tests.unit.actions.file_machine import ME, Agreeable

SWAPPINESS = Path("/proc/sys/vm/swappiness")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may set kernel parameters")
ACT = """
import sys, time
from pathlib import Path
from jepa.actions.change import Caller
from jepa.actions.messages import Verdict
from jepa.actions.clock import HostClock
from jepa.actions.dead_man import DetachedDeadMan
from jepa.actions.executor import Executor
from jepa.actions.family import Host
from jepa.actions.journal import Journal
from jepa.actions.request import make

class Allow:
    def judge(self, *arguments): return Verdict("allow")

directory, clock = Path(sys.argv[1]), HostClock()
executor = Executor(Host(), Allow(), Journal(directory), DetachedDeadMan(directory), clock=clock)
executor.recover()
request = make(clock, action="vm.swappiness", value=int(sys.argv[2]), for_s=float(sys.argv[3]))
executor.act(request, Caller(0))
print("done", flush=True)
time.sleep(60)
"""


class Manager(NoServiceManager):
    """As much of systemd as transient timers need: a name is there until it is stopped."""

    def __init__(self) -> None:
        self.units: dict[str, dict[str, Any]] = {}
        self.told: list[str] = []

    def start_transient(
        self,
        unit: str,
        properties: Mapping[str, Variant],
        auxiliary: Sequence[tuple[str, Mapping[str, Variant]]] = (),
    ) -> None:
        if unit in self.units:
            raise JepaError(f"Unit {unit} was already loaded.", "", status=409)
        self.told.append(f"start {unit}")
        self.units[unit] = {**properties, "auxiliary": auxiliary}

    def stop(self, unit: str) -> None:
        if self.units.pop(unit, None) is None:
            raise JepaError(f"Unit {unit} not loaded.", "", status=404)
        assert self.units or self.told[-1] == "disarm", "there was an instant without a timer"
        self.told.append(f"stop {unit}")


def test_a_timer_of_systemd_starts_the_actuator() -> None:
    manager = Manager()
    SystemdDeadMan(manager).arm("abc", 90)
    timer: Any = manager.units["jepa-revert-abc.timer"]
    assert timer["TimersMonotonic"] == ("a(st)", [("OnActiveSec", 90_000_000)])
    [(name, service)] = timer["auxiliary"]
    command = "/usr/bin/jepa-actuator"
    assert name == "jepa-revert-abc.service"
    assert service["ExecStart"] == ("a(sasb)", [(command, [command, "--expire", "abc"], False)])


def test_armed_anew_there_is_never_an_instant_without_a_timer() -> None:
    manager = Manager()
    timers = SystemdDeadMan(manager)
    for seconds in (30, 3600, 10):
        timers.arm("abc", seconds)
        assert len(manager.units) == 1
    after_a_restart = SystemdDeadMan(manager)
    after_a_restart.arm("abc", 20)
    assert len(manager.units) == 1
    assert after_a_restart.armed() == ("abc",)
    manager.told.append("disarm")
    after_a_restart.disarm("abc")
    after_a_restart.disarm("abc")
    assert not manager.units and not after_a_restart.armed()


def test_where_no_timer_can_be_armed_it_says_so() -> None:
    with pytest.raises(JepaError, match=r"No timer could be armed.*systemd does not run here") as raised:
        SystemdDeadMan(NoServiceManager()).arm("abc", 5)
    assert raised.value.status == 503
    with pytest.raises(JepaError, match="could not be started"):
        DetachedDeadMan(Path("/nonexistent")).arm("abc", 5)


@pytest.fixture
def swappiness() -> Any:
    before = SWAPPINESS.read_text()
    yield int(before)
    SWAPPINESS.write_text(before)


def act(directory: Path, value: int, for_s: float) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", ACT, str(directory), str(value), str(for_s)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def wait_until_reaped(directory: Path, seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if (fd := take_reaper_lock(directory)) is not None:
            os.close(fd)
            return
        time.sleep(0.05)
    raise AssertionError("the process that takes changes back does not end")


@needs_root
def test_without_systemd_a_process_of_its_own_takes_it_back_after_a_kill(
    tmp_path: Path, swappiness: int
) -> None:
    process = act(tmp_path, 17, 1.0)
    assert process.stdout is not None and process.stdout.readline() == "done\n"
    assert SWAPPINESS.read_text() == "17\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    wait_until_reaped(tmp_path)
    assert int(SWAPPINESS.read_text()) == swappiness
    [change] = load(tmp_path).changes.values()
    assert (change.state, change.detail) == (State.REVERTED, "its time was over")


@needs_root
def test_one_process_serves_all_changes_and_ends_with_the_last(tmp_path: Path, swappiness: int) -> None:
    timers = DetachedDeadMan(tmp_path)
    with closing(Journal(tmp_path)):
        timers.arm("a", 1)
        wait_until_reaped(tmp_path)  # nothing is in force: it has ended again
    process = act(tmp_path, 18, 600)
    assert process.stdout is not None and process.stdout.readline() == "done\n"
    assert take_reaper_lock(tmp_path) is None
    timers.arm("b", 1)
    process.kill()
    process.wait()
    process.stdout.close()
    with closing(Journal(tmp_path)) as journal:
        executor = Executor(Host(), Agreeable(), journal, timers, clock=HostClock())
        assert not executor.recover().ended
        assert executor.undo(ME)[0].state is State.UNDONE
    wait_until_reaped(tmp_path)
    assert int(SWAPPINESS.read_text()) == swappiness
