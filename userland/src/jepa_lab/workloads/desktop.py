# SPDX-License-Identifier: Apache-2.0
"""Programs as a person's day has them: developing, watching, browsing, and jobs that a timer starts."""

import hashlib
import os
import subprocess
import sys
import sysconfig
import time
import zlib
from pathlib import Path

from jepa_lab.workloads.context import Work


def developer(work: Work) -> None:
    """Think, edit and save, run the tests, think again: pauses whose length is log-normal."""
    sources = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    while work.left() > 0:
        work.sleep(min(25.0, work.rng.lognormvariate(1.2, 0.8)))
        for _ in range(work.rng.randint(1, 4)):
            (work.dir / "module.py").write_bytes(work.rng.choice(sources).read_bytes())
            work.sleep(work.rng.uniform(0.3, 1.5))
        command = [sys.executable, "-c", _TESTS, str(int(1 + 8 * work.level)), str(work.dir / "module.py")]
        subprocess.run(command, stderr=subprocess.DEVNULL, timeout=max(0.1, work.left() + 1), check=False)


_TESTS = (
    "import ast, sys\n"
    "text = open(sys.argv[2]).read()\n"
    "for _ in range(int(sys.argv[1])):\n"
    "    tree = ast.parse(text); compile(tree, 'module', 'exec'); ast.dump(tree)"
)


def media(work: Work) -> None:
    """Pictures decoded 24 times a second, with a dearer one at each scene and the sound beside them."""
    frame = zlib.compress(os.urandom(int(20_000 + 150_000 * work.level)) * 2, 1)
    scene, due, number = work.rng.randint(30, 120), 0.0, 0
    while work.left() > 0:
        due += 1 / 24
        number += 1
        for _ in range(6 if number % scene == 0 else 1):
            hashlib.blake2b(zlib.decompress(frame)).digest()
        work.sleep(due - work.elapsed())
        if work.elapsed() > due + 1:  # too slow: pictures are left out
            due = work.elapsed()


def browser(work: Work) -> None:
    """Pages opened and read: a burst of parsing, small files and memory, then quiet."""
    cache = work.dir / "cache"
    cache.mkdir()
    pages: list[bytearray] = []
    while work.left() > 0:
        size = int(work.rng.lognormvariate(1.5, 0.6) * (1 + 3 * work.level))
        pages.append(bytearray(os.urandom(1 << 20) * size))
        end = time.monotonic() + work.rng.uniform(0.2, 1.0) * (0.5 + work.level)
        while time.monotonic() < end:
            sum(map(ord, "<p>" * 2000))
        for number in range(work.rng.randint(3, 30)):
            (cache / str(work.rng.randrange(200))).write_bytes(os.urandom(2000 + 100 * number))
        if len(pages) > 12:
            pages.pop(0)
        work.sleep(min(40.0, work.rng.lognormvariate(1.8, 0.9)))


def cron(work: Work) -> None:
    """Jobs that timers start: each of a few has a period, a phase and a cost of its own."""
    jobs = [
        (work.rng.uniform(5, 40), work.rng.uniform(0, 20), work.rng.uniform(0.1, 2.5) * (0.3 + work.level))
        for _ in range(work.rng.randint(2, 5))
    ]
    due = [phase for _, phase, _ in jobs]
    while work.left() > 0:
        for number, (period, _, cost) in enumerate(jobs):
            if work.elapsed() >= due[number]:
                due[number] += period
                end = time.monotonic() + cost
                content = os.urandom(1 << 20)
                while time.monotonic() < end and work.left() > 0:
                    hashlib.sha256(content).digest()
                (work.dir / f"report{number}").write_bytes(content)
        work.sleep(0.1)
