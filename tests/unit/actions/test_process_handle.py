# SPDX-License-Identifier: Apache-2.0
"""A process is never mistaken for another one that has its PID or its name."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.actions.process_handle import ProcessHandle, parse_stat, pid_named, processes
from jepa.errors import JepaError
from tests.unit.actions.reused_pid import LAST_PID, process_with_pid

PROC = Path("/proc")


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


@given(st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=15), st.integers(0, 2**40))
def test_a_command_may_contain_anything(command: str, start: int) -> None:
    line = f"42 ({command}) S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 {start} 0 0"
    stat = parse_stat(line)
    assert (stat.id, stat.command, stat.state, stat.parent) == (42, command, "S", 1)
    assert (stat.start, stat.kernel) == (str(start), False)


@given(st.text(max_size=40))
def test_what_is_no_stat_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_stat(text)


def test_a_kernel_thread_is_told_from_a_program() -> None:
    kernel = {each.id: each.kernel for each in processes(PROC)}
    assert kernel[2] and not kernel[os.getpid()]


def test_a_process_is_held_until_its_end(sleeper: "subprocess.Popen[bytes]") -> None:
    with ProcessHandle(PROC, sleeper.pid) as process:
        assert process.alive and process.stat.command == "sleep"
        assert [thread.id for thread in process.threads()] == [sleeper.pid]
        process.signal(signal.SIGKILL)
        assert process.ended_within(5)
        assert process.ended_within(0)  # although nobody has waited for it yet
        with pytest.raises(JepaError, match="has ended") as gone:
            ProcessHandle(PROC, sleeper.pid, process.identity)
        assert gone.value.status == 409
        sleeper.wait()
        for use in (process.threads, lambda: process.signal(signal.SIGTERM)):
            with pytest.raises(JepaError, match="has ended") as gone:
                use()
            assert gone.value.status == 409


@pytest.mark.skipif(os.geteuid() != 0 or not LAST_PID.exists(), reason="only root may choose the next PID")
def test_whoever_gets_the_pid_later_is_not_it() -> None:
    first = subprocess.Popen(["sleep", "60"])
    with ProcessHandle(PROC, first.pid) as process:
        first.kill()
        first.wait()
        with process_with_pid(first.pid) as second:
            try:
                assert not process.alive
                with pytest.raises(JepaError, match="has ended"):
                    process.signal(signal.SIGKILL)
                with pytest.raises(JepaError, match="has ended"):
                    process.threads()
                with pytest.raises(JepaError, match="has ended") as other:
                    ProcessHandle(PROC, first.pid, process.identity)
                assert other.value.status == 409
                assert second.poll() is None
            finally:
                second.kill()


def test_a_thread_is_no_process() -> None:
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    try:
        with pytest.raises(JepaError, match=f"{thread.native_id} is a thread of process {os.getpid()}"):
            ProcessHandle(PROC, thread.native_id or 0)
    finally:
        end.set()
        thread.join()


@pytest.mark.parametrize("pid", [0, 2**22 + 5, 10**9])
def test_a_pid_that_nobody_has(pid: int) -> None:
    with pytest.raises(JepaError, match=f"no process {pid}") as gone:
        ProcessHandle(PROC, pid)
    assert gone.value.status == 404


def test_nothing_stays_open() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for pid in (os.getpid(), 10**9):
        for identity in (None, "1"):
            with suppress(JepaError):
                ProcessHandle(PROC, pid, identity).close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_name_stands_for_a_process_only_when_it_is_the_only_one(tmp_path: Path) -> None:
    program = tmp_path / "jepa-test-sleeper-with-a-long-name"
    shutil.copy(sys.executable if not Path("/bin/sleep").exists() else "/bin/sleep", program)
    with subprocess.Popen([program, "60"]) as first:
        try:
            assert pid_named(PROC, program.name) == first.pid
            assert pid_named(PROC, program.name[:15]) == first.pid
            with subprocess.Popen([program, "60"]) as second:
                with pytest.raises(JepaError, match="2 processes are called") as several:
                    pid_named(PROC, program.name)
                second.kill()
            assert several.value.status == 422
        finally:
            first.kill()
    with pytest.raises(JepaError, match="No program called") as none:
        pid_named(PROC, program.name)
    assert none.value.status == 404
