# SPDX-License-Identifier: Apache-2.0
"""The command line over an actuator in its own process, with a journal of the test's own."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jepa.shell.cli import main

Process = subprocess.Popen[bytes]
Jepa = Callable[..., tuple[int, str, str]]


@pytest.fixture
def jepa(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Jepa:
    """``jepa --local WORDS``: its exit status, standard output and standard error."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))

    def answer(*words: str) -> tuple[int, str, str]:
        status = main(["--local", *words])
        said = capsys.readouterr()
        return status, said.out, said.err

    return answer


@pytest.fixture
def sleeper() -> Iterator[Process]:
    """A process of ours that may be changed."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def nice_of(process: Process) -> int:
    return os.getpriority(os.PRIO_PROCESS, process.pid)
