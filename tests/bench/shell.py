# SPDX-License-Identifier: Apache-2.0
"""What the full screen costs: time to the first paint, CPU and bytes of a terminal while nothing is pressed.

The shell is started on a pseudo-terminal over a jepad of this tree, in the terminal's size and colours; with
``--beside`` the first paint of another tree's shell is measured in turn with it.
"""

import argparse
import contextlib
import fcntl
import json
import os
import platform
import pty
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

OUT = Path("build/bench/shell.json")
SIZE = (24, 80)
KINDS = {
    "": {"TERM": "xterm-256color", "COLORTERM": "truecolor"},
    "_serial": {"TERM": "xterm-16color", "TEXTUAL_THEME": "ansi-dark", "JEPA_PLAIN": "0"},
}
"""Environments by what the names of their figures end with: a terminal emulator, sixteen colours."""
DAEMON = "import sys; from jepa.service.daemon import main; sys.exit(main())"
PAINTED = b"jepa> "
"""On the screen once everything is drawn for the first time."""
HERE = Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def daemon(folder: Path) -> Iterator[Path]:
    """A jepad with a socket of its own."""
    socket = folder / "api.sock"
    env = {**os.environ, "STATE_DIRECTORY": str(folder), "JEPA_SOCKET": str(socket)}
    with subprocess.Popen([sys.executable, "-c", DAEMON], env=env) as process:
        try:
            deadline = time.monotonic() + 120
            while not socket.exists():
                if time.monotonic() > deadline or process.poll() is not None:
                    raise SystemExit("jepad did not start")
                time.sleep(0.2)
            yield socket
        finally:
            process.terminate()


def cpu_s(pid: int) -> float:
    """CPU time of a process so far."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(each.read_text().split()[0]) for each in threads) / 1e9


class Painted(NamedTuple):
    """A shell that has drawn everything for the first time."""

    pid: int
    fd: int
    ms: float
    cpu_ms: float
    sent: int
    """Bytes so far."""


@contextlib.contextmanager
def painted(socket: Path, kind: dict[str, str], tree: Path = HERE) -> Iterator[Painted]:
    """The shell of ``tree``, up to its first paint."""
    began = time.monotonic()
    pid, fd = pty.fork()
    if pid == 0:
        path = str(tree / "userland/src")
        os.environ.update(kind, JEPA_SOCKET=str(socket), LANG="C.UTF-8", PYTHONPATH=path)
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an image carries it compiled
        os.execv(sys.executable, [sys.executable, "-m", "jepa.shell.cli"])
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", *SIZE, 0, 0))
    try:
        text = b""
        while PAINTED not in text:
            text += _read(fd, 60.0)
        yield Painted(pid, fd, 1000 * (time.monotonic() - began), 1000 * cpu_s(pid), len(text))
    finally:
        os.kill(pid, signal.SIGTERM)
        with contextlib.suppress(OSError):
            while os.read(fd, 65536):
                pass
        os.waitpid(pid, 0)
        os.close(fd)


def _read(fd: int, within_s: float) -> bytes:
    if not select.select([fd], [], [], within_s)[0]:
        raise SystemExit("the shell draws nothing")
    return os.read(fd, 65536)


def _drain(fd: int, seconds: float) -> int:
    """How many bytes come within ``seconds``."""
    count, until = 0, time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if select.select([fd], [], [], left)[0]:
            count += len(os.read(fd, 65536))
    return count


def paints(socket: Path, trees: Sequence[Path], many: int) -> dict[Path, list[Painted]]:
    """First paints of each tree's shell, in turn."""
    found: dict[Path, list[Painted]] = {tree: [] for tree in trees}
    for turn in range(many + 1):
        for tree, so_far in found.items():
            with painted(socket, KINDS[""], tree) as shell:
                if turn:  # before it everything is read and compiled for the first time
                    so_far.append(shell)
    return found


def idle(socket: Path, kind: dict[str, str], seconds: float) -> tuple[float, float, float]:
    """Bytes to start with, then bytes a second and CPU in percent."""
    with painted(socket, kind) as shell:
        start = shell.sent + _drain(shell.fd, 5.0)  # the first look at everything belongs to the start
        before, used = time.monotonic(), cpu_s(shell.pid)
        sent = _drain(shell.fd, seconds)
        took = time.monotonic() - before
        return start, sent / took, 100 * (cpu_s(shell.pid) - used) / took


def entry(
    name: str, values: Sequence[float], unit: str, beside: Sequence[float], called: str
) -> dict[str, object]:
    """One figure; ``beside`` is that of another tree, ``called`` so."""
    middle = statistics.median(values)
    other = statistics.median(beside) if beside else None
    return {
        "name": name,
        "value": round(middle, 2),
        "unit": unit,
        "better": "lower",
        "n": len(values),
        "p50": round(middle, 2),
        "p99": round(max(values), 2),
        "baseline": None if other is None else {"name": called, "value": round(other, 2)},
        "ratio": None if other is None else round(middle / other, 3),
        "setup": f"{os.cpu_count()} CPUs, Python {platform.python_version()}, {SIZE[1]}x{SIZE[0]}",
    }


def main() -> None:
    """Measure, and write the figures."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--paints", type=int, default=25)
    arguments.add_argument("--runs", type=int, default=5)
    arguments.add_argument("--seconds", type=float, default=30.0)
    arguments.add_argument("--beside", type=Path, help="another tree")
    arguments.add_argument("--called", default="another tree", help="what the other tree is called")
    wanted = arguments.parse_args()
    trees = [HERE, *([wanted.beside.resolve()] if wanted.beside else [])]
    figures = []
    with tempfile.TemporaryDirectory() as folder, daemon(Path(folder)) as socket:
        time.sleep(20)  # the model has seen enough to forecast
        found = paints(socket, trees, wanted.paints)
        here, beside = found[HERE], found[trees[-1]] if wanted.beside else []
        for name, field in (("first_paint", "ms"), ("first_paint_cpu", "cpu_ms")):
            values, others = ([getattr(each, field) for each in some] for some in (here, beside))
            figures.append(entry(name, values, "ms", others, wanted.called))
        for suffix, kind in KINDS.items():
            runs = [idle(socket, kind, wanted.seconds) for _ in range(wanted.runs)]
            for place, (name, unit) in enumerate(
                (("start", "bytes"), ("sent", "bytes/s"), ("idle_cpu", "% of a core"))
            ):
                figures.append(entry(f"{name}{suffix}", [run[place] for run in runs], unit, (), ""))
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(figures, indent=1) + "\n")
    for each in figures:
        print(f"{each['name']:<22} {each['value']:>10} {each['unit']}")


if __name__ == "__main__":
    main()
