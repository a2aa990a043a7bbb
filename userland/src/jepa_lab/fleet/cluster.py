# SPDX-License-Identifier: Apache-2.0
"""A Ray cluster, and work on it that is one task for each recording of a store, answered in order."""

import contextlib
import copy
import ctypes
import logging
import os
import socket
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from jepa.errors import JepaError
from jepa.fleet.manifest import StoredRecording
from jepa.fleet.store import Store, is_away
from jepa.telemetry.recording import Recording, load_recording
from jepa.telemetry.schema import Schema
from jepa_lab.fleet.fetch import fetch
from jepa_lab.fleet.survey import Problem

RETRIES: Final = 3
"""What lost its worker is begun again so often."""
_KNOCK_S: Final = 10.0
_IDLE_MS: Final = 60_000
"""A worker that loads waits so long for the next round; to start another takes seconds of a core."""
_M_MMAP_THRESHOLD: Final = -3
_MMAP_THRESHOLD: Final = 2**20
_AHEAD: Final = 2
"""Tasks handed out per CPU: enough that none waits, and their answers are not all in memory at once."""

Given = tuple[str, StoredRecording]
"""A machine and a part of it."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Away:
    """The store could not be reached, which is no reason to leave a recording out."""

    problem: str
    remedy: str


def use_part(
    address: str, host: str, part: StoredRecording, schema: Schema, use: Callable[[Recording], T]
) -> T | Problem | Away:
    """What ``use`` makes of one part; a Problem when it cannot be used, whoever tries."""
    _give_memory_back()
    with tempfile.TemporaryDirectory(prefix="jepa-part-") as name:
        try:
            fetch(Store(address), host, part, Path(name))
            return use(load_recording(Path(name), schema))
        except JepaError as error:
            if is_away(error):
                return Away(error.problem, error.remedy)
            return Problem(f"{host}/{part.name}", str(error))


def _give_memory_back() -> None:
    """Have malloc map what is large by itself, so that it goes back once it is freed (mallopt(3)).

    glibc raises the size from which it does with each large block that is freed, to 32 MiB. From then on the
    frames of a recording lie in its heap among small things that stay, and a worker grows with its tasks.
    """
    ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD)


def each_part(
    task: Callable[..., T | Problem | Away], address: str, given: Sequence[Given], *shared: object
) -> Iterator[T | Problem]:
    """``task(address, host, part, *shared)`` of each part, on the connected cluster, in the order given.

    No more answers wait here than there are tasks under way. Raises JepaError when the store stays away, or
    when a task's workers all die.
    """
    import ray

    remote = ray.remote(num_cpus=1, max_retries=RETRIES)(task)
    references = [ray.put(each) for each in shared]
    most = max(1, int(_AHEAD * ray.cluster_resources().get("CPU", 1)))
    waiting: deque[tuple[Given, Any]] = deque()
    left = iter(given)
    for done in range(len(given)):
        while len(waiting) < most and (next_one := next(left, None)) is not None:
            waiting.append((next_one, remote.remote(address, *next_one, *references)))
        (host, part), reference = waiting.popleft()
        try:
            # Arrays that Ray hands out lie in its store, which keeps them as long as anybody holds them.
            answer = copy.deepcopy(ray.get(reference))
        except ray.exceptions.RayTaskError:
            raise  # a fault of ours, with the trace of the worker
        except ray.exceptions.RayError as error:
            raise JepaError(
                f"{host}/{part.name} cannot be used: {type(error).__name__}.",
                "A worker died again and again; it may have too little memory.",
            ) from error
        if isinstance(answer, Away):
            raise JepaError(answer.problem, answer.remedy, status=503)
        print(f"\r{done + 1} of {len(given)} recordings ", end="", file=sys.stderr)
        yield answer
    print(file=sys.stderr)


@contextlib.contextmanager
def cluster(address: str | None) -> Iterator[None]:
    """While connected to the Ray cluster at ``address``, or to one of this machine's own.

    JepaError when nothing answers there, or a Ray or a Python of another version.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # it would tell its makers about this cluster
    import ray

    try:
        if address is not None:
            _knock(address)
        ray.init(
            address=address or "local",
            include_dashboard=None if address else False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            _system_config=None if address else {"idle_worker_killing_time_threshold_ms": _IDLE_MS},
        )
    except (RuntimeError, OSError, ValueError) as error:
        raise JepaError(
            f"The Ray cluster at {address or 'this machine'} cannot be used: {' '.join(str(error).split())}",
            f"Start it with Ray {ray.__version__} from the lock of this version of jepa.",
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """OSError or ValueError at once where nobody answers: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    socket.create_connection((host, int(port)), _KNOCK_S).close()
