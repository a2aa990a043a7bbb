# SPDX-License-Identifier: Apache-2.0
"""What keeping frames costs and what a fault costs them: the log of our own beside SQLite (WAL).

All take frames of the machine's schema in the same seconds, each in a process of its own: time of an append,
bytes that the process had written, memory. Then each is killed at random moments, given one wrong bit at
random places, and a limit of the file size in place of a full disk. The size of a day and the time to open
it are those of any setting of synchronous, so they are measured once.

Usage: python -m tests.bench.store [OUT] [SECONDS]: of the appends at 1 Hz.
"""

import json
import os
import random
import resource
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from jepa.errors import JepaError
from jepa.telemetry.frame import Frame
from jepa.telemetry.framelog import FrameLog
from jepa.telemetry.schema import load_schema

SCHEMA = load_schema()
WIDTH = len(SCHEMA.channels)
DAY = 86_400
LIMIT = 1 << 30
FAULTS = 60
KEPT = 2000
"""Frames in a store that is damaged."""
KILLS = 10


class Store(Protocol):
    """A contender."""

    def append(self, frame: Frame) -> None:
        """Keep one frame; a killed process loses none that this returned for."""

    def frames(self, since_ns: int = 0, limit: int | None = None) -> Sequence[Frame]:
        """The newest ``limit`` frames, oldest first."""

    def close(self) -> None:
        """Close it."""


class SqliteFrames:
    """One table of frames, a transaction each, in the journal mode WAL."""

    def __init__(self, folder: Path, synchronous: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(folder / "frames.db", isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute(f"PRAGMA synchronous={synchronous}")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS frame (sequence INTEGER PRIMARY KEY, ts INTEGER, content BLOB)"
        )

    def append(self, frame: Frame) -> None:
        """Keep one frame."""
        content = np.where(frame.valid, frame.values, np.float32(np.nan)).astype("<f4").tobytes()
        self._database.execute("INSERT INTO frame (ts, content) VALUES (?, ?)", (frame.ts_ns, content))

    def frames(self, since_ns: int = 0, limit: int | None = None) -> list[Frame]:
        """The newest frames, oldest first."""
        query = "SELECT ts, content FROM frame WHERE ts > ? ORDER BY sequence DESC LIMIT ?"
        rows = self._database.execute(query, (since_ns, -1 if limit is None else limit)).fetchall()
        values = [(ts, np.frombuffer(content, "<f4")) for ts, content in reversed(rows)]
        return [Frame(ts, each, ~np.isnan(each)) for ts, each in values]

    def close(self) -> None:
        """Close it."""
        self._database.close()


OPENERS: dict[str, Callable[[Path], Store]] = {
    "log": lambda folder: FrameLog(folder, SCHEMA, LIMIT),
    "sqlite_normal": lambda folder: SqliteFrames(folder, "NORMAL"),
    "sqlite_full": lambda folder: SqliteFrames(folder, "FULL"),
}


def frame(number: int) -> Frame:
    """A frame that no other equals."""
    values = np.random.default_rng(number).random(WIDTH, np.float32)
    return Frame(ts_ns=number + 1, values=values, valid=np.ones(WIDTH, np.bool_))


def main(out: Path, seconds: int) -> None:
    """Measure and write ``out``."""
    out.parent.mkdir(parents=True, exist_ok=True)
    measured: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory(dir=out.parent) as place:
        folder = Path(place)
        start = time.time() + 3
        command = [sys.executable, "-m", "tests.bench.store", "append"]
        running = {
            name: subprocess.Popen(
                [*command, name, str(folder / name), str(seconds), str(start + at / 3)],
                stdout=subprocess.PIPE,
            )
            for at, name in enumerate(OPENERS)
        }
        for name, process in running.items():
            measured[name] = json.loads(process.communicate()[0])
        for name in OPENERS:
            print(f"{name}: a day of frames, kills, faults", flush=True)
            if name != "sqlite_full":
                measured[name] |= day(name, folder / f"{name}-day")
            measured[name] |= kills(name, folder / f"{name}-kill")
            measured[name] |= faults(name, folder / f"{name}-fault")
            measured[name]["full_lost"] = [full(name, folder / f"{name}-full")]
    setup = f"{WIDTH} channels, SQLite {sqlite3.sqlite_version}, kernel {os.uname().release}"
    entries = [
        entry(f"{name}_{what}", values, setup) | against(values, measured["log"][what], name)
        for name, all_values in measured.items()
        for what, values in all_values.items()
    ]
    out.write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")
    for each in entries:
        print(f"{each['name']:40}{each['value']:>14} {each['unit']:6}{each['p99'] or ''}")


UNITS = {"us": "us", "ms": "ms", "mib": "MiB", "bytes": "B"}


def entry(name: str, values: list[float], setup: str) -> dict[str, object]:
    """One benchmark: the median, and the 99th percentile of a hundred or more."""
    several = len(values) >= 100
    return {
        "name": name,
        "value": round(statistics.median(values), 3),
        "unit": UNITS.get(name.rpartition("_")[2], "frames"),
        "better": "lower",
        "n": FAULTS if "_bit_" in name else len(values),
        "p50": round(statistics.median(values), 3) if several else None,
        "p99": round(float(np.percentile(values, 99)), 3) if several else None,
        "setup": setup,
    }


def against(values: list[float], own: list[float], name: str) -> dict[str, object]:
    """The log of our own as the baseline of the others."""
    if name == "log":
        return {"baseline": None, "ratio": None}
    base = statistics.median(own)
    ratio = round(statistics.median(values) / base, 3) if base else None
    return {"baseline": {"name": "log", "value": round(base, 3)}, "ratio": ratio}


def append(name: str, folder: Path, seconds: int, start: float) -> None:
    """Append one frame a second from ``start`` on, and print what that cost this process."""
    before_mib = resident_mib()
    store = OPENERS[name](folder)
    store.append(frame(0))
    written = written_bytes()
    took: list[float] = []
    for number in range(1, seconds + 1):
        one = frame(number)
        time.sleep(max(0.0, start + number - time.time()))
        began = time.perf_counter()
        store.append(one)
        took.append(1e6 * (time.perf_counter() - began))
    calls, stored = (now - then for now, then in zip(written_bytes(), written, strict=True))
    print(
        json.dumps(
            {
                "append_us": took,
                "written_a_frame_bytes": [calls / seconds],
                "stored_a_frame_bytes": [stored / seconds],
                "rss_mib": [resident_mib() - before_mib],
            }
        )
    )
    store.close()


def written_bytes() -> tuple[int, int]:
    """What this process has given to write calls, and what it has made dirty of the disk's pages."""
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["wchar"]), int(fields["write_bytes"])


def resident_mib() -> float:
    """Resident memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def day(name: str, folder: Path) -> dict[str, list[float]]:
    """Size of a day of frames; time to open it after a kill, and to read its newest ten minutes."""
    child = os.fork()
    if not child:
        store = OPENERS[name](folder)
        one = frame(1)
        for number in range(DAY):
            store.append(Frame(number + 1, one.values, one.valid))
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    began = time.perf_counter()
    store = OPENERS[name](folder)
    opened = time.perf_counter()
    newest = store.frames(limit=600)
    read = time.perf_counter()
    assert [each.ts_ns for each in newest] == list(range(DAY - 599, DAY + 1))
    store.close()
    size = sum(path.stat().st_size for path in folder.iterdir())
    shutil.rmtree(folder)
    return {
        "day_mib": [size / 2**20],
        "open_after_kill_ms": [1000 * (opened - began)],
        "read_600_ms": [1000 * (read - opened)],
    }


def kills(name: str, folder: Path) -> dict[str, list[float]]:
    """Frames that were acknowledged and are gone after a kill at a random moment."""
    lost: list[float] = []
    dice = random.Random(1)
    for number in range(KILLS):
        place = folder / str(number)
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            store = OPENERS[name](place)
            for at in range(10**9):
                store.append(frame(at))
                os.write(writing, b".")
        os.close(writing)
        os.read(reading, 1)
        time.sleep(dice.uniform(0.01, 0.3))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        told = 1
        while got := os.read(reading, 1 << 16):
            told += len(got)
        os.close(reading)
        back = {each.ts_ns for each in OPENERS[name](place).frames()}
        lost.append(sum(1 for at in range(told) if at + 1 not in back))
        shutil.rmtree(place)
    return {"killed_lost": lost}


def faults(name: str, folder: Path) -> dict[str, list[float]]:
    """Frames that one query does not give after one wrong bit, and wrong ones that it gives as right."""
    whole = folder / "whole"
    child = os.fork()
    if not child:
        store = OPENERS[name](whole)
        for number in range(KEPT):
            store.append(frame(number))
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    expected = [frame(number) for number in range(KEPT)]
    dice = random.Random(2)
    lost: list[float] = []
    wrong: list[float] = []
    files = [path for path in sorted(whole.iterdir()) if path.stat().st_size and path.suffix != ".db-shm"]
    for _ in range(FAULTS):
        path = dice.choices(files, [each.stat().st_size for each in files])[0]
        place = dice.randrange(path.stat().st_size)
        back = damaged(name, whole, path, lambda file, place=place: flip(file, place, dice.randrange(8)))
        lost.append(KEPT - len(back))
        right = sum(1 for each in back if np.array_equal(each.values, expected[each.ts_ns - 1].values))
        wrong.append(len(back) - right)
    return {
        "bit_lost": [statistics.fmean(lost)],
        "bit_lost_most": [max(lost)],
        "bit_wrong": [statistics.fmean(wrong)],
    }


def flip(path: Path, place: int, bit: int) -> None:
    """Turn one bit over."""
    with path.open("r+b") as file:
        file.seek(place)
        (byte,) = file.read(1)
        file.seek(place)
        file.write(bytes([byte ^ 1 << bit]))


def damaged(name: str, whole: Path, path: Path, damage: Callable[[Path], None]) -> list[Frame]:
    """The frames that can be read of a copy of ``whole`` after ``damage`` to one of its files."""
    copy = whole.with_name("copy")
    shutil.copytree(whole, copy)
    try:
        damage(copy / path.name)
        return list(readable(name, copy))
    finally:
        shutil.rmtree(copy)


def readable(name: str, folder: Path) -> Iterator[Frame]:
    """What opening and reading gives before it fails."""
    try:
        store = OPENERS[name](folder)
    except (JepaError, sqlite3.Error):
        return
    try:
        yield from (each for each in store.frames() if 1 <= each.ts_ns <= KEPT and len(each.values) == WIDTH)
    except (sqlite3.Error, ValueError):
        return
    finally:
        store.close()


def full(name: str, folder: Path) -> float:
    """Acknowledged frames lost when there is no room for a time, then again some."""
    child = os.fork()
    if not child:
        store = OPENERS[name](folder)
        told = []
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        for number in range(600):
            if number in (200, 400):
                resource.setrlimit(resource.RLIMIT_FSIZE, (150_000 if number == 200 else hard, hard))
            try:
                before = getattr(store, "lost", 0)
                store.append(frame(number))
                if getattr(store, "lost", 0) == before:
                    told.append(number + 1)
            except (JepaError, sqlite3.Error):
                pass
        store.close()
        back = {each.ts_ns for each in OPENERS[name](folder).frames()}
        assert told[-1] == 600, "it goes on when there is room"
        os._exit(min(100, sum(1 for each in told if each not in back)))
    return float(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


if __name__ == "__main__":
    if sys.argv[1:2] == ["append"]:
        append(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]))
    else:
        main(
            Path(sys.argv[1]) if len(sys.argv) > 1 else Path("build/bench/store.json"),
            int(sys.argv[2]) if len(sys.argv) > 2 else 300,
        )
