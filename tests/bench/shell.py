# SPDX-License-Identifier: Apache-2.0
"""What the full screen costs: time to the first paint, CPU and bytes of a terminal while nothing is pressed.

The shell is started on a pseudo-terminal over a jepad of this tree, in the terminal's size and colours.
"""

import argparse
import contextlib
import fcntl
import json
import os
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
from collections.abc import Iterator
from pathlib import Path

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
TICKS = os.sysconf("SC_CLK_TCK")


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
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def run(socket: Path, kind: dict[str, str], seconds: float) -> tuple[float, ...]:
    """First paint and its CPU time in ms, bytes to start with, then bytes a second and CPU in percent."""
    began = time.monotonic()
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update(kind, JEPA_SOCKET=str(socket), LANG="C.UTF-8")
        os.execv(sys.executable, [sys.executable, "-m", "jepa.shell.cli"])
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", *SIZE, 0, 0))
    try:
        text, painted, spent = b"", 0.0, 0.0
        while not painted:
            text += _read(fd, 60.0)
            if PAINTED in text:
                painted, spent = time.monotonic() - began, cpu_s(pid)
        start = len(text) + _drain(fd, 5.0)  # the first look at everything belongs to the start
        before, used = time.monotonic(), cpu_s(pid)
        sent = _drain(fd, seconds)
        took = time.monotonic() - before
        return painted * 1000, spent * 1000, start, sent / took, 100 * (cpu_s(pid) - used) / took
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


def main() -> None:
    """Measure, and write the figures."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=5)
    arguments.add_argument("--seconds", type=float, default=30.0)
    wanted = arguments.parse_args()
    figures = []
    with tempfile.TemporaryDirectory() as folder, daemon(Path(folder)) as socket:
        time.sleep(20)  # the model has seen enough to forecast
        for name, kind in KINDS.items():
            runs = [run(socket, kind, wanted.seconds) for _ in range(wanted.runs)]
            for place, (figure, unit) in enumerate(
                (
                    ("first_paint", "ms"),
                    ("first_paint_cpu", "ms"),
                    ("start", "bytes"),
                    ("sent", "bytes/s"),
                    ("idle_cpu", "% of a core"),
                )
            ):
                values = [each[place] for each in runs]
                figures.append(
                    {
                        "name": f"{figure}{name}",
                        "value": round(statistics.median(values), 2),
                        "unit": unit,
                        "better": "lower",
                        "n": len(values),
                        "p50": round(statistics.median(values), 2),
                        "p99": round(max(values), 2),
                    }
                )
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(figures, indent=1) + "\n")
    for each in figures:
        print(f"{each['name']:<22} {each['value']:>10} {each['unit']}")


if __name__ == "__main__":
    main()
