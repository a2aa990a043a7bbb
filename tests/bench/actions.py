# SPDX-License-Identifier: Apache-2.0
"""What 1,000 kills leave of changes that were being made, and what the journal costs beside SQLite.

Processes change kernel parameters of a network namespace of their own (as root), upon each other, for a
time, and take them back in any order; each is killed (SIGKILL) at a random moment, from its start on. Then
the next start recovers, and every setting, every half of a change and every outcome that somebody was told
of is looked at.

Usage: unshare --net python -m tests.bench.actions [OUT] [KILLS]
"""

import json
import os
import platform
import random
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from jepa.actions.catalogue import ActionType, Tier
from jepa.actions.change import Caller, Change, Proposal, State
from jepa.actions.clock import HostClock
from jepa.actions.dead_man import DetachedDeadMan
from jepa.actions.executor import Executor
from jepa.actions.families.sysctl import Sysctl
from jepa.actions.family import Host
from jepa.actions.journal import Journal, files, load
from jepa.actions.messages import Verdict
from jepa.actions.request import make
from jepa.errors import JepaError

SETTINGS: Final = {
    "net.core.somaxconn": (128, 65536),
    "net.ipv4.tcp_fin_timeout": (10, 120),
    "net.ipv4.tcp_keepalive_time": (60, 7200),
    "net.ipv4.tcp_notsent_lowat": (16384, 10**6),
}
"""Parameters that each network namespace has for itself, and values of them."""
ROTATE_BYTES: Final = 64 << 10
"""Small, so that kills fall into the beginning of new files, too."""
APPENDS: Final = 1000
FLIPS: Final = 500
ME: Final = Caller(0, os.getpid())


class AllowAll:
    """A guard without an opinion: what is measured is the transaction."""

    def judge(self, proposal: Proposal, changes: Sequence[Change], now_s: float) -> Verdict:
        """Allow it."""
        return Verdict("allow")

    def judge_undo(self, change: Change, caller: Caller) -> Verdict:
        """Allow it."""
        return Verdict("allow")


class Namespaced(Sysctl):
    """Sets the parameters of a network namespace, which the actuator would refuse."""

    def missing(self, host: Host, action: ActionType) -> str | None:
        """Nothing is."""
        return None


def value(name: str) -> int:
    """What the kernel holds."""
    return int((Path("/proc/sys") / name.replace(".", "/")).read_text())


def executor(directory: Path) -> Executor:
    """As the actuator has it on a machine without systemd."""
    journal = Journal(directory, wait_s=30.0, rotate_bytes=ROTATE_BYTES)
    timers, family = DetachedDeadMan(directory), Namespaced()
    return Executor(Host(), AllowAll(), journal, timers, clock=HostClock(), families=lambda action: family)


def work(directory: Path, seed: int) -> None:
    """Change and take back until killed; each outcome is told on standard output once it is one."""
    rng, clock = random.Random(seed), HostClock()
    at_work = executor(directory)
    at_work.recover()
    print("ready -", flush=True)
    while True:
        in_force = [each.id for each in at_work.journal.in_force]
        roll = rng.random()
        if roll < 0.4 or not in_force:
            name = rng.choice(list(SETTINGS))
            for_s = rng.choice([None, None, 1.0, 3.0])
            request = make(clock, action=name, value=rng.randint(*SETTINGS[name]), for_s=for_s, task=name)
            tell([at_work.act(request, ME)])
        elif roll < 0.9:
            tell(at_work.undo(ME, rng.choice(in_force)))
        elif roll < 0.95:
            tell(at_work.undo(ME, task=at_work.journal.get(rng.choice(in_force)).task))
        else:
            tell(at_work.expire_due())


def tell(changes: Sequence[Change]) -> None:
    """The caller's answer."""
    print(*(f"{each.id} {each.state}" for each in changes), sep="\n", flush=True)


def kills(directory: Path, count: int) -> dict[str, int]:
    """Kill ``count`` processes at work, and count what is not as it should be."""
    found: Counter[str] = Counter(lost=0, wrong=0, half=0, unsound=0)
    before = {name: value(name) for name in SETTINGS}
    rng = random.Random(15)
    told: dict[str, str] = {}
    first = executor(directory)  # as long as this is in force the process of the timers need not start anew
    first.act(make(HostClock(), action="net.ipv4.tcp_mtu_probing", value=1, for_s=86400), ME)
    first.journal.close()
    for number in range(count):
        command = [sys.executable, "-m", "tests.bench.actions", "work", str(directory), str(number)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0, start_new_session=True)
        assert process.stdout is not None
        heard: list[bytes] = []
        if rng.random() < 0.9:
            for _ in range(rng.randint(1, 5)):  # lines: that it is ready, and what came of so many requests
                heard.append(process.stdout.readline())
            time.sleep(rng.uniform(0, 0.05))
        else:
            time.sleep(rng.uniform(0.1, 0.5))  # in its start, or while it recovers
        os.kill(process.pid, signal.SIGKILL)
        answers = (b"".join(heard) + process.communicate()[0]).decode().splitlines()
        answered = [line.split() for line in answers if line and not line.startswith("ready")]
        found["answers"] += len(answered)
        told |= {each[0]: each[1] for each in answered if len(each) == 2}
        left = load(directory)
        found["unsound"] += bool(left.damage)
        in_force = [each for each in left.changes.values() if each.in_force]
        found["in_a_change"] += any(each.state is not State.COMMITTED for each in in_force)
        found["in_an_undo"] += any(each.ending is not None for each in in_force)
        next_start = executor(directory)
        with closing(next_start.journal) as journal:
            found["unsound"] += len(next_start.recover().problems)
            look(journal, before, told, found)
        if number % 100 == 99:
            print(f"{number + 1} kills: {dict(found)}", flush=True)
    last = executor(directory)
    with closing(last.journal) as journal:
        for each in reversed(journal.in_force):
            last.undo(ME, each.id)
    found["wrong"] += sum(value(name) != before[name] for name in SETTINGS)
    return dict(found)


def look(journal: Journal, before: dict[str, int], told: dict[str, str], found: Counter[str]) -> None:
    """Compare the machine with the journal, and the journal with what callers were told."""
    in_force = journal.in_force
    found["half"] += sum(each.state is not State.COMMITTED or each.ending is not None for each in in_force)
    for name in SETTINGS:
        values = [each.new for each in in_force if each.setting == name]
        found["wrong"] += value(name) != (values[-1] if values else before[name])
    known = {each.id: each for each in journal.changes}
    for change_id, state in list(told.items()):
        change = known.get(change_id)
        if change is None or (change.state != state and not (state == "committed" and not change.in_force)):
            found["lost"] += 1
        if change is None or not change.in_force:
            del told[change_id]  # looked at; what is over may leave the history one day


def row(number: int) -> Change:
    """A change as it is journalled."""
    return Change(
        f"{number:012x}", number, "b" * 32, 0, "cpu.max", "backup.service", "cpu.max", "c" * 32, "max", 40,
        Tier.TUNE, State.INTENDED, inverse="max", until_s=1e6, why="the builds are slow", request="d" * 32,
    )  # fmt: skip


def sqlite(path: Path) -> sqlite3.Connection:
    """The contender: a transaction a row."""
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE IF NOT EXISTS change (sequence INTEGER PRIMARY KEY, id TEXT, row TEXT)")
    return database


def appends(folder: Path) -> dict[str, list[float]]:
    """Microseconds of each append that is on the disk when it returns, the two taking turns."""
    measured: dict[str, list[float]] = {"journal": [], "sqlite_full": []}
    with closing(Journal(folder / "journal")) as journal, closing(sqlite(folder / "changes.db")) as database:
        insert = "INSERT INTO change (id, row) VALUES (?, ?)"

        def into_sqlite(each: Change) -> None:
            database.execute(insert, (each.id, json.dumps(each.as_dict())))

        ways: dict[str, Callable[[Change], Any]] = {"journal": journal.record, "sqlite_full": into_sqlite}
        for number in range(APPENDS):
            for name, append in ways.items():
                begin = time.perf_counter()
                append(row(number))
                measured[name].append((time.perf_counter() - begin) * 1e6)
    return measured


def flips(folder: Path) -> dict[str, int]:
    """Of one wrong bit at random places, how often another row was read and nothing said so."""
    rng = random.Random(16)
    unnoticed = {"journal": 0, "sqlite_full": 0}
    path = files(folder / "journal")[-1]
    good, rows = path.read_bytes(), list(load(folder / "journal").changes.values())
    for _ in range(FLIPS):
        path.write_bytes(flipped(good, rng))
        contents = load(folder / "journal")
        unnoticed["journal"] += not contents.damage and list(contents.changes.values()) != rows
    database = folder / "changes.db"
    with closing(sqlite(database)) as opened:
        opened.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    good, expected = database.read_bytes(), [(each.id, json.dumps(each.as_dict())) for each in rows]
    for _ in range(FLIPS):
        database.write_bytes(flipped(good, rng))
        try:
            with closing(sqlite(database)) as opened:
                found = opened.execute("SELECT id, row FROM change ORDER BY sequence").fetchall()
        except (sqlite3.Error, UnicodeDecodeError):
            continue
        unnoticed["sqlite_full"] += found != expected
    return unnoticed


def flipped(content: bytes, rng: random.Random) -> bytes:
    """``content`` with one bit another."""
    wrong = bytearray(content)
    bit = rng.randrange(len(wrong) * 8)
    wrong[bit // 8] ^= 1 << bit % 8
    return bytes(wrong)


def main(out: Path, count: int) -> None:
    """Measure and write ``out``."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as place:
        folder = Path(place)
        times = appends(folder)
        unnoticed = flips(folder)
        found = kills(folder / "killed", count)
    setup = f"SQLite {sqlite3.sqlite_version}, kernel {platform.release()}"
    entries: list[dict[str, Any]] = []

    def add(name: str, figure: float, unit: str, n: int, **more: Any) -> None:
        entries.append({"name": name, "value": figure, "unit": unit, "better": "lower", "n": n, "p50": None,
                        "p99": None, "setup": setup, "baseline": None, "ratio": None, **more})  # fmt: skip

    add("killed_changes_lost", found["lost"], "records", count)
    add("killed_settings_wrong", found["wrong"], "settings", count)
    add("killed_half_applied", found["half"], "changes", count)
    add("killed_journals_unsound", found["unsound"], "journals", count)
    add("killed_answers", found["answers"], "outcomes", count, better="")
    add("killed_in_a_change", found["in_a_change"], "kills", count, better="")
    add("killed_in_an_undo", found["in_an_undo"], "kills", count, better="")
    medians = {name: statistics.median(each) for name, each in times.items()}
    for name, each in times.items():
        p99 = statistics.quantiles(each, n=100)[98]
        beside = None if name == "journal" else {"name": "journal", "value": medians["journal"]}
        add(f"{name}_append_us", medians[name], "us", APPENDS, p50=medians[name], p99=p99, baseline=beside)
    for name, missed in unnoticed.items():
        add(f"{name}_wrong_bits_unnoticed", missed, "bits", FLIPS)
    out.write_text(json.dumps(entries, indent=1) + "\n")
    print(json.dumps(found))


if __name__ == "__main__":
    if sys.argv[1:2] == ["work"]:
        try:
            work(Path(sys.argv[2]), int(sys.argv[3]))
        except JepaError as error:
            sys.exit(f"{error}")
    given = sys.argv[1:]
    main(Path(given[0]) if given else Path("build/bench/actions.json"), int(given[1]) if given[1:] else 1000)
