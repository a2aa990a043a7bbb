# SPDX-License-Identifier: Apache-2.0
"""No event is lost or counted twice: each counter grows by what the kernel's own file says, read around it.

The file is read before and after each reading of the counter, so the true growth lies between the inner
and the outer difference. A comparison of nothing fails.
"""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jepa.telemetry.bpf.objects import BpfObject, KernelTypes


@pytest.fixture
def load(programs: Path) -> Iterator[Callable[[str], BpfObject]]:
    types = KernelTypes()
    loaded: list[BpfObject] = []

    def loading(name: str) -> BpfObject:
        loaded.append(BpfObject(programs / f"{name}.bpf.o", types))
        return loaded[-1]

    yield loading
    for each in loaded:
        each.close()
    types.close()


def bracketed(
    counter: Callable[[], int], file: Callable[[], int], work: Callable[[], object], least: int = 1
) -> None:
    """``counter`` must grow during ``work`` by what ``file`` says, give or take what happens meanwhile."""
    outer_before = settled(file)
    start, inner_before = counter(), file()
    work()
    inner_after = settled(file)
    end, outer_after = counter(), file()
    grown = end - start
    assert grown >= least, "nothing was compared"
    assert inner_after - inner_before <= grown <= outer_after - outer_before


def settled(file: Callable[[], int]) -> int:
    """What ``file`` says, once whatever it had counted has come by the program too, a moment later."""
    value = file()
    time.sleep(0.05)
    return value


def field(loaded: BpfObject, name: str) -> Callable[[], int]:
    place = loaded.layout[name]
    return lambda: int(loaded.totals()[place.start : place.start + place.words].sum())


def stat(name: str) -> Callable[[], int]:
    def read() -> int:
        lines = Path("/proc/stat").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{name} "))

    return read


def processes(count: int) -> Callable[[], object]:
    return lambda: subprocess.run(["sh", "-c", f"for i in $(seq {count}); do /bin/true; done"], check=True)


def test_context_switches(load: Callable[[str], BpfObject]) -> None:
    bracketed(field(load("sched"), "switches"), stat("ctxt"), processes(200), least=200)


def test_every_switch_to_a_task_is_a_wait_of_some_length(load: Callable[[str], BpfObject]) -> None:
    loaded = load("sched")
    processes(100)()
    waits, switches = field(loaded, "waits")(), field(loaded, "switches")()
    assert 100 < waits <= switches


def test_forks(load: Callable[[str], BpfObject]) -> None:
    bracketed(field(load("process"), "forked"), stat("processes"), processes(300), least=300)


def test_short_processes_that_no_poll_would_see(load: Callable[[str], BpfObject]) -> None:
    loaded = load("process")
    before = {
        name: field(loaded, name)() for name in ("exited", "short_lived", "failed", "killed", "lifetime")
    }
    subprocess.run(["sh", "-c", "for i in $(seq 50); do /bin/true; /bin/false; done; exit 0"], check=True)
    subprocess.run(["sh", "-c", "kill -9 $$"], check=False)
    grown = {name: field(loaded, name)() - value for name, value in before.items()}
    assert grown["exited"] >= 102
    assert grown["short_lived"] >= 102
    assert 50 <= grown["failed"] <= 55
    assert 1 <= grown["killed"] <= 3
    assert grown["lifetime"] == grown["exited"]


def test_fifty_thousand_processes_a_minute_are_all_counted(load: Callable[[str], BpfObject]) -> None:
    loaded = load("process")
    fork = ["sh", "-c", "for i in $(seq 2500); do (:); done"]  # which is the quickest way to have many
    start = time.monotonic()
    bracketed(
        field(loaded, "forked"), stat("processes"), lambda: subprocess.run(fork, check=True), least=2500
    )
    rate = 60 * 2500 / (time.monotonic() - start)
    assert rate > 50_000, f"only {rate:.0f} processes a minute were tried"


def disk_operations() -> int:
    """Completed operations of all disks, without their partitions."""
    total = 0
    for line in Path("/proc/diskstats").read_text().splitlines():
        fields = line.split()
        if (Path("/sys/block") / fields[2]).exists():
            total += sum(int(fields[column]) for column in (3, 7, 14) if column < len(fields))
    return total


def direct_writes(file: Path, count: int) -> None:
    """That many writes of 64 KiB, each of which is a request of its own."""
    command = ["dd", "if=/dev/zero", f"of={file}", "bs=64k", f"count={count}", "oflag=direct"]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        pytest.skip(f"no direct I/O here: {done.stderr}")


def one_of_three(attempt: Callable[[], None]) -> None:
    """Passes when one of three attempts does.

    At times, 11 of 380 seen with 6.18 on a busy virtual machine, the kernel counts some of a hundred
    requests without coming by its tracepoint block_io_done: neither this program runs then, nor one of
    bpftrace. What is lost by us is lost each time.
    """
    for last in (False, False, True):
        os.sync()
        try:
            return attempt()
        except AssertionError:
            if last:
                raise


def test_disk_operations(load: Callable[[str], BpfObject], tmp_path: Path) -> None:
    loaded = load("block")
    one_of_three(
        lambda: bracketed(
            field(loaded, "done"), disk_operations, lambda: direct_writes(tmp_path / "file", 100), least=100
        )
    )
    assert loaded.map("devices").items()


def test_a_disk_operation_takes_time_and_has_a_size(
    load: Callable[[str], BpfObject], tmp_path: Path
) -> None:
    loaded = load("block")

    def words() -> list[int]:
        found = [value for key, value in loaded.map("devices").items() if key[4:8] == b"\1\0\0\0"]
        return (
            [int.from_bytes(found[0][8 * n : 8 * n + 8], "little") for n in range(55)] if found else [0] * 55
        )

    def attempt() -> None:
        before = words()
        direct_writes(tmp_path / "file", 50)
        grown = [now - then for now, then in zip(words(), before, strict=True)]
        done, latency, size = grown[0], grown[1:28], grown[28:55]
        assert done == sum(latency) >= 50
        assert size[7] >= 50, "64 KiB lies in slot 7"

    one_of_three(attempt)


def snmp(name: str) -> Callable[[], int]:
    def read() -> int:
        names, numbers = [
            line.split()
            for line in Path("/proc/net/snmp").read_text().splitlines()
            if line.startswith("Tcp:")
        ]
        return int(numbers[names.index(name)])

    return read


def connections(count: int) -> Callable[[], object]:
    def connect() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            for _ in range(count):
                with socket.create_connection(server.getsockname()):
                    server.accept()[0].close()

    return connect


def test_connections_opened_and_accepted(load: Callable[[str], BpfObject]) -> None:
    loaded = load("tcp")
    bracketed(field(loaded, "active"), snmp("ActiveOpens"), connections(50), least=50)
    bracketed(field(loaded, "passive"), snmp("PassiveOpens"), connections(50), least=50)
    assert field(loaded, "connect")() >= 100
    assert field(loaded, "round_trip")() >= 100


def test_softirqs(load: Callable[[str], BpfObject]) -> None:
    loaded = load("irq")
    bracketed(field(loaded, "softirqs"), stat("softirq"), connections(200), least=100)
    assert field(loaded, "softirq_ns")() > 0
