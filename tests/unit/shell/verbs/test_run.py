# SPDX-License-Identifier: Apache-2.0
"""`jepa run` becomes its command: exit status, signals, input and terminal are the command's own.

Here systemd does not run; what it would be asked is looked at with a service manager in memory.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from jepa.actions.service_manager import NoServiceManager, Variant
from jepa.shell.cli import main
from jepa.shell.verbs import run as verb
from tests.unit.shell.ptys import started

JEPA = [sys.executable, "-c", "import sys; from jepa.shell.cli import main; sys.exit(main())"]
pytestmark = pytest.mark.skipif(
    verb.BOOTED.is_dir(), reason="this would start scopes of the machine's systemd"
)


def run(*words: str, **more: Any) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*JEPA, "run", *words], capture_output=True, text=True, timeout=60, **more)


@pytest.mark.parametrize("status", [0, 1, 2, 7, 255])
def test_the_exit_status_is_the_commands(status: int) -> None:
    assert run("--background", "--", "sh", "-c", f"exit {status}").returncode == status


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGPIPE])
def test_a_signal_that_ends_the_command_ends_it_for_whoever_started_it(number: signal.Signals) -> None:
    assert run("--background", "--", "sh", "-c", f"kill -{int(number)} $$").returncode == -number


def test_what_python_ignores_is_not_ignored_in_the_command() -> None:
    here = Path("/proc/self/status").read_text().split("SigIgn:")[1].split()[0]
    there = run("--background", "--", "grep", "SigIgn", "/proc/self/status").stdout.split()[1]
    pipe_and_size = 1 << (signal.SIGPIPE - 1) | 1 << (signal.SIGXFSZ - 1)
    assert int(there, 16) == int(here, 16) & ~pipe_and_size


def test_input_output_and_words_pass_through() -> None:
    done = run("--background", "--", "sh", "-c", 'cat; echo "$@"', "x", "--json", "--", "a b", input="in\n")
    assert done.stdout == "in\n--json -- a b\n"


def test_the_terminal_is_the_commands() -> None:
    with started(
        [*JEPA, "run", "--background", "--", "sh", "-c", "test -t 0 && read x && echo got:$x"]
    ) as line:
        line.expect("systemd")
        line.type("hello\r")
        line.expect("got:hello")
        assert line.status() == 0


def test_without_systemd_priorities_stand_for_the_role_and_limits_are_named_that_cannot_be() -> None:
    done = run("--background", "--limit", "vm.swappiness=1", "--", "nice")
    assert done.returncode == 2
    done = run("--background", "--", "sh", "-c", "nice; ionice")
    assert done.stdout == "10\nidle\n"
    assert "no systemd" in done.stderr


def test_limits_that_cannot_be_set_without_systemd_are_named() -> None:
    done = run("--background", "--cpu", "40%", "--memory", "1G", "--", "true")
    assert done.returncode == 0
    assert "Not limited: cpu.max, memory.max." in done.stderr


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["--background"], 2),
        (["--background", "--"], 2),
        (["--", "true"], 2),
        (["--foreground", "--background", "--", "true"], 2),
        (["--background", "--cpu", "NaN", "--", "true"], 2),
        (["--background", "--cpu", "-40%", "--", "true"], 2),
        (["--background", "--cpu", "0%", "--", "true"], 2),
        (["--background", "--memory", "1e30", "--", "true"], 2),
        (["--background", "--memory", "2X", "--", "true"], 2),
        (["--background", "--io-weight", "10001", "--", "true"], 2),
        (["--background", "--limit", "pids.max", "--", "true"], 2),
        (["--background", "--limit", "nosuch=1", "--", "true"], 2),
        (["--background", "--limit", "pids.max=1", "--limit", "pids.max=2", "--", "true"], 2),
        (["--background", "--for", "10m", "--", "true"], 2),
        (["--background", "--for", "10", "--", "true"], 2),
        (["--background", "--", "no-such-command"], 127),
        (["--background", "--", "/etc/passwd"], 126),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_line_is_one_sentence_and_runs_nothing(words: list[str], status: int) -> None:
    done = run(*words)
    assert (done.returncode, done.stdout) == (status, "")
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr


class Recorder(NoServiceManager):
    """Remembers the units that were to be started."""

    available = True

    def __init__(self) -> None:
        self.started: dict[str, Mapping[str, Variant]] = {}

    def start_transient(
        self,
        unit: str,
        properties: Mapping[str, Variant],
        auxiliary: Sequence[tuple[str, Mapping[str, Variant]]] = (),
    ) -> None:
        self.started[unit] = properties
        self.started |= dict(auxiliary)


def test_systemd_is_asked_for_a_scope_with_the_limits_and_a_timer_that_lifts_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    manager, became = Recorder(), []
    monkeypatch.setattr(verb, "service_manager", lambda system: manager)
    monkeypatch.setattr(verb, "become", lambda program, command: became.append((program, command)) or 0)
    line = "run --background --cpu 40% --memory 2G --limit pids.max=100 --for 10m -- true"
    assert main(line.split()) == 0
    scope, timer, service = manager.started
    assert manager.started[scope] | {"Slice": None} == {
        "PIDs": ("au", [os.getpid()]),
        "Slice": None,
        "Description": ("s", "true"),
        "CollectMode": ("s", "inactive-or-failed"),
        "CPUQuotaPerSecUSec": ("t", 400_000),
        "MemoryMax": ("t", 2 * 2**30),
        "TasksMax": ("t", 100),
    }
    assert manager.started[scope]["Slice"] == ("s", "background.slice")
    assert manager.started[timer]["TimersMonotonic"] == ("a(st)", [("OnActiveSec", 600_000_000)])
    (start,) = manager.started[service]["ExecStart"][1]
    assert start[1][-5:] == ["--runtime", scope, "CPUQuota=", "MemoryMax=", "TasksMax="]
    assert became[0][1] == ["true"]
