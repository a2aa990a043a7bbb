# SPDX-License-Identifier: Apache-2.0
"""A process that gets the PID of one that has ended, as happens by chance after some four million others."""

import os
import subprocess
import time
from pathlib import Path

import pytest

LAST_PID = Path("/proc/sys/kernel/ns_last_pid")
_TICK_S = 0.02


def told_apart_at_once() -> bool:
    """Whether this kernel has pidfs (6.9), and so tells processes apart that began at the same tick."""
    inodes = set()
    for pid in (os.getpid(), os.getppid()):
        descriptor = os.pidfd_open(pid)
        inodes.add(os.fstat(descriptor).st_ino)
        os.close(descriptor)
    return len(inodes) == 2


def process_with_pid(pid: int) -> "subprocess.Popen[bytes]":
    """A new process that has ``pid``: at once, where the kernel tells it apart then. Needs root."""
    if not told_apart_at_once():
        time.sleep(_TICK_S)
    for _ in range(200):
        LAST_PID.write_text(str(pid - 1))
        process = subprocess.Popen(["sleep", "60"])
        if process.pid == pid:
            return process
        process.kill()
        process.wait()
    pytest.skip("somebody else always took the PID")
