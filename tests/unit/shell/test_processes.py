# SPDX-License-Identifier: Apache-2.0
import os
from pathlib import Path

import pytest

from jepa.shell.processes import ProcessTable, Use, by_unit

TICKS = os.sysconf("SC_CLK_TCK")


class Proc:
    """A /proc of one's own."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(
        self,
        pid: int,
        comm: str,
        cpu_s: float,
        *,
        pages: int = 256,
        group: str = "0::/system.slice/web.service",
        started: int = 100,
        flags: int = 0,
        written: int | None = 0,
        cmdline: bytes = b"",
    ) -> None:
        folder = self.root / "proc" / str(pid)
        folder.mkdir(parents=True, exist_ok=True)
        ticks = round(cpu_s * TICKS)
        rest = f"S 1 1 1 0 -1 {flags} 0 0 0 0 {ticks} 0 0 0 20 0 1 0 {started} 0 {pages} 0"
        (folder / "stat").write_text(f"{pid} ({comm}) {rest}\n")
        (folder / "cgroup").write_text(group + "\n")
        (folder / "cmdline").write_bytes(cmdline)
        if written is not None:
            (folder / "io").write_text(f"rchar: 1\nread_bytes: 0\nwrite_bytes: {written}\n")

    def end(self, pid: int) -> None:
        (self.root / "proc" / str(pid) / "stat").unlink()


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    return Proc(tmp_path)


def looks(proc: Proc, *times: float) -> ProcessTable:
    clock = iter(times)
    return ProcessTable(proc.root, clock=lambda: next(clock))


def test_what_was_used_between_two_looks(proc: Proc) -> None:
    table = looks(proc, 10.0, 12.0)
    proc.put(7, "web", 5.0)
    assert table.look() == []
    proc.put(7, "web", 6.0, written=4096)
    [use] = table.look()
    assert (use.name, use.unit, use.pid) == ("web", "web.service", 7)
    assert use.cpu == pytest.approx(50.0)
    assert use.write == pytest.approx(2.0) and use.read == 0.0
    assert use.memory == pytest.approx(256 * os.sysconf("SC_PAGE_SIZE") / 2**20)


def test_a_pid_that_went_to_another_process_counts_from_its_start(proc: Proc) -> None:
    table = looks(proc, 0.0, 1.0)
    proc.put(7, "old", 500.0)
    table.look()
    proc.put(7, "new", 0.25, started=900)
    [use] = table.look()
    assert use.name == "new" and use.cpu == pytest.approx(25.0)


def test_a_process_that_ended_is_gone(proc: Proc) -> None:
    table = looks(proc, 0.0, 1.0)
    proc.put(7, "web", 1.0)
    proc.put(8, "db", 1.0)
    table.look()
    proc.end(8)
    assert [use.pid for use in table.look()] == [7]


def test_io_that_may_not_be_read_is_not_zero(proc: Proc) -> None:
    table = looks(proc, 0.0, 1.0)
    proc.put(7, "web", 1.0, written=None)
    table.look()
    [use] = table.look()
    assert use.read is None and use.write is None


@pytest.mark.parametrize(
    ("comm", "cmdline", "name"),
    [
        ("python3.11", b"python3\0-u\0/srv/backup.py\0--all\0", "python3.11 backup.py"),
        ("python", b"python\0-m\0http.server\0", "python http.server"),
        ("bash", b"bash\0-c\0while true; do :; done\0", "bash"),
        ("bash", b"-bash\0", "bash"),
        ("web) (x", b"web\0", "web) (x"),
    ],
)
def test_an_interpreter_is_named_by_what_it_runs(proc: Proc, comm: str, cmdline: bytes, name: str) -> None:
    table = looks(proc, 0.0, 1.0)
    proc.put(7, comm, 1.0, cmdline=cmdline)
    table.look()
    assert [use.name for use in table.look()] == [name]


@pytest.mark.parametrize(
    ("group", "flags", "unit"),
    [
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/mail.service", 0, "mail.service"),
        ("12:cpu:/x\n1:name=systemd:/system.slice/db.service", 0, "db.service"),
        ("0::/", 0, ""),
        ("0::/", 0x00200000, "kernel"),
    ],
)
def test_the_unit_is_that_of_the_control_group(proc: Proc, group: str, flags: int, unit: str) -> None:
    table = looks(proc, 0.0, 1.0)
    proc.put(7, "it", 1.0, group=group, flags=flags)
    table.look()
    assert [use.unit for use in table.look()] == [unit]


def test_units_are_the_sum_of_their_processes() -> None:
    uses = [
        Use("a", "web.service", 1, 1, 10.0, 5.0, 1.0, None),
        Use("b", "web.service", 2, 1, 20.0, 6.0, None, None),
        Use("shell", "", 3, 1, 1.0, 1.0, 0.0, 0.0),
    ]
    web, alone = by_unit(uses)
    assert (web.name, web.count, web.cpu, web.memory, web.read, web.write) == (
        "web.service",
        2,
        30.0,
        11.0,
        1.0,
        None,
    )
    assert alone.name == "shell (3)" and alone.pid == 3


def test_without_proc_there_is_nothing(tmp_path: Path) -> None:
    table = ProcessTable(tmp_path)
    assert table.look() == [] and table.look() == []
