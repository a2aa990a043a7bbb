# SPDX-License-Identifier: Apache-2.0
"""Programs that use files and the network: churn, scans, transactions, logs, backups, a server."""

import http.client
import http.server
import lzma
import math
import os
import sqlite3
import threading
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
        wave = 0.5 + 0.5 * math.sin(phase + time.monotonic() * math.tau / 40)
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


class _Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        size = int(self.path.rsplit("/", 1)[-1])
        body = sum(range(size)).to_bytes(16, "little") * (size // 16 + 1)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def server(work: Work) -> None:
    """An HTTP server and its clients on loopback, whose load swings and jumps."""
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    connection = http.client.HTTPConnection("127.0.0.1", httpd.server_port)
    period, jump_at, factor = work.rng.uniform(15, 60), 0.0, 1.0
    while work.left() > 0:
        now = time.monotonic()
        if now > jump_at:
            factor, jump_at = work.rng.uniform(0.1, 1.0), now + work.rng.uniform(8, 30)
        wave = 0.55 + 0.45 * math.sin(now * math.tau / period)
        for _ in range(int(1 + 25 * work.level * factor * wave)):
            connection.request("GET", f"/{work.rng.choice([500, 5000, 50_000])}")
            connection.getresponse().read()
        work.sleep(0.05)
    connection.close()
    httpd.shutdown()
    httpd.server_close()


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
