# SPDX-License-Identifier: Apache-2.0
"""What tests of several packages share: daemons as processes of their own, and the shipped machine pack."""

import contextlib
import fcntl
import gc
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

from jepa.errors import JepaError
from jepa.packs.pack import Pack, load_pack
from jepa.service.client import HttpClient
from jepa.telemetry.recording import Recording, load_recording
from jepa.telemetry.schema import Schema

SERVED = Path(__file__).parent / "service" / "served.py"
JEPAD = "import sys; from jepa.service.daemon import main; sys.exit(main(sys.argv[1:]))"
SERVE = "import sys; from jepa.shell.cli import main; sys.exit(main(sys.argv[1:]))"
START_S = 60.0
# Time by the clock says nothing of a parser on a busy machine. Every change is judged by the same examples;
# `make test-all` looks for others.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None)
settings.load_profile("repeatable")
MACHINE_PACK = Path(__file__).parents[2] / "model-packs" / "machine"

LONGEST = (
    *("test_linters.py", "shell/test_tui_keys.py", "shell/test_terminal.py"),
    *("shell/test_tui_app.py", "jepa_lab/test_export.py"),
    *("service/test_daemon.py", "actions/actuator/test_daemon.py", "shell/test_cli.py"),
    *("jepa_lab/test_workloads.py", "evaluation/test_evaluate.py", "telemetry/bpf/test_objects.py"),
    *("jepa_lab/test_peers.py", "service/test_http.py", "jepa_lab/visual/test_visual.py"),
    *("jepa_lab/test_record.py", "jepa_lab/visual/test_push_t.py", "world/test_trend.py"),
    *("language/test_meaning.py", "language/test_held.py", "fleet/test_upload.py"),
)
"""Files that take longest, the longest first."""

gc.disable()  # until all tests are imported; see pytest_collection_modifyitems

# A shell starts what it puts in the background with Ctrl-C ignored; every program tested here would be, too.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are CPUs: a third of the time a worker waits, mostly for the next tick."""
    return len(os.sched_getaffinity(0)) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files: a worker that got one last would be left alone with it."""
    rank = {Path(__file__).parent / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))
    # What is imported by now stays: to look through all of it again takes a twentieth of the tests' time.
    gc.freeze()
    gc.enable()


@dataclass(frozen=True)
class Daemon:
    """A running daemon."""

    process: "subprocess.Popen[str]"
    socket: Path
    state: Path

    @property
    def client(self) -> HttpClient:
        return HttpClient(self.socket)

    def ask(self, target: str, method: str = "GET") -> tuple[int, str, bytes]:
        """Status, content type and body of the answer to a raw request."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(START_S)
            line.connect(str(self.socket))
            line.sendall(f"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            response = http.client.HTTPResponse(line, method=method)
            response.begin()
            return response.status, response.headers.get("Content-Type", ""), response.read()

    def wait(self, condition: Callable[[HttpClient], object]) -> None:
        """Until ``condition`` holds; the daemon must live."""
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            assert self.process.poll() is None, self.process.communicate()
            with contextlib.suppress(JepaError):
                if condition(self.client):
                    return
            time.sleep(0.1)
        raise AssertionError("the daemon did not get there in time")


def command_of(daemon: str, path: Path, state: Path) -> list[str]:
    if daemon == "jepad":
        return [sys.executable, "-c", JEPAD, "--socket", str(path), "--state-dir", str(state)]
    if daemon == "jepa serve":
        return [sys.executable, "-c", SERVE, "serve", "--socket", str(path), "--state-dir", str(state)]
    return [sys.executable, str(SERVED), str(path), str(state)]


@contextlib.contextmanager
def running(daemon: str, path: Path, state: Path, **environ: str) -> Iterator[Daemon]:
    process = subprocess.Popen(
        command_of(daemon, path, state),
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        started = Daemon(process, path, state)
        started.wait(lambda client: client.status().frames > 0)
        yield started
    finally:
        process.terminate()
        try:
            process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


@pytest.fixture(name="running")
def running_fixture() -> Callable[..., contextlib.AbstractContextManager[Daemon]]:
    """``running(daemon, socket, state, **environ)`` with daemon "jepad", "jepa serve" or "served"."""
    return running


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory whose name is short enough for a socket's address."""
    with tempfile.TemporaryDirectory(prefix="jepa") as name:
        yield Path(name)


@pytest.fixture(scope="session")
def served() -> Iterator[Daemon]:
    """One daemon with a model, for tests that only read."""
    with tempfile.TemporaryDirectory(prefix="jepa") as name:
        folder = Path(name)
        with running("served", folder / "s", folder / "state") as daemon:
            daemon.wait(lambda client: client.forecast(["system.cpu.utilization"]).channels)
            yield daemon


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """``made_once(name, make)``: a folder that ``make`` fills, in one of the workers for all of them.

    Nobody may change what is in it.
    """
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def once(name: str, make: Callable[[Path], object]) -> Path:
        folder, begun = shared / f"{name}-once", shared / f"{name}-begun"
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                shutil.rmtree(begun, ignore_errors=True)  # another worker failed
                begun.mkdir()
                make(begun)
                begun.rename(folder)
        return folder

    return once


@pytest.fixture(scope="session")
def pack() -> Pack:
    """The shipped machine pack."""
    return load_pack(MACHINE_PACK)


@pytest.fixture(scope="session")
def schema(pack: Pack) -> Schema:
    """The channels of the machine pack."""
    return pack.schema


@pytest.fixture(scope="session")
def recording(pack: Pack) -> Recording:
    """Four minutes that the machine pack was never trained on."""
    return load_recording(MACHINE_PACK / "heldout/h01-shop", pack.schema)
