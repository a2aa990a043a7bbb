# SPDX-License-Identifier: Apache-2.0
"""Ray clusters for the tests of fleets, and who kills their workers."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

import psutil
import pytest


@pytest.fixture(scope="module")
def raylets() -> Iterator[str]:
    """The address of a head and a worker, with a CPU each."""
    from ray.cluster_utils import Cluster  # takes a second, which only the slow tests need

    # As nice as Ray's workers are otherwise, they wait for minutes on a machine that does anything else.
    head = {"num_cpus": 1, "include_dashboard": False, "_system_config": {"worker_niceness": 0}}
    started = Cluster(initialize_head=True, head_node_args=head)
    try:
        started.add_node(num_cpus=1)
        yield started.address
    finally:
        started.shutdown()


class Killer(threading.Thread):
    """Kills the first worker of Ray that is seen at a task of a name, once it may."""

    def __init__(self, name: str, may: Callable[[], bool] = lambda: True) -> None:
        super().__init__(daemon=True)
        self.killed: int | None = None
        self._name, self._may = name, may
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.is_set():
            for process in psutil.process_iter(["cmdline"]):
                command = process.info["cmdline"]
                if command and command[0].startswith(f"ray::{self._name}") and self._may():
                    self._over.wait(0.3)  # in the middle
                    os.kill(process.pid, signal.SIGKILL)
                    self.killed = process.pid
                    return
            time.sleep(0.05)

    def end(self) -> int | None:
        self._over.set()
        self.join()
        return self.killed


@pytest.fixture
def killer() -> Iterator[Callable[..., Killer]]:
    """``killer(name, may)``: a started one."""
    started: list[Killer] = []

    def start(name: str, may: Callable[[], bool] = lambda: True) -> Killer:
        started.append(Killer(name, may))
        started[-1].start()
        return started[-1]

    yield start
    for each in started:
        each.end()
