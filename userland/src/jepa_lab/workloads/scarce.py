# SPDX-License-Identifier: Apache-2.0
"""Programs that use up what there is: memory until the kernel kills, space until none is left, the disk's
time, a unit's last start.

For small machines made for it, such as our own VM: on any other they end at once.
"""

import mmap
import multiprocessing
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from jepa_lab.workloads.context import Program, Work

_SMALL_MIB = 2048
"""Machines with more memory are not filled up."""
_SMALL_DISK_MIB = 8192
_FULL = 0.97
_MIB = 1 << 20
_EXPENDABLE = "1000"
"""oom_score_adj of what is to be killed first."""


def small_memory(meminfo: str) -> bool:
    """Whether a machine of this /proc/meminfo may have its memory filled up."""
    return int(meminfo.split()[1]) // 1024 <= _SMALL_MIB


def small_disk(total: int) -> bool:
    """Whether a file system of ``total`` bytes may be filled up."""
    return total // _MIB <= _SMALL_DISK_MIB


def hoard(work: Work) -> None:
    """Memory that grows at one pace until the kernel ends it; then a rest, and again."""
    _until_killed(work, lambda: _steadily(work, work.rng.uniform(6, 14) * (0.7 + work.level)))


def balloon(work: Work) -> None:
    """Memory that grows in blows, with a rest after each."""

    def blows() -> Iterator[tuple[int, float]]:
        size, rest = work.rng.choice([24, 48, 64]), work.rng.uniform(2.5, 6) * (1.4 - work.level)
        while True:
            yield size, rest

    _until_killed(work, blows)


def swell(work: Work) -> None:
    """Memory that grows faster and faster, as a queue whose consumer has died."""

    def faster() -> Iterator[tuple[int, float]]:
        size = 1.0 + 2 * work.level
        while True:
            size *= 1.03
            yield max(1, round(size)), 0.5

    _until_killed(work, faster)


def spool(work: Work) -> None:
    """Files that grow at one pace until the disk is full; then they are thrown away."""
    seconds = work.rng.uniform(25, 60) * (1.3 - 0.6 * work.level)
    _fill(work, seconds, 0.5, hold_s=work.rng.uniform(3, 10))


def dump(work: Work) -> None:
    """Large files one after the other, as core dumps that nobody removes."""
    _fill(work, work.rng.uniform(30, 60), work.rng.uniform(4, 8), hold_s=work.rng.uniform(5, 15))


def archive(work: Work) -> None:
    """Files that are allocated whole and written in part, until the disk is full."""
    _fill(work, work.rng.uniform(35, 70), 1.0, hold_s=work.rng.uniform(3, 8), write_mib=4)


def flood(work: Work) -> None:
    """One writer that syncs ever more often, until the disk has time for nothing else; then a rest."""
    _ramp(work, 1)


def stampede(work: Work) -> None:
    """Several writers whose pauses get shorter and shorter."""
    _ramp(work, 3)


def vacuum(work: Work) -> None:
    """A data base that is put in order, table by table: longer and longer reads past the cache."""
    path = work.dir / "table"
    with path.open("wb") as file:
        for _ in range(48):
            file.write(os.urandom(_MIB))
        os.fsync(file.fileno())

    def reader(_: int) -> None:
        with path.open("rb", buffering=0) as table:

            def read() -> None:
                os.posix_fadvise(table.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                os.pread(table.fileno(), 1 << 16, work.rng.randrange(40) * _MIB)

            _busier(work, read)

    _in_threads(3, reader)


def flapping(work: Work) -> None:
    """A service that fails a few seconds after each start, until it is not started any more."""
    life = work.rng.uniform(1, 4) * (1.5 - work.level)
    _service(work, f"sleep {life:.1f}; exit 1", burst=work.rng.randint(3, 7))


def sour(work: Work) -> None:
    """A service with a memory limit, which it outgrows."""
    grow = "import time\nheld = []\nwhile True: held.append(b'x' * (3 << 20)); time.sleep(0.4)"
    limit = work.rng.choice([64, 96, 128])
    _service(work, f'exec {shutil.which("python3")} -c "{grow}"', burst=1, memory=f"{limit}M")


def stumble(work: Work) -> None:
    """A service that lives shorter after each start."""
    lives = "n=$(cat n 2>/dev/null || echo 7); n=$((n - 1)); echo $n > n; sleep $n; exit 1"
    _service(work, f"cd {work.dir}; {lives}", burst=work.rng.randint(4, 6))


SCARCE: dict[str, Program] = {
    program.__name__: program
    for program in (
        hoard, balloon, swell, spool, dump, archive, flood, stampede, vacuum, flapping, sour, stumble
    )
}  # fmt: skip
"""By name."""

Pace = Iterator[tuple[int, float]]
"""MiB to take next, and seconds to rest after it."""


def _steadily(work: Work, mib_a_second: float) -> Pace:
    while True:
        yield max(1, round(mib_a_second / 2)), 0.5


def _until_killed(work: Work, paces: Callable[[], Pace]) -> None:
    if not small_memory(Path("/proc/meminfo").read_text()):
        return
    while work.left() > 0:
        child = multiprocessing.Process(target=_take, args=(paces(), work))
        child.start()
        child.join()
        work.sleep(work.rng.uniform(2, 8))


def _take(pace: Pace, work: Work) -> None:
    Path("/proc/self/oom_score_adj").write_text(_EXPENDABLE)
    held = []
    for mib, rest in pace:
        if work.left() <= 0:
            return
        block = mmap.mmap(-1, mib << 20)
        for offset in range(0, len(block), mmap.PAGESIZE):
            block[offset] = 1
        held.append(block)
        work.sleep(rest)


def _fill(work: Work, seconds: float, step_s: float, *, hold_s: float, write_mib: int = 0) -> None:
    """Take what is left of the disk within ``seconds``, hold it, let go; again and again."""
    space = os.statvfs(work.dir)
    if not small_disk(space.f_blocks * space.f_frsize):
        return
    while work.left() > 0:
        space = os.statvfs(work.dir)
        room = (space.f_bavail - (1 - _FULL) * space.f_blocks) * space.f_frsize
        step = max(_MIB, int(room * step_s / seconds))
        files = []
        for number in range(int(seconds / step_s)):
            if work.left() <= 0:
                break
            path = work.dir / f"part{number}"
            files.append(path)
            with path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, step)
                for _ in range(min(write_mib, step // _MIB)):
                    file.write(bytes(_MIB))
            work.sleep(step_s)
        work.sleep(hold_s)
        for path in files:
            path.unlink()
        work.sleep(work.rng.uniform(4, 12))


def _ramp(work: Work, writers: int) -> None:
    block = os.urandom(1 << 14)

    def writer(number: int) -> None:
        with (work.dir / f"out{number}").open("wb", buffering=0) as file:

            def write() -> None:
                file.seek(work.rng.randrange(512) << 14)
                file.write(block)
                os.fdatasync(file.fileno())

            _busier(work, write)

    _in_threads(writers, writer)


def _in_threads(many: int, what: Callable[[int], None]) -> None:
    threads = [threading.Thread(target=what, args=(number,)) for number in range(many)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _busier(work: Work, once: Callable[[], None]) -> None:
    """Call ``once`` with pauses that shrink to next to nothing, keep on for a while, rest; and again."""
    while work.left() > 0:
        climb, stay = work.rng.uniform(15, 35), work.rng.uniform(6, 15)
        begin = time.monotonic()
        while (since := time.monotonic() - begin) < climb + stay and work.left() > 0:
            once()
            work.sleep(0.3 * 0.02 ** min(1.0, since / climb))
        work.sleep(work.rng.uniform(6, 15))


def _service(work: Work, command: str, *, burst: int, memory: str = "infinity") -> None:
    """Let the service manager run ``command`` until it gives it up, and again after a rest."""
    if not small_memory(Path("/proc/meminfo").read_text()) or not shutil.which("systemd-run"):
        return
    number = 0
    while work.left() > 0:
        number += 1
        unit = f"lab-{work.dir.name}-{number}"
        limits = {
            "Restart": "on-failure" if burst > 1 else "no",
            "RestartSec": "2",
            "StartLimitIntervalSec": "600",
            "StartLimitBurst": str(burst),
            "MemoryMax": memory,
            "RuntimeMaxSec": str(max(1, round(work.left()))),
        }
        properties = [f"--property={name}={value}" for name, value in limits.items()]
        subprocess.run(
            ["systemd-run", "--quiet", f"--unit={unit}", *properties, "sh", "-c", command], check=False
        )
        while work.left() > 0 and _state(unit) not in ("failed", "inactive"):
            work.sleep(1)
        work.sleep(work.rng.uniform(3, 9))
        for verb in ("stop", "reset-failed"):
            subprocess.run(["systemctl", "--quiet", verb, unit], check=False, stderr=subprocess.DEVNULL)


def _state(unit: str) -> str:
    answer = subprocess.run(["systemctl", "is-active", unit], check=False, capture_output=True, text=True)
    return answer.stdout.strip()
