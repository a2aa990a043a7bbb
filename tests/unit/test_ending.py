# SPDX-License-Identifier: Apache-2.0
"""Processes end, whatever their threads do by then."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from jepa.ending import when_asked

MULTIPLYING = """\
import atexit, sys, threading, time
import numpy as np
from jepa.ending import end

factor = np.ones((3000, 3000), np.float32)
threading.Thread(target=lambda: factor @ factor, daemon=True).start()
time.sleep(0.02)
atexit.register(print, "registered")
sys.stdout.write("written ")
end(3)
"""


def test_a_thread_that_multiplies_matrices_does_not_hold_up_the_end() -> None:
    done = subprocess.run(
        [sys.executable, "-c", MULTIPLYING], timeout=30, stdout=subprocess.PIPE, text=True, check=False
    )
    assert done.returncode == 3
    assert done.stdout == "written registered\n"


def test_without_threads_python_ends_the_process() -> None:
    code = "from jepa.ending import end\ntry: end(4)\nfinally: print('cleaned up')"
    done = subprocess.run(
        [sys.executable, "-c", code], timeout=30, stdout=subprocess.PIPE, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (4, "cleaned up\n")


@pytest.fixture
def handlers() -> Iterator[None]:
    """What handles signals afterwards is what did before."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    wakeup = signal.set_wakeup_fd(-1)
    yield
    signal.set_wakeup_fd(wakeup)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_who_is_asked_to_end_while_it_holds_the_lock_that_ending_takes_does_end(number: int) -> None:
    lock, ending = threading.Lock(), threading.Event()

    def end() -> None:
        with lock:
            ending.set()

    when_asked(end)
    with lock:
        os.kill(os.getpid(), number)
        assert not ending.wait(0.1)
    assert ending.wait(10)


def test_who_waits_in_a_system_call_that_the_signal_did_not_interrupt_does_end() -> None:
    # As when it comes just before the call: another thread takes it, and the main one is told nothing.
    code = """\
import signal, threading
from jepa.ending import when_asked

ending, waiting = threading.Event(), threading.Event()

def ask():
    waiting.wait()
    for _ in range(3):
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
        threading.Event().wait(0.1)

threading.Thread(target=ask, daemon=True).start()
when_asked(ending.set)
waiting.set()
ending.wait()
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=10, check=False).returncode == 0
