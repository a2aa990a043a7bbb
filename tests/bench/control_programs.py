# SPDX-License-Identifier: Apache-2.0
"""Runs inside the machine: a foreground whose latency counts, and a background whose work counts.

`python3 control_programs.py foreground|background ORDER LOG`. Until there is a file ``begin`` beside ORDER,
both do what their first phase says; from the time in it on (CLOCK_MONOTONIC) they follow the schedule. Only
the standard library, since the image has no more.
"""

import contextlib
import json
import lzma
import multiprocessing
import multiprocessing.connection
import os
import random
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

WORK = Path("/var/tmp/lab")
LIBRARY = Path(os.__file__).parent
TOLD_S = 0.1
"""How often work that was done is logged: a process may be stopped for long in between."""
RATES = {"sqlite": 20.0, "http": 20.0, "frames": 20.0, "shell": 8.0}
"""Operations a second, whatever the machine does: who is late is late."""
now = time.monotonic


class Schedule:
    """Which phase it is."""

    def __init__(self, order: Path) -> None:
        content = json.loads(order.read_text())
        self.content: dict[str, Any] = content
        self._phases: list[dict[str, Any]] = content["phases"]
        self._file = order.with_name("begin")
        self._begin: float | None = None

    def phase(self) -> dict[str, Any]:
        """What is to be done now; the first phase before the beginning, the last after the end."""
        if self._begin is None:
            with contextlib.suppress(OSError, ValueError):
                self._begin = float(self._file.read_text())
        at = 0.0 if self._begin is None else now() - self._begin
        return next((each for each in self._phases if at < each["end_s"]), self._phases[-1])


# The foreground: each gives a function that does one operation, heavier where it is told so.

Operation = Callable[[bool], object]


def sqlite() -> Operation:
    """A transaction of a small database on the disk: some rows in, and a question over many."""
    dice = random.Random(1)
    base = sqlite3.connect(WORK / "foreground/shop.db", isolation_level=None)
    base.executescript(
        "pragma journal_mode=wal; pragma synchronous=off; create table sale(item int, price int);"
        "create index by_item on sale(item);"
    )
    base.executemany("insert into sale values(?, ?)", [(dice.randrange(500), n) for n in range(20000)])

    def once(heavy: bool) -> object:
        base.execute("begin")
        base.executemany("insert into sale values(?, ?)", [(dice.randrange(500), 1)] * 3)
        base.execute("commit")
        item, span = dice.randrange(400), 60 if heavy else 15
        return base.execute(
            "select item, count(*), sum(price) from sale where item between ? and ? group by item",
            (item, item + span),
        ).fetchall()

    return once


def http() -> Operation:
    """A request to a service on this machine, which renders a page and compresses it."""
    server = socket.create_server(("127.0.0.1", 0), backlog=64)

    def serve() -> None:
        while True:
            client, _ = server.accept()
            with client:
                count = int(client.recv(64))
                page = json.dumps([{"item": n, "price": n * 7 % 100} for n in range(count)])
                client.sendall(zlib.compress(page.encode(), 6))

    threading.Thread(target=serve, daemon=True).start()

    def once(heavy: bool) -> object:
        with socket.create_connection(server.getsockname(), 10) as client:
            client.sendall(b"300" if heavy else b"80")
            size = 0
            while part := client.recv(65536):
                size += len(part)
        return size

    return once


def frames() -> Operation:
    """One frame: every point of a picture moved a little."""
    points = [complex(n % 37, n % 23) for n in range(6000)]

    def once(heavy: bool) -> object:
        turn = complex(0.99, 0.141)
        return [point * turn for point in (points if heavy else points[:2000])]

    return once


def shell() -> Operation:
    """A line typed at a shell: it starts programs and prints what they said."""

    def once(heavy: bool) -> object:
        line = "ls -l /etc | sort | tail -n 3" if heavy else "ls /etc >/dev/null"
        return subprocess.run(["sh", "-c", line], stdout=subprocess.DEVNULL, check=False)

    return once


FOREGROUNDS = {"sqlite": sqlite, "http": http, "frames": frames, "shell": shell}


def foreground(schedule: Schedule, log: Path) -> None:
    """Operations at a fixed rate; logs when each was due and how long after that it was done."""
    kind = schedule.content["foreground"]
    operation, each_s = FOREGROUNDS[kind](), 1 / RATES[kind]
    due = now()
    with log.open("w", buffering=1) as lines:
        while True:
            due = max(due + each_s, now() - 2.0)  # who is late by seconds does not make up for all of it
            time.sleep(max(0.0, due - now()))
            load = schedule.phase()["foreground"]
            if load != "idle":
                operation(load == "heavy")
                lines.write(f"{due:.4f} {now() - due:.5f}\n")


# The background: each yields after every unit of work, with how much that was.

Work = Iterator[float]


def compile_() -> Work:
    """Python's own library through Python's compiler: KiB of source."""
    for path in _again([path for path in sorted(LIBRARY.glob("*.py")) if path.stat().st_size < 40000]):
        source = path.read_text(errors="replace")
        compile(source, path.name, "exec", dont_inherit=True)
        yield len(source) / 1024


def compress() -> Work:
    """Blocks of a library through LZMA: KiB of input."""
    content = Path(json.decoder.__file__).read_bytes() + Path(os.__file__).read_bytes()
    for start in _again(range(0, len(content) - 8192, 8192)):
        lzma.compress(content[start : start + 8192], preset=1)
        yield 8.0


def scan() -> Work:
    """Every file of the library is looked up and read: files."""
    for path in _again([path for path in sorted(LIBRARY.rglob("*")) if path.is_file()]):
        path.stat()
        zlib.crc32(path.read_bytes()[:65536])
        yield 1.0


def backup() -> Work:
    """Files are packed and written to the disk for good: KiB of input."""
    target = WORK / f"background/backup-{os.getpid()}"
    for path in _again([path for path in sorted(LIBRARY.glob("*.py")) if path.stat().st_size > 8192]):
        content = path.read_bytes()[:65536]
        with target.open("wb") as file:
            file.write(zlib.compress(content, 9))
            file.flush()
            os.fsync(file.fileno())
        yield len(content) / 1024


def memory() -> Work:
    """Memory is taken in waves, written to, and given back: MiB."""
    while True:
        held = []
        for _ in range(24):
            held.append(bytearray(os.urandom(4096)) * 2048)
            yield 8.0


def sort() -> Work:
    """Lines are made, sorted and joined: thousands of lines."""
    dice = random.Random(os.getpid())
    while True:
        lines = [f"{dice.getrandbits(60):x}" for _ in range(4000)]
        "\n".join(sorted(lines, key=lambda line: line[::-1]))
        yield 4.0


KINDS = {
    "compile": compile_,
    "compress": compress,
    "scan": scan,
    "backup": backup,
    "memory": memory,
    "sort": sort,
}


def _again(things: Any) -> Iterator[Any]:
    while True:
        yield from things


def background(schedule: Schedule, log: Path) -> None:
    """As many processes as a phase may have; each works while its turn is on. Ends only when one fails."""
    most = max(each["processes"] for each in schedule.content["phases"])
    workers = [
        multiprocessing.Process(target=_worker, args=(schedule, number, log), daemon=True)
        for number in range(most)
    ]
    for worker in workers:
        worker.start()
    multiprocessing.connection.wait([worker.sentinel for worker in workers])
    raise SystemExit("a worker has failed")


def _worker(schedule: Schedule, number: int, log: Path) -> None:
    works: dict[str, Work] = {}
    done, told = 0.0, now()
    with log.with_suffix(f".{number}").open("w", buffering=1) as lines:
        while True:
            phase = schedule.phase()
            kind = phase["background"]
            if kind == "idle" or number >= phase["processes"]:
                time.sleep(0.05)
            else:
                done += next(works.setdefault(kind, KINDS[kind]()))
            if now() - told >= TOLD_S and done:
                lines.write(f"{told:.3f} {now():.3f} {kind} {done:.2f}\n")
                done, told = 0.0, now()
            elif not done:
                told = now()


def main() -> None:
    role, order, log = sys.argv[1:]
    for name in ("foreground", "background"):
        (WORK / name).mkdir(parents=True, exist_ok=True)
    tempfile.tempdir = str(WORK / role)
    {"foreground": foreground, "background": background}[role](Schedule(Path(order)), Path(log))


if __name__ == "__main__":
    main()
