# SPDX-License-Identifier: Apache-2.0
"""A real actuator in a process of its own, over a root that these tests own."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from jepa.actions import request as requests
from jepa.actions.actuator.remote import RemoteActuator
from jepa.actions.clock import HostClock
from jepa.actions.messages import ActionRequest

SRC = Path(__file__).parents[4] / "userland/src"


class Daemon:
    """`jepa-actuator` on a socket in ``directory``."""

    def __init__(self, directory: Path, environ: dict[str, str] | None = None) -> None:
        self.directory = directory
        self.socket = directory / "run/actuator.sock"
        self.log = directory / "log"
        self.environ = {
            **os.environ,
            "PYTHONPATH": str(SRC),
            "STATE_DIRECTORY": str(directory / "state"),
            "JEPA_ACTUATOR_SOCKET": str(self.socket),
            "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={directory}/no-bus",
            **(environ or {}),
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Daemon":
        (self.directory / "run/summary.json").unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jepa.actions.actuator.daemon"], env=self.environ, stderr=log
            )
        deadline = time.monotonic() + 60
        while not (self.directory / "run/summary.json").exists():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)
        return self

    def start_by(self, listener: socket.socket) -> None:
        """Start it as the service manager does for the first who connects to ``listener``."""
        os.set_inheritable(listener.fileno(), True)
        start = f"exec {sys.executable} -m jepa.actions.actuator.daemon"
        script = f"exec 3<&{listener.fileno()}; export LISTEN_FDS=1 LISTEN_PID=$$; {start}"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                ["bash", "-c", script], env=self.environ, close_fds=False, stderr=log
            )

    def wait(self) -> int:
        """Its exit status when it ends by itself."""
        assert self.process is not None
        return self.process.wait(60)

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(20)

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "jepa.actions.actuator.daemon", *arguments],
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=30,
        )

    def client(self) -> RemoteActuator:
        return RemoteActuator(self.socket)

    def rss_mib(self) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A short path, since that of a socket may have 107 characters."""
    path = Path("/tmp") / f"jepa-actuator-{os.getpid()}"
    path.mkdir(mode=0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def new_daemon(base: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., Daemon]]:
    """Makes daemons, each with a directory of its own; they are ended afterwards."""
    made: list[Daemon] = []

    def make(**environ: str) -> Daemon:
        directory = base / f"{request.node.name[:40]}-{len(made)}"
        (directory / "run").mkdir(parents=True)
        made.append(Daemon(directory, environ))
        return made[-1]

    yield make
    for daemon in made:
        if daemon.process is not None and daemon.process.poll() is None:
            daemon.stop(signal.SIGKILL)


@pytest.fixture
def victim() -> Iterator[int]:
    """A process to change, in no unit: that of these tests may be one that is protected."""
    group = cgroups() / f"jepa-test-{os.getpid()}"
    group.mkdir(exist_ok=True)
    process = subprocess.Popen(["sleep", "600"])
    (group / "cgroup.procs").write_text(str(process.pid))
    yield process.pid
    process.kill()
    process.wait()
    with suppress(OSError):  # the kernel takes a moment to let go of the process
        group.rmdir()


def cgroups() -> Path:
    """Where the groups are that units are told by."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, kind = line.partition(" - ")
        if "name=systemd" in kind or kind.startswith("cgroup2"):
            return Path(fields.split()[4])
    pytest.skip("needs control groups")


def nice(pid: int) -> int:
    """The nice value of a process."""
    return os.getpriority(os.PRIO_PROCESS, pid)


def renice(pid: int, value: int = 7, **more: object) -> ActionRequest:
    """A request to set it."""
    return requests.make(HostClock(), action="process.nice", target=str(pid), value=str(value), **more)


@pytest.fixture(scope="module")
def daemon(base: Path) -> Iterator[Daemon]:
    """One daemon for tests that leave it as it was."""
    directory = base / "shared"
    (directory / "run").mkdir(parents=True)
    daemon = Daemon(directory).start()
    yield daemon
    daemon.stop(signal.SIGKILL)
    shutil.rmtree(directory)
