# SPDX-License-Identifier: Apache-2.0
"""A process is preferred by the scheduler with all its threads, by who may do so."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.vm import priority

TWO_THREADS = (
    "import sys, threading; threading.Thread(target=sys.stdin.read).start(); print(1, flush=True); "
    "sys.stdin.read()"
)


def nice(pid: int) -> set[int]:
    tasks = [int(task.name) for task in Path(f"/proc/{pid}/task").iterdir()]
    assert len(tasks) == 2
    return {os.getpriority(os.PRIO_PROCESS, task) for task in tasks}


@pytest.fixture
def process() -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-c", TWO_THREADS]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


def test_all_threads_are_preferred(process: "subprocess.Popen[bytes]") -> None:
    if priority.permitted():
        priority.raise_of(process.pid)
        assert nice(process.pid) == {priority.NICE}
    else:
        with pytest.raises(PermissionError):
            priority.raise_of(process.pid)


def test_to_ask_changes_nothing() -> None:
    before = os.getpriority(os.PRIO_PROCESS, 0)
    priority.permitted()
    assert os.getpriority(os.PRIO_PROCESS, 0) == before
