# SPDX-License-Identifier: Apache-2.0
"""Programs that use files: churn, scans, databases, logs, backups, mail, trees of small files."""

import io
import lzma
import math
import os
import shutil
import sqlite3
import tarfile
import time
import zlib
from pathlib import Path

from jepa_lab.workloads.context import DISK_LIMIT_MIB, Work

_BLOCK = 1 << 20


def _fill(path: Path, mib: int, work: Work, text: bool = False) -> None:
    words = [f"{work.rng.getrandbits(40):x} " for _ in range(400)]
    with path.open("wb") as file:
        for _ in range(mib):
            if work.left() <= 0:
                return
            block = "".join(work.rng.choices(words, k=60_000)).encode() if text else os.urandom(_BLOCK)
            file.write(block[:_BLOCK])


def churn(work: Work) -> None:
    """Write files, fsync them, delete them, with rests: as a build cache or a mail queue."""
    mib = int(4 + 40 * work.level)
    number = 0
    while work.left() > 0:
        path = work.dir / f"part{number % 4}"
        number += 1
        with path.open("wb") as file:
            for _ in range(mib):
                file.write(os.urandom(_BLOCK))
            file.flush()
            os.fsync(file.fileno())
        if work.rng.random() < 0.3:
            path.unlink()
        work.sleep(work.rng.uniform(0.2, 4.0) * (1.3 - work.level))


def scan(work: Work) -> None:
    """Read files from the disk, not from the cache, in passes: as a search or a virus scanner."""
    mib = int(30 + (DISK_LIMIT_MIB - 30) * work.level)
    path = work.dir / "data"
    _fill(path, mib, work)
    with path.open("rb") as file:
        os.fsync(file.fileno())
        while work.left() > 0:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            file.seek(0)
            pace = work.rng.uniform(0.0, 0.05)
            while work.left() > 0 and file.read(_BLOCK):
                time.sleep(pace)
            work.sleep(work.rng.uniform(0.5, 8.0))


def transactions(work: Work) -> None:
    """SQLite: inserts in transactions with fsync, range queries, now and then a vacuum."""
    database = sqlite3.connect(work.dir / "shop.db")
    database.execute("create table sale (id integer primary key, customer int, price real, note text)")
    database.execute("create index by_customer on sale (customer)")
    rows = int(20 + 400 * work.level)
    phase = work.rng.uniform(0, math.tau)
    while work.left() > 0:
        wave = 0.5 + 0.5 * math.sin(phase + work.elapsed() * math.tau / 40)
        with database:
            database.executemany(
                "insert into sale (customer, price, note) values (?, ?, ?)",
                [
                    (work.rng.randrange(5000), work.rng.random(), f"{work.rng.getrandbits(256):x}")
                    for _ in range(rows)
                ],
            )
        low = work.rng.randrange(5000)
        database.execute(
            "select customer, sum(price) from sale where customer between ? and ? group by 1",
            (low, low + 200),
        ).fetchall()
        if (work.dir / "shop.db").stat().st_size > 60 * _BLOCK:
            with database:
                database.execute("delete from sale where id % 2")
            database.execute("vacuum")
        work.sleep((1.1 - wave) * (1.2 - work.level) * 0.3)
    database.close()


def log(work: Work) -> None:
    """Lines to a log that is flushed now and then and rotated at 20 MiB; bursts as of an error loop."""
    path = work.dir / "messages"
    while work.left() > 0:
        burst = work.rng.random() < 0.15
        lines = int((2000 if burst else 40) * (0.2 + work.level))
        with path.open("a") as file:
            for _ in range(lines):
                file.write(f"{time.time()} worker[{lines}]: {work.rng.getrandbits(400):x}\n")
            if work.rng.random() < 0.2:
                file.flush()
                os.fsync(file.fileno())
        if path.stat().st_size > 20 * _BLOCK:
            path.replace(work.dir / "messages.1")
        work.sleep(work.rng.uniform(0.1, 0.8))


def backup(work: Work) -> None:
    """Compress a tree of text files, in runs with pauses: deflate, now and then xz."""
    files = [work.dir / f"doc{i}" for i in range(6)]
    for path in files:
        _fill(path, int(2 + 10 * work.level), work, text=True)
    while work.left() > 0:
        for path in files:
            small = work.rng.random() < 0.3
            with path.open("rb") as source, (work.dir / "out").open("wb") as target:
                squeeze = lzma.LZMACompressor(preset=1) if small else zlib.compressobj(6)
                while work.left() > 0 and (block := source.read(_BLOCK // 4)):
                    target.write(squeeze.compress(block))
                target.write(squeeze.flush())
            if work.left() <= 0:
                return
        work.sleep(work.rng.uniform(4, 20))


def mail(work: Work) -> None:
    """Small files written, synced, moved into place and later removed, as a mail server's Maildir."""
    spool, box = work.dir / "tmp", work.dir / "new"
    spool.mkdir()
    box.mkdir()
    kept: list[Path] = []
    number = 0
    while work.left() > 0:
        for _ in range(work.rng.randint(1, int(2 + 25 * work.level))):
            number += 1
            path = spool / f"{number}"
            with path.open("wb") as file:
                file.write(os.urandom(int(work.rng.lognormvariate(9, 1.2)) % 200_000))
                file.flush()
                os.fsync(file.fileno())
            kept.append(path.replace(box / path.name))
        while len(kept) > 300:
            kept.pop(work.rng.randrange(len(kept))).unlink()
        work.sleep(work.rng.expovariate(1.5 + 3 * work.level))


def unpack(work: Work) -> None:
    """An archive of many small files unpacked, walked through and deleted, as an installation does."""
    archive = work.dir / "tree.tar"
    with tarfile.open(archive, "w") as tar:
        for number in range(int(300 + 1500 * work.level)):
            content = os.urandom(min(30_000, int(work.rng.lognormvariate(7.5, 1.3))))
            entry = tarfile.TarInfo(f"tree/{number % 40}/{number}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    while work.left() > 0:
        with tarfile.open(archive) as tar:
            for entry in tar:
                if work.left() <= 0:
                    return
                # Not extract(): Pythons before 3.11.4 have no filter, later ones want one.
                path = work.dir / entry.name
                path.parent.mkdir(parents=True, exist_ok=True)
                member = tar.extractfile(entry)
                assert member is not None, "there are only files in it"
                path.write_bytes(member.read())
        work.sleep(work.rng.uniform(0.5, 4))
        sum(path.stat().st_size for path in (work.dir / "tree").rglob("*"))
        work.sleep(work.rng.uniform(0.5, 2))
        shutil.rmtree(work.dir / "tree")
        work.sleep(work.rng.uniform(2, 12))


def search(work: Work) -> None:
    """Walk through the system's own files and read some of them for a word, as find and grep do."""
    roots = [Path("/usr/lib"), Path("/usr/share"), Path("/usr/include"), Path("/etc")]
    while work.left() > 0:
        root = work.rng.choice(roots)
        read = 0
        for folder, _, names in os.walk(root):
            for name in names:
                if work.left() <= 0:
                    return
                if name.endswith((".py", ".h", ".conf", ".txt")) and work.rng.random() < work.level:
                    try:
                        read += (Path(folder) / name).read_bytes().count(b"return")
                    except OSError:
                        continue
            time.sleep(0.002)
        work.sleep(work.rng.uniform(1, 10))


def etl(work: Work) -> None:
    """Tables read from text, joined, added up and written again, partition after partition."""
    path = work.dir / "in.csv"
    lines = int(5_000 + 60_000 * work.level)
    while work.left() > 0:
        with path.open("w") as file:
            for number in range(lines):
                file.write(f"{number},{work.rng.randrange(500)},{work.rng.random():.5f}\n")
        sums: dict[str, float] = {}
        with path.open() as rows:
            for row in rows:
                _, key, value = row.split(",")
                sums[key] = sums.get(key, 0.0) + float(value)
        (work.dir / "out.csv").write_text("".join(f"{key},{sums[key]}\n" for key in sorted(sums)))
        work.sleep(work.rng.uniform(0.5, 6))


def sync(work: Work) -> None:
    """Two trees compared by checksum and what differs copied, every so often, as rsync does."""
    source, copy = work.dir / "source", work.dir / "copy"
    source.mkdir()
    copy.mkdir()
    names = [f"file{number}" for number in range(24)]
    for name in names:
        _fill(source / name, int(1 + 2 * work.level), work)
    period = work.rng.uniform(6, 20)
    while work.left() > 0:
        begin = work.elapsed()
        for name in work.rng.sample(names, 5):
            with (source / name).open("r+b") as file:
                file.write(os.urandom(4096))
        for name in names:
            if work.left() <= 0:
                return
            content = (source / name).read_bytes()
            target = copy / name
            if not target.exists() or zlib.crc32(target.read_bytes()) != zlib.crc32(content):
                target.write_bytes(content)
        work.sleep(max(0.1, period - (work.elapsed() - begin)))


def wal(work: Work) -> None:
    """SQLite with a write-ahead log that is checkpointed at intervals: steady writes and periodic floods."""
    database = sqlite3.connect(work.dir / "meter.db", isolation_level=None)
    database.execute("pragma journal_mode = wal")
    database.execute("pragma synchronous = normal")
    database.execute("pragma wal_autocheckpoint = 0")
    database.execute("create table reading (at real, sensor int, value real)")
    every, checkpoint_at = work.rng.uniform(5, 15), 0.0
    while work.left() > 0:
        rows = [(work.elapsed(), sensor, work.rng.random()) for sensor in range(int(50 + 1500 * work.level))]
        database.execute("begin")
        database.executemany("insert into reading values (?, ?, ?)", rows)
        database.execute("commit")
        if work.elapsed() >= checkpoint_at:
            checkpoint_at = work.elapsed() + every
            database.execute("pragma wal_checkpoint(truncate)")
            if (work.dir / "meter.db").stat().st_size > 80 * _BLOCK:
                database.execute("delete from reading")
        work.sleep(work.rng.uniform(0.05, 0.4))
    database.close()
