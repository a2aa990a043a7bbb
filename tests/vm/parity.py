# SPDX-License-Identifier: Apache-2.0
"""Run in a guest as root: do programs count what the files of this kernel count? Prints a line a counter.

Usage: parity.py LIBRARY PROGRAMS. Each line is ``name least most counted``.
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, sys.argv[1])

from jepa.telemetry.bpf.objects import BpfObject, KernelTypes

OOM = "x=a; while :; do x=$x$x; done"


def line_of(path: str, name: str) -> Callable[[], int]:
    def read() -> int:
        lines = (line.split() for line in Path(path).read_text().splitlines())
        return next(int(words[1]) for words in lines if words and words[0] == name)

    return read


def tcp(name: str) -> Callable[[], int]:
    def read() -> int:
        lines = [line.split() for line in Path("/proc/net/snmp").read_text().splitlines()]
        names, numbers = (words for words in lines if words[0] == "Tcp:")
        return int(numbers[names.index(name)])

    return read


def disk() -> int:
    words = next(
        line.split() for line in Path("/proc/diskstats").read_text().splitlines() if " vda " in line
    )
    return sum(int(words[column]) for column in (3, 7, 14))  # reads, writes, discards


def allocstalls() -> int:
    lines = (line.split() for line in Path("/proc/vmstat").read_text().splitlines())
    return sum(int(number) for name, number in lines if name.startswith("allocstall_"))


def connect() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        for _ in range(20):
            with socket.create_connection(server.getsockname()):
                server.accept()[0].close()


def processes() -> None:
    for _ in range(30):
        subprocess.run(["/bin/true"], check=True)


def read_disk() -> None:
    fd = os.open("/dev/vda", os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    for block in range(50):
        os.pread(fd, 65536, block * 4 * 2**20)
    os.close(fd)
    os.sync()


def kill_for_memory() -> None:
    command = ["systemd-run", "--wait", "--quiet", "-p", "MemoryMax=24M", "-p", "MemorySwapMax=0"]
    subprocess.run([*command, "bash", "-c", OOM], check=False)


CASES: tuple[tuple[str, str, Callable[[], int], Callable[[], None]], ...] = (
    ("sched", "switches", line_of("/proc/stat", "ctxt"), processes),
    ("process", "forked", line_of("/proc/stat", "processes"), processes),
    ("block", "done", disk, read_disk),
    ("tcp", "active", tcp("ActiveOpens"), connect),
    ("tcp", "passive", tcp("PassiveOpens"), connect),
    ("irq", "softirqs", line_of("/proc/stat", "softirq"), connect),
    ("memory", "oom_kills", line_of("/proc/vmstat", "oom_kill"), kill_for_memory),
)


def settled(file: Callable[[], int]) -> int:
    """What ``file`` says, once whatever it had counted has come by the program too, a moment later."""
    value = file()
    time.sleep(0.5)
    return value


def main() -> None:
    types = KernelTypes()
    for name, field, file, work in CASES:
        loaded = BpfObject(Path(sys.argv[2]) / f"{name}.bpf.o", types)
        place = loaded.layout[field]

        def counted(loaded: BpfObject = loaded, start: int = place.start, words: int = place.words) -> int:
            return int(loaded.totals()[start : start + words].sum())

        outer_before = settled(file)
        start, inner_before = counted(), file()
        work()
        inner_after = settled(file)
        end, outer_after = counted(), file()
        print(
            f"{name}.{field}",
            inner_after - inner_before,
            outer_after - outer_before,
            end - start,
            flush=True,
        )
        loaded.close()


main()
