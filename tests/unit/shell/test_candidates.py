# SPDX-License-Identifier: Apache-2.0
"""What a word may become is looked up on the machine: live units, processes, devices."""

import os
import subprocess
from pathlib import Path

import pytest

from jepa.actions.catalogue import TargetKind, catalogue
from jepa.shell.candidates import candidates


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine with units, unit files, processes and devices."""
    for path in (
        "sys/fs/cgroup/system.slice/backup.service/inner.service",
        "sys/fs/cgroup/system.slice/system-getty.slice/getty@tty1.service",
        "sys/fs/cgroup/user.slice/user-1000.slice/session-2.scope",
        "sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice/own.service",
        "etc/systemd/system",
        "usr/lib/systemd/system",
        "sys/block/vda",
        "sys/block/loop0",
        "sys/bus/usb/devices/1-2",
        "sys/bus/usb/devices/1-2:1.0",
    ):
        (tmp_path / path).mkdir(parents=True)
    for name in ("stopped.service", "template@.service", "daily.timer"):
        (tmp_path / "usr/lib/systemd/system" / name).touch()
    for pid, name, command in ((7, "tar", "tar"), (8, "sh", "sh"), (9, "sh", "sh"), (10, "kworker/0", "")):
        folder = tmp_path / f"proc/{pid}"
        folder.mkdir(parents=True)
        (folder / "comm").write_text(f"{name}\n")
        (folder / "cmdline").write_text(command)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["act", "cpu.max", "b"], ["background", "backup.service"]),
        (["act", "cpu.max", "get"], ["getty@tty1.service"]),
        (["act", "cpu.max", "inner"], []),
        (["act", "cpu.max", "own"], []),
        (["act", "cpu.max", "st"], []),
        (["act", "unit.restart", "st"], ["stopped.service"]),
        (["act", "process.nice", ""], ["tar", "7", "8", "9"]),
        (["act", "process.io_class", "7", "id"], ["idle"]),
        (["act", "process.io_class", "7", "idle", ""], []),
        (["act", "--for", "10m", "process.io_class", "7", "id"], ["idle"]),
        (["act", "process.nice", "--for", ""], []),
        (["act", "no.such", ""], []),
        (["act", "vm.swapp"], ["vm.swappiness"]),
        (["act", "vm.swappiness", ""], []),
        (["actions", "vm.swapp"], ["vm.swappiness"]),
        (["actions", "vm.swappiness", ""], []),
        (["run", "--background", "--limit", "pids"], ["pids.max="]),
        (["run", "--background", "vm"], []),
        (["undo", ""], []),
        (["history", ""], []),
        (["grants", "revoke", ""], []),
    ],
    ids=lambda value: " ".join(value),
)
def test_the_last_word_is_completed(root: Path, words: list[str], found: list[str]) -> None:
    assert candidates(words, root=root) == found


def test_targets_of_every_kind_are_found(root: Path) -> None:
    wanted = {TargetKind.TIMER: {"daily.timer"}, TargetKind.DEVICE: {"vda", "1-2"}}
    for action in catalogue().values():
        if action.target in wanted:
            assert set(candidates(["act", action.name, ""], root=root)) == wanted[action.target]


def test_processes_of_this_machine_are_found() -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin and process.stdout
        process.stdin.write(b"runs\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"runs\n"  # before it runs its command line is empty
        found = candidates(["act", "process.nice", ""])
        process.stdin.close()
    assert str(process.pid) in found
    assert str(os.getpid()) in found
