# SPDX-License-Identifier: Apache-2.0
"""Judges a pack on a fleet's recordings, on all machines of a Ray cluster: one task a recording.

A task runs what `jepa evaluate` runs on one machine, and answers sums; figures are made of them here, in the
order of the recordings, so that they do not depend on who was done first, or on how often a worker died.
"""

import contextlib
import logging
import os
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jepa.errors import JepaError
from jepa.evaluation.evaluate import judge
from jepa.evaluation.report import Evaluation
from jepa.evaluation.session import Session, judge_session
from jepa.fleet.manifest import StoredRecording
from jepa.fleet.store import Store, is_away
from jepa.packs.pack import Pack
from jepa.telemetry.recording import load_recording
from jepa_lab.fleet.fetch import fetch
from jepa_lab.fleet.survey import Host, Problem

RETRIES: Final = 3
"""A task whose worker died is begun again so often."""
_KNOCK_S: Final = 10.0
_AHEAD: Final = 2
"""Tasks handed out per CPU: enough that none waits, and their answers are not all in memory at once."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of the recordings of a fleet."""

    evaluation: Evaluation
    hosts: int
    problems: tuple[Problem, ...]
    """What was left out, and why."""


@dataclass(frozen=True, slots=True)
class Away:
    """The store could not be reached, which is no reason to leave a recording out."""

    problem: str
    remedy: str


Answer = Session | Problem | Away


def judge_part(address: str, host: str, part: StoredRecording, pack: Pack) -> Answer:
    """What one part comes to; a Problem when it cannot be used, whoever tries."""
    with tempfile.TemporaryDirectory(prefix="jepa-part-") as name:
        try:
            fetch(Store(address), host, part, Path(name))
            return judge_session(load_recording(Path(name), pack.schema), pack)
        except JepaError as error:
            if is_away(error):
                return Away(error.problem, error.remedy)
            return Problem(f"{host}/{part.name}", str(error))


def evaluate_fleet(address: str, hosts: Sequence[Host], pack: Pack) -> Judged:
    """Judge ``pack`` on all parts of ``hosts`` in the store at ``address``, on the connected cluster.

    Raises JepaError when the store stays away, when a task's workers all die, or nothing can be judged.
    """
    given = [(host.host, part) for host in hosts for part in host.parts]
    answers = _on_ray(address, given, pack)
    sessions = [answer for answer in answers if isinstance(answer, Session)]
    if not sessions:
        raise JepaError("There is no recording to judge.", "See `jepa-lab fleet ls`.")
    problems = tuple(answer for answer in answers if isinstance(answer, Problem))
    judged = {host for (host, _), answer in zip(given, answers, strict=True) if isinstance(answer, Session)}
    return Judged(judge(sessions, pack), len(judged), problems)


def _on_ray(
    address: str, given: Sequence[tuple[str, StoredRecording]], pack: Pack
) -> list[Session | Problem]:
    import ray

    task = ray.remote(num_cpus=1, max_retries=RETRIES)(judge_part)
    shared = ray.put(pack)
    most = max(1, int(_AHEAD * ray.cluster_resources().get("CPU", 1)))
    waiting: dict[Any, int] = {}
    answers: dict[int, Session | Problem] = {}
    left = list(enumerate(given))[::-1]
    while left or waiting:
        while left and len(waiting) < most:
            number, (host, part) = left.pop()
            waiting[task.remote(address, host, part, shared)] = number
        (done, *_), _ = ray.wait(list(waiting))
        number = waiting.pop(done)
        try:
            answer: Answer = ray.get(done)
        except ray.exceptions.RayTaskError:
            raise  # a fault of ours, with the trace of the worker
        except ray.exceptions.RayError as error:
            host, part = given[number]
            raise JepaError(
                f"{host}/{part.name} cannot be judged: {type(error).__name__}.",
                "A worker died again and again; it may have too little memory.",
            ) from error
        if isinstance(answer, Away):
            raise JepaError(answer.problem, answer.remedy, status=503)
        answers[number] = answer
        print(f"\r{len(answers)} of {len(given)} recordings ", end="", file=sys.stderr)
    print(file=sys.stderr)
    return [answers[number] for number in range(len(given))]


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
        )
    except (RuntimeError, OSError, ValueError) as error:
        raise JepaError(
            f"The Ray cluster at {address or 'this machine'} cannot be used: {str(error).splitlines()[0]}",
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
