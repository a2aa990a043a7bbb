# SPDX-License-Identifier: Apache-2.0
"""Programs that want the same from their first second to their last.

What an action changes is not lost in what they do by themselves: trials of actions are made on them.
"""

import hashlib
import json
import os
import re
import subprocess
import time
import zlib
from collections.abc import Callable
from pathlib import Path

from jepa_lab.workloads.context import Program, Work

_MIB = 1 << 20


def loop(work: Work) -> None:
    """Plain computing, as much as there is or a part of it, ten times a second."""
    share = min(1.0, 0.5 + work.level)
    for end in work.cycles(0.1 * share, 0.1 * (1 - share)):
        while time.monotonic() < end:
            sum(range(2_000))


def digest(work: Work) -> None:
    """Checksums of a block, one after the other."""
    block = os.urandom(_MIB // 4)
    while work.left() > 0:
        hashlib.sha256(block).digest()


def order(work: Work) -> None:
    """The same numbers sorted again and again."""
    numbers = [work.rng.random() for _ in range(int(5_000 + 20_000 * work.level))]
    while work.left() > 0:
        sorted(numbers)


def parse(work: Work) -> None:
    """A document read and written again and again."""
    text = json.dumps([{"id": n, "value": work.rng.random()} for n in range(int(500 + 2_000 * work.level))])
    while work.left() > 0:
        text = json.dumps(json.loads(text))


def match(work: Work) -> None:
    """A pattern looked for in the same lines again and again."""
    words = [f"{work.rng.getrandbits(40):x}" for _ in range(int(2_000 + 4_000 * work.level))]
    pattern = re.compile(r"(?:[a-f]+\d){2,}[a-f]")
    while work.left() > 0:
        for word in words:
            pattern.search(word)


def sieve(work: Work) -> None:
    """Prime numbers, from the first one again and again."""
    most = int(20_000 + 100_000 * work.level)
    while work.left() > 0:
        marks = bytearray([1]) * most
        for number in range(2, int(most**0.5) + 1):
            if marks[number]:
                marks[number * number :: number] = bytes(len(range(number * number, most, number)))


def squeeze(work: Work) -> None:
    """A block compressed again and again."""
    block = b"".join(b"%d " % work.rng.getrandbits(12) for _ in range(40_000))
    while work.left() > 0:
        zlib.compress(block, 6)


def spawn(work: Work) -> None:
    """Short processes at one pace."""
    _paced(work, 2 + 8 * work.level, lambda: subprocess.run(["/bin/true"], check=False))


def ring(work: Work) -> None:
    """A queue in memory: the oldest block is given up for a new one, many times a second."""
    blocks = [b""] * int(20 + 80 * work.level)
    place = 0

    def replace() -> None:
        nonlocal place
        blocks[place % len(blocks)] = bytes(4 * _MIB)
        place += 1

    _paced(work, 8, replace)


def heap(work: Work) -> None:
    """Objects of many sizes, dropped and made anew at random."""
    objects: dict[int, bytearray] = {}

    def replace() -> None:
        objects[work.rng.randrange(200)] = bytearray(
            int((0.5 + 3 * work.level) * work.rng.uniform(0.5, 1.5) * _MIB)
        )

    _paced(work, 15, replace)


def reread(work: Work) -> None:
    """A file read over and over, out of the cache where it fits."""
    path = _file(work, int(60 + 100 * work.level))
    with path.open("rb") as file:

        def read() -> None:
            if not file.read(2 * _MIB):
                file.seek(0)

        _paced(work, 25, read)


def lookup(work: Work) -> None:
    """Small reads at random places of a file, as an index has them."""
    path = _file(work, int(60 + 100 * work.level))
    size = path.stat().st_size
    with path.open("rb", buffering=0) as file:

        def read() -> None:
            for _ in range(40):
                os.pread(file.fileno(), 16_384, work.rng.randrange(size - 16_384))

        _paced(work, 25, read)


def append(work: Work) -> None:
    """Blocks written and synced at one pace, into a file that starts again at 64 MiB."""
    block, size = os.urandom(_MIB // 2), int(1 + 3 * work.level)
    with (work.dir / "out").open("wb", buffering=0) as file:

        def write() -> None:
            for _ in range(size):
                file.write(block)
            os.fsync(file.fileno())
            if file.tell() > 64 * _MIB:
                file.seek(0)

        _paced(work, 6, write)


def rewrite(work: Work) -> None:
    """A file written over in place and left to the kernel to write back."""
    path = _file(work, 40)
    block = os.urandom(_MIB)
    with path.open("r+b", buffering=0) as file:

        def write() -> None:
            file.seek(work.rng.randrange(40) * _MIB)
            file.write(block)

        _paced(work, 4 + 8 * work.level, write)


def records(work: Work) -> None:
    """Small records appended, each synced before the next."""
    with (work.dir / "records").open("wb", buffering=0) as file:

        def write() -> None:
            file.write(b"x" * int(200 + 4_000 * work.level))
            os.fdatasync(file.fileno())

        _paced(work, 20, write)


def _file(work: Work, mib: int) -> Path:
    path = work.dir / "data"
    block = os.urandom(_MIB)
    with path.open("wb") as file:
        for _ in range(mib):
            file.write(block)
    return path


def _paced(work: Work, a_second: float, once: Callable[[], object]) -> None:
    """Call ``once`` so often; what is denied now is not caught up with later."""
    while work.left() > 0:
        due = time.monotonic() + 1 / a_second
        once()
        work.sleep(due - time.monotonic())


STEADY: dict[str, Program] = {
    program.__name__: program
    for program in (
        loop, digest, order, parse, match, sieve, squeeze, spawn, ring, heap, reread, lookup, append,
        rewrite, records,
    )
}  # fmt: skip
"""By name; as with other programs, those of held-out and validation sessions are never trained on."""
