# SPDX-License-Identifier: Apache-2.0
"""Real processes with threads are changed and get back, thread by thread, what they had."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from jepa.actions import scheduling
from jepa.actions.catalogue import Value, catalogue
from jepa.actions.families.process import Process
from jepa.actions.family import Host, Resource
from jepa.errors import JepaError

FAMILY, HOST = Process(), Host()
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may raise a priority")
PROGRAM = """
import os, sys, threading
def work(nice):
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice)
    print(threading.get_native_id(), flush=True)
    threading.Event().wait()
for nice in map(int, sys.argv[1:]):
    threading.Thread(target=work, args=(nice,), daemon=True).start()
print("ready", flush=True)
for line in sys.stdin:
    threading.Thread(target=work, args=(os.getpriority(os.PRIO_PROCESS, 0),), daemon=True).start()
"""
Started = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Started]:
    """Starts a program with a thread of each nice value given; it makes one more for each line it reads."""
    made: list[subprocess.Popen[str]] = []

    def program(*nice: int) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", PROGRAM, *map(str, nice)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        made.append(process)
        assert process.stdout is not None
        for _ in range(len(nice) + 1):
            process.stdout.readline()
        return process

    yield program
    for process in made:
        process.kill()
        process.communicate()


def resource(name: str, process: "subprocess.Popen[str]") -> Resource:
    return FAMILY.resolve(HOST, catalogue()[name], str(process.pid))


def threads(process: "subprocess.Popen[str]") -> list[int]:
    return sorted(int(each.name) for each in Path(f"/proc/{process.pid}/task").iterdir())


def of_threads(process: "subprocess.Popen[str]", get: Callable[[int], Value]) -> list[Value]:
    return [get(tid) for tid in threads(process)]


@needs_root
@pytest.mark.parametrize(
    ("name", "value", "get"),
    [
        ("process.nice", 15, scheduling.nice),
        ("process.nice", -5, scheduling.nice),
        ("process.io_class", "idle", scheduling.io_priority),
        ("process.io_class", "best-effort:7", scheduling.io_priority),
        ("process.scheduler", "idle", scheduling.policy),
        ("process.scheduler", "batch", scheduling.policy),
    ],
)
def test_all_threads_are_set_and_taken_back(
    start: Started, name: str, value: Value, get: Callable[[int], Value]
) -> None:
    process = start(0, 0, 0)
    what = resource(name, process)
    before = of_threads(process, get)
    old = FAMILY.read(HOST, what)
    assert FAMILY.check(HOST, catalogue()[name], what, value) == value
    FAMILY.apply(HOST, what, value)
    FAMILY.verify(HOST, what, value)
    assert of_threads(process, get) == [value] * 4
    for _ in range(2):
        FAMILY.undo(HOST, what, old)
        assert of_threads(process, get) == before


@needs_root
def test_each_thread_gets_back_what_it_had_and_a_new_one_what_most_had(start: Started) -> None:
    process = start(3, 0, 7)
    what = resource("process.nice", process)
    old = FAMILY.read(HOST, what)
    assert of_threads(process, scheduling.nice) == [0, 3, 0, 7]
    FAMILY.apply(HOST, what, 19)
    assert FAMILY.read(HOST, what) == 19
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    process.stdout.readline()
    assert of_threads(process, scheduling.nice) == [19] * 5
    FAMILY.undo(HOST, what, old)
    assert of_threads(process, scheduling.nice) == [0, 3, 0, 7, 0]
    assert FAMILY.read(HOST, what) == old


@needs_root
def test_a_change_that_was_interrupted_between_two_threads_is_recognised(start: Started) -> None:
    process = start(3, 0, 7)
    what = resource("process.nice", process)
    old = FAMILY.read(HOST, what)
    for tid in threads(process)[:3]:
        scheduling.set_nice(tid, 19)
        assert FAMILY.is_mixture(FAMILY.read(HOST, what), old, 19)
    FAMILY.undo(HOST, what, old)
    assert FAMILY.read(HOST, what) == old
    scheduling.set_nice(threads(process)[2], 1)
    assert not FAMILY.is_mixture(FAMILY.read(HOST, what), old, 19)


@needs_root
def test_what_was_taken_back_is_verified_although_threads_have_come_and_gone() -> None:
    code = """
import os, sys, threading
def work(end):
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 5)
    print(flush=True)
    end.wait()
end = threading.Event()
first = threading.Thread(target=work, args=(end,))
first.start()
sys.stdin.readline()
end.set()
first.join()
while len(os.listdir('/proc/self/task')) > 1:
    pass
threading.Thread(target=threading.Event().wait, daemon=True).start()
print(flush=True)
sys.stdin.readline()
"""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdout.readline()
        what = resource("process.nice", process)
        old = FAMILY.read(HOST, what)
        FAMILY.apply(HOST, what, 12)
        process.stdin.write("\n")
        process.stdin.flush()
        process.stdout.readline()
        FAMILY.undo(HOST, what, old)
        FAMILY.verify(HOST, what, old)
        assert old != 0 and FAMILY.read(HOST, what) == 0


@needs_root
def test_io_priorities_that_only_other_programs_set_come_back(start: Started) -> None:
    process = start()
    scheduling.set_io_priority(process.pid, "realtime:3")
    what = resource("process.io_class", process)
    old = FAMILY.read(HOST, what)
    assert old == "realtime:3"
    FAMILY.apply(HOST, what, "none")
    assert subprocess.check_output(["ionice", "-p", str(process.pid)], text=True).startswith("none")
    FAMILY.undo(HOST, what, old)
    assert (
        subprocess.check_output(["ionice", "-p", str(process.pid)], text=True).strip() == "realtime: prio 3"
    )


@needs_root
def test_a_realtime_policy_is_left_alone(start: Started) -> None:
    process = start()
    os.sched_setscheduler(process.pid, os.SCHED_RR, os.sched_param(5))
    with pytest.raises(JepaError, match=r"realtime policy rr:5") as refused:
        FAMILY.check(HOST, catalogue()["process.scheduler"], resource("process.scheduler", process), "idle")
    assert refused.value.status == 422


@needs_root
def test_whether_children_keep_a_policy_stays_as_it_was(start: Started) -> None:
    process = start()
    os.sched_setscheduler(process.pid, os.SCHED_OTHER | os.SCHED_RESET_ON_FORK, os.sched_param(0))
    what = resource("process.scheduler", process)
    FAMILY.apply(HOST, what, "batch")
    assert os.sched_getscheduler(process.pid) == os.SCHED_BATCH | os.SCHED_RESET_ON_FORK
    FAMILY.undo(HOST, what, "other")
    assert os.sched_getscheduler(process.pid) == os.SCHED_OTHER | os.SCHED_RESET_ON_FORK


@pytest.mark.parametrize("stop_first", [False, True])
def test_a_process_is_paused_and_runs_on(start: Started, stop_first: bool) -> None:
    process = start(0)
    what = resource("process.pause", process)
    assert what == resource("process.resume", process)
    if stop_first:
        process.send_signal(signal.SIGSTOP)
        FAMILY.verify(HOST, what, "paused")
    old = FAMILY.read(HOST, what)
    FAMILY.apply(HOST, what, "paused")
    FAMILY.verify(HOST, what, "paused")
    assert FAMILY.read(HOST, what) == "paused"
    FAMILY.undo(HOST, what, old)
    FAMILY.verify(HOST, what, old)
    assert old == ("paused" if stop_first else "running")
    FAMILY.apply(HOST, what, "running")
    FAMILY.verify(HOST, what, "running")


def test_a_process_is_ended_even_while_it_is_stopped(start: Started) -> None:
    process = start(0)
    what = resource("process.terminate", process)
    process.send_signal(signal.SIGSTOP)
    FAMILY.apply(HOST, what, "terminated")
    FAMILY.verify(HOST, what, "terminated")
    assert process.wait(1) == -signal.SIGTERM
    FAMILY.verify(HOST, what, "terminated")
    with pytest.raises(JepaError, match="cannot be brought back"):
        FAMILY.undo(HOST, what, "running")


def test_one_that_does_not_want_to_end_is_told_and_can_be_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jepa.actions.families.process._END_S", 0.2)
    code = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); signal.pause()"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        what = resource("process.kill", process)
        FAMILY.apply(HOST, what, "terminated")
        with pytest.raises(JepaError, match=r"still runs 0\.2 s later\. process\.kill ends it"):
            FAMILY.verify(HOST, what, "terminated")
        FAMILY.apply(HOST, what, "killed")
        FAMILY.verify(HOST, what, "killed")
        assert process.wait(1) == -signal.SIGKILL


@pytest.mark.parametrize("name", ["process.nice", "process.pause", "process.kill"])
def test_an_ended_process_is_told_and_another_one_of_its_pid_untouched(start: Started, name: str) -> None:
    process = start()
    mine = resource(name, process)
    later = replace(mine, identity="1")  # as if the PID were another's by now
    before = os.getpriority(os.PRIO_PROCESS, process.pid)
    constant = catalogue()[name].constant
    uses: list[Callable[[Resource], object]] = [
        lambda what: FAMILY.read(HOST, what),
        lambda what: FAMILY.check(HOST, catalogue()[name], what, constant or 5),
        lambda what: FAMILY.apply(HOST, what, constant or 5),
    ]
    for use in uses:
        with pytest.raises(JepaError, match="has ended") as gone:
            use(later)
        assert gone.value.status == 409
    assert os.getpriority(os.PRIO_PROCESS, process.pid) == before
    assert FAMILY.read(HOST, mine) in (before, "running")
    process.kill()
    process.wait()
    for use in uses:
        with pytest.raises(JepaError, match="has ended"):
            use(mine)


@needs_root
def test_when_one_thread_refuses_all_keep_what_they_had(
    start: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = start(1, 2, 3)
    what = resource("process.nice", process)
    last = threads(process)[-1]

    def refuse_the_last(tid: int, value: int) -> None:
        if tid == last and value == 10:
            raise PermissionError(1, "Operation not permitted")
        os.setpriority(os.PRIO_PROCESS, tid, value)

    monkeypatch.setattr(scheduling, "set_nice", refuse_the_last)
    with pytest.raises(JepaError, match=r"cannot be set to 10: Operation not permitted") as refused:
        FAMILY.apply(HOST, what, 10)
    assert refused.value.status == 403
    assert of_threads(process, scheduling.nice) == [0, 1, 2, 3]


UNPRIVILEGED = """
import os, sys
from jepa.actions.catalogue import catalogue
from jepa.actions.families.process import Process
from jepa.actions.family import Host
from jepa.errors import JepaError
catalogue()
if os.geteuid() == 0:
    os.setuid(65534)
def attempt(name, pid, value):
    action = catalogue()[name]
    what = Process().resolve(Host(), action, pid)
    try:
        Process().check(Host(), action, what, value)
        Process().apply(Host(), what, value)
        print("done")
    except JepaError as error:
        print(error.status, error.problem)
attempt("process.nice", str(os.getpid()), 10)
attempt("process.nice", "1", -20)
attempt("process.scheduler", str(os.getpid()), "batch")
attempt("process.kill", "1", "killed")
"""


def test_without_root_nothing_is_done_that_could_not_be_taken_back() -> None:
    run = subprocess.run([sys.executable, "-c", UNPRIVILEGED], capture_output=True, text=True, check=True)
    lowered, foreign, batch, killed = run.stdout.splitlines()
    assert lowered.startswith("403 Without root this could not be taken back")
    assert foreign.startswith("403 The nice value of process 1 ") and "cannot be set to -20" in foreign
    assert batch == "done"
    assert killed.startswith("403 You may not signal process 1 ")


@pytest.mark.parametrize(
    ("target", "reason", "status"),
    [
        ("", "needs a process", 422),
        ("2", "thread of the kernel", 422),
        ("no-such-program-of-ours", "No program called 'no-such-program-of-ours' runs", 404),
        ("-1", "No program called '-1' runs", 404),
        ("99999999999999999999", "No program called", 404),
        ("４２", "No program called", 404),
        ("nginx.service\n", "No program called", 404),
    ],
)
def test_a_target_that_is_no_process(target: str, reason: str, status: int) -> None:
    with pytest.raises(JepaError, match=reason) as refused:
        FAMILY.resolve(HOST, catalogue()["process.nice"], target)
    assert refused.value.status == status


@needs_root
def test_a_process_that_keeps_making_threads_is_set_as_a_whole(start: Started) -> None:
    code = """
import threading, time
def work(): time.sleep(0.002)
print(flush=True)
while True:
    threading.Thread(target=work).start(); time.sleep(0.001)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(0.05)
            what = resource("process.nice", process)
            for value in (5, 10, 15, 5, 0):
                FAMILY.apply(HOST, what, value)
                FAMILY.verify(HOST, what, value)
        finally:
            process.kill()


@needs_root
def test_verifying_tells_which_thread_is_another_way(start: Started) -> None:
    process = start(0)
    what = resource("process.nice", process)
    FAMILY.apply(HOST, what, 5)
    last = threads(process)[-1]
    scheduling.set_nice(last, 6)
    with pytest.raises(JepaError, match=f"nice value of thread {last} of process {process.pid} is 6, not 5"):
        FAMILY.verify(HOST, what, 5)
