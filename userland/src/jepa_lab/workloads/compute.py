# SPDX-License-Identifier: Apache-2.0
"""Programs that use the CPU and memory: bursts, batches, compiling, growing, switching, contending."""

import hashlib
import mmap
import multiprocessing
import os
import shutil
import subprocess
import sys
import sysconfig
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from jepa_lab.workloads.context import MEMORY_LIMIT_MIB, Work

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized
    from multiprocessing.synchronize import Lock


def idle(work: Work) -> None:
    """Nothing: the machine's own quiet."""
    work.sleep(work.left())


def burst(work: Work) -> None:
    """CPU work with a period, as a job that a timer starts: 4-20 s, busy for 20-70 % of it."""
    period = work.rng.uniform(4, 20)
    busy = period * (0.2 + 0.5 * work.level)
    for end in work.cycles(busy, period - busy):
        total = 0
        while time.monotonic() < end:
            total += sum(range(20_000))


def batch(work: Work) -> None:
    """Sort and hash in turn, with short pauses, as a batch job over partitions."""
    size = int(100_000 + 600_000 * work.level)
    while work.left() > 0:
        numbers = [work.rng.random() for _ in range(size)]
        numbers.sort()
        block = os.urandom(4 << 20)
        for _ in range(int(10 + 60 * work.level)):
            hashlib.sha256(block).digest()
        work.sleep(work.rng.uniform(0.2, 3.0))


def compile_storm(work: Work) -> None:
    """Short compiler processes, up to two at once: C where a compiler is found, else Python byte code."""
    sources = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    compiler = shutil.which("gcc") or shutil.which("cc")
    jobs = 1 if work.level < 0.5 else 2
    running: list[subprocess.Popen[bytes]] = []
    number = 0
    while work.left() > 0:
        number += 1
        if compiler and work.rng.random() < 0.5:
            functions = "".join(
                f"double f{i}(double x){{double s=0;for(int j=0;j<{i + 3};j++)s+=x*j/({i}+x);return s;}}\n"
                for i in range(int(100 + 500 * work.level))
            )
            source = work.dir / f"unit{number % 8}.c"
            source.write_text(functions)
            command = [compiler, "-O2", "-c", str(source), "-o", str(source.with_suffix(".o"))]
        else:
            chosen = [str(path) for path in work.rng.sample(sources, 6)]
            command = [sys.executable, "-c", _COMPILE, str(work.dir / "out.pyc"), *chosen]
        running.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))
        if len(running) >= jobs:
            running.pop(0).wait()
        if work.rng.random() < 0.05:  # the linker's turn, or the person thinks
            work.sleep(work.rng.uniform(1, 6))
    for process in running:
        process.wait()


_COMPILE = (
    "import sys, py_compile\n"
    "for file in sys.argv[2:]: py_compile.compile(file, cfile=sys.argv[1], doraise=False)"
)


def memory(work: Work) -> None:
    """Grow in steps, hold, release: as a program that loads data sets one after the other."""
    top_mib = int(MEMORY_LIMIT_MIB * (0.25 + 0.75 * work.level))
    step_mib = work.rng.choice([16, 32, 64])
    while work.left() > 0:
        held: list[mmap.mmap] = []
        target = work.rng.randint(top_mib // 3, top_mib)
        pace = work.rng.uniform(0.1, 0.6)
        while len(held) * step_mib < target and work.left() > 0:
            block = mmap.mmap(-1, step_mib << 20)
            for offset in range(0, len(block), mmap.PAGESIZE):
                block[offset] = 1
            held.append(block)
            work.sleep(pace)
        work.sleep(work.rng.uniform(2, 15))
        for block in held:
            block.close()
        work.sleep(work.rng.uniform(2, 8))


def switches(work: Work) -> None:
    """Two threads passing a byte through pipes: context switches with waves of rest."""
    for end in work.cycles(work.rng.uniform(2, 10), work.rng.uniform(1, 8) * (1.2 - work.level)):
        ask, answer = os.pipe(), os.pipe()

        def echo(read: int = ask[0], write: int = answer[1]) -> None:
            while byte := os.read(read, 1):
                os.write(write, byte)

        thread = threading.Thread(target=echo)
        thread.start()
        while time.monotonic() < end:
            for _ in range(int(20 + 300 * work.level)):
                os.write(ask[1], b"x")
                os.read(answer[0], 1)
            time.sleep(0.005)
        os.close(ask[1])
        thread.join()
        for fd in (ask[0], *answer):
            os.close(fd)


def science(work: Work) -> None:
    """Products of matrices in phases of loading, computing and writing, as a solver's iterations."""
    # Every program is started from this package, in a process of its own: to import this takes most of that.
    import numpy as np

    size = int(150 + 450 * work.level)
    matrix = np.random.default_rng(work.rng.getrandbits(32)).normal(size=(size, size))
    while work.left() > 0:
        end = min(time.monotonic() + work.rng.uniform(2, 9), work.deadline)
        while time.monotonic() < end:
            matrix = matrix @ matrix.T
            matrix /= np.abs(matrix).max()
        np.save(work.dir / "state.npy", matrix)
        work.sleep(work.rng.uniform(0.5, 5))


def forks(work: Work) -> None:
    """Short processes in waves, as a script that calls a tool for each line of a file."""
    wave = work.rng.uniform(3, 12)
    for end in work.cycles(wave, work.rng.uniform(2, 12)):
        while time.monotonic() < end:
            for _ in range(int(1 + 12 * work.level)):
                subprocess.run(["/bin/true"], check=False)
            work.sleep(0.1)


def leak(work: Work) -> None:
    """Memory that grows steadily and is never given back, until the program is started anew."""
    limit_mib = int(MEMORY_LIMIT_MIB * (0.3 + 0.6 * work.level))
    while work.left() > 0:
        held: list[bytearray] = []
        mib_a_second = work.rng.uniform(2, 12) * (0.5 + 2 * work.level)
        while sum(len(block) for block in held) >> 20 < limit_mib and work.left() > 0:
            held.append(bytearray(os.urandom(4096) * int(mib_a_second * 64)))
            work.sleep(0.25)
        held.clear()
        work.sleep(work.rng.uniform(1, 4))


def contention(work: Work) -> None:
    """Two processes that want the same lock most of the time, with phases in which nobody does."""
    lock, end = multiprocessing.Lock(), multiprocessing.Value("d", 0.0)
    other = multiprocessing.Process(
        target=_contend, args=(lock, end, work.deadline, work.level), daemon=True
    )
    other.start()
    for busy_until in work.cycles(work.rng.uniform(3, 10), work.rng.uniform(1, 8)):
        end.value = busy_until
        _take_turns(lock, busy_until, work.level)
    other.kill()
    other.join()


def _contend(lock: "Lock", end: "Synchronized[float]", deadline: float, level: float) -> None:
    while time.monotonic() < deadline:
        _take_turns(lock, end.value, level)
        time.sleep(0.05)


def _take_turns(lock: "Lock", until: float, level: float) -> None:
    while time.monotonic() < until:
        with lock:
            sum(range(int(500 + 4000 * level)))
        sum(range(200))


def ticker(work: Work) -> None:
    """Several small periodic loads whose periods do not divide each other, one on top of the other."""
    parts = [
        (work.rng.uniform(2, 30), work.rng.uniform(0, 10), work.rng.uniform(0.1, 0.6)) for _ in range(3)
    ]
    while work.left() > 0:
        begin = work.elapsed()
        wanted = sum(share for period, phase, share in parts if ((begin + phase) / period) % 1 < 0.4)
        busy = 0.1 * min(1.0, wanted * (0.4 + work.level))
        while work.elapsed() < begin + busy:
            sum(range(2_000))
        work.sleep(begin + 0.1 - work.elapsed())
