# SPDX-License-Identifier: Apache-2.0
"""What the actuator costs and how soon it answers: a real process on a socket, without systemd.

A dry run over an open connection, and as a command from its start to its end, beside Python's own start and
end; memory and CPU while it waits;
answers while a hundred clients ask at once and others send garbage, too much, or half a message. The load
comes from one process, so that what is measured is the actuator and not a hundred interpreters.

Usage: python -m tests.bench.actuator [OUT], as root.
"""

import json
import os
import platform
import resource
import selectors
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from jepa.actions.actuator import varlink
from jepa.actions.actuator.remote import RemoteActuator
from jepa.actions.clock import HostClock
from jepa.actions.messages import ActionRequest
from jepa.actions.request import make

ROOT: Final = Path(__file__).parents[2]
SRC: Final = ROOT / "userland/src"
CALLS: Final = 500
COMMANDS: Final = 40
CLIENTS: Final = 100
ROUNDS: Final = 10
IDLE_S: Final = 20.0


def launched(name: str) -> list[str]:
    """As the image's launcher ``name`` starts it: without the site and the person's environment."""
    launcher = (ROOT / "mkosi.extra/usr/bin" / name).read_text()
    path = [str(SRC), *(each for each in sys.path if each.endswith("site-packages"))]
    return [sys.executable, "-IS", "-c", launcher.replace('.insert(0, "/usr/lib/jepa")', f"[:0] = {path!r}")]


def wanted() -> ActionRequest:
    """The request that is tried; nothing is changed."""
    return make(HostClock(), action="vm.swappiness", value="10")


def calls(path: Path) -> list[float]:
    """Milliseconds of each dry run over one connection."""
    taken = []
    with closing(RemoteActuator(path)) as client:
        client.check(wanted())
        for _ in range(CALLS):
            begin = time.perf_counter()
            client.check(wanted())
            taken.append((time.perf_counter() - begin) * 1e3)
    return taken


def commands(path: Path) -> tuple["Spent", "Spent"]:
    """What each `jepa act --dry-run` takes from its start to its end, and a Python that does nothing."""
    words = [*launched("jepa"), "act", "vm.swappiness", "10", "--dry-run"]
    environ = {**os.environ, "JEPA_ACTUATOR_SOCKET": str(path)}
    command, bare = Spent([], []), Spent([], [])
    for _ in range(COMMANDS):
        command.run(words, environ)
        bare.run([sys.executable, "-IS", "-c", "pass"], environ)
    return command, bare


class Spent(NamedTuple):
    """Milliseconds of each run of a command: until it had ended, and of CPU time."""

    wall: list[float]
    cpu: list[float]

    def run(self, words: Sequence[str], environ: Mapping[str, str]) -> None:
        """Run it once more."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        begin = time.perf_counter()
        subprocess.run(words, env=environ, check=True, capture_output=True)
        self.wall.append((time.perf_counter() - begin) * 1e3)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.cpu.append((after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1e3)


def crowd(path: Path) -> list[float]:
    """Milliseconds to each answer while ``CLIENTS`` ask at once, ``ROUNDS`` times, and others misbehave."""
    noise = [_connected(path) for _ in range(60)]
    taken: list[float] = []
    for _ in range(ROUNDS):
        for number, each in enumerate(noise):
            each.setblocking(False)
            with suppress(OSError):
                each.send((b'{"half', b"garbage\0", b"x" * (1 << 20))[number % 3])
        clients = [_connected(path) for _ in range(CLIENTS)]
        messages = [varlink.call("io.jepa.Actuator.Check", {"request": wanted()._asdict()}) for _ in clients]
        taken += _asked_at_once(clients, messages)
    for each in noise:
        each.close()
    return taken


def _connected(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(path))
    return connection


def _asked_at_once(clients: Sequence[socket.socket], messages: Sequence[bytes]) -> list[float]:
    taken: list[float] = []
    with selectors.DefaultSelector() as selector:
        for client, message in zip(clients, messages, strict=True):
            selector.register(client, selectors.EVENT_READ, [time.perf_counter(), b""])
            client.sendall(message)
        while selector.get_map():
            for key, _ in selector.select():
                assert isinstance(key.fileobj, socket.socket)
                key.data[1] += (data := key.fileobj.recv(65536))
                assert data, "the actuator closed the connection"
                if key.data[1].endswith(b"\0"):
                    assert b'"preview"' in key.data[1], key.data[1]
                    taken.append((time.perf_counter() - key.data[0]) * 1e3)
                    selector.unregister(key.fileobj)
                    key.fileobj.close()
    return taken


def cpu_s(pid: int) -> float:
    """CPU time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mib(pid: int) -> float:
    """Resident memory of a process."""
    return int(Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()[0]) / 1024


def main(out: Path) -> None:
    """Measure and write ``out``."""
    out.parent.mkdir(parents=True, exist_ok=True)
    entries: list[dict[str, Any]] = []
    first = ", before all other work" if os.sched_getscheduler(0) == os.SCHED_FIFO else ""
    cpus = f"{len(os.sched_getaffinity(0))} of {os.cpu_count()} CPUs{first}"
    setup = f"Python {platform.python_version()}, kernel {platform.release()}, {cpus}"

    def add(
        name: str, value: float, unit: str, n: int, taken: Sequence[float] = (), bare: float | None = None
    ) -> None:
        p99 = statistics.quantiles(taken, n=100)[98] if taken else None
        p50 = statistics.median(taken) if taken else None
        beside = bare and {"name": "bare Python", "value": bare}
        entries.append({"name": name, "value": value, "unit": unit, "better": "lower", "n": n, "p50": p50,
                        "p99": p99, "setup": setup, "baseline": beside,
                        "ratio": bare and value / bare})  # fmt: skip

    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "actuator.sock"
        environ = {**os.environ, "STATE_DIRECTORY": f"{place}/state", "JEPA_ACTUATOR_SOCKET": str(path)}
        process = subprocess.Popen(launched("jepa-actuator"), env=environ)
        try:
            while not (Path(place) / "summary.json").exists():
                time.sleep(0.05)
            add("actuator_start_rss_mib", rss_mib(process.pid), "MiB", 1)
            taken = calls(path)
            add("act_dry_run_ms", statistics.median(taken), "ms", len(taken), taken)
            command, bare = commands(path)
            for name, taken, least in (
                ("act_dry_run_command_ms", command.wall, bare.wall),
                ("act_dry_run_command_cpu_ms", command.cpu, bare.cpu),
            ):
                add(name, statistics.median(taken), "ms", len(taken), taken, statistics.median(least))
            taken = crowd(path)
            add("answer_100_clients_ms", statistics.median(taken), "ms", len(taken), taken)
            add("answer_100_clients_worst_ms", max(taken), "ms", len(taken))
            add("actuator_rss_mib", rss_mib(process.pid), "MiB", 1)
            time.sleep(12)  # until the threads have ended
            before = cpu_s(process.pid)
            time.sleep(IDLE_S)
            add("actuator_idle_cpu_percent", 100 * (cpu_s(process.pid) - before) / IDLE_S, "%", 1)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)
    out.write_text(json.dumps(entries, indent=1) + "\n")
    for each in entries:
        print(f"{each['name']:32} {each['value']:8.2f} {each['unit']}  p99 {each['p99']}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else Path("build/bench/actuator.json"))
