# SPDX-License-Identifier: Apache-2.0
"""Kernel files are read whole, as ``cat`` gives them, and stay open between reads."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from jepa.telemetry.sources.base import KernelFile, Rarely

PAGE = 4096
READ_AS_CAT = """
import subprocess, sys
from pathlib import Path
from jepa.telemetry.sources.base import KernelFile, Rarely
file = KernelFile(Path(sys.argv[1]))
for _ in range(2):
    content, cat = file.read(), subprocess.check_output(["cat", sys.argv[1]])
    assert content == cat, (content, cat)
print(len(content))
"""
MOUNT_MANY = """
import ctypes
for _ in range(80):
    assert ctypes.CDLL(None).mount(b"/tmp", b"/mnt", None, 4096, None) == 0
"""


def in_namespace(kind: str, prepare: list[str], path: str) -> int:
    """Bytes of ``path`` in a new namespace after ``prepare``, once it was read twice and compared."""
    python = [sys.executable, "-c", READ_AS_CAT, path]
    both = ["sh", "-e", "-c", f"{shlex.join(prepare)}; exec {shlex.join(python)}"]
    done = subprocess.run(["unshare", kind, *both], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="a namespace needs root")


@needs_root
def test_a_mount_table_of_several_pages_is_whole() -> None:
    assert in_namespace("--mount", [sys.executable, "-c", MOUNT_MANY], "/proc/self/mountinfo") > 2 * PAGE


@needs_root
def test_sixty_interfaces_are_all_there() -> None:
    bridges = ["sh", "-e", "-c", "for i in $(seq 60); do ip link add br$i type bridge; done"]
    assert in_namespace("--net", bridges, "/proc/net/dev") > 60 * 80


@pytest.mark.parametrize(
    "path", ["/proc/self/mountinfo", "/proc/kallsyms", "/proc/self/maps", "/proc/cpuinfo"]
)
def test_this_machines_files_are_as_others_read_them(path: str) -> None:
    assert len(KernelFile(Path(path)).read()) == pytest.approx(len(Path(path).read_bytes()), rel=0.05)


def test_a_file_is_read_from_its_beginning_each_time_and_as_long_as_it_is_then(tmp_path: Path) -> None:
    path = tmp_path / "file"
    file = KernelFile(path)
    for size in (10, 3 * PAGE, PAGE, 0, 10 * PAGE + 1):
        path.write_bytes(b"x" * size)
        assert len(file.read()) == size


def test_after_a_failure_it_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.mkdir()
    file = KernelFile(path)
    with pytest.raises(OSError, match="directory"):
        file.read()
    path.rmdir()
    path.write_bytes(b"back")
    assert file.read() == b"back"


def test_what_is_looked_for_rarely_is_looked_for_once_a_minute() -> None:
    found = iter((False, True))
    rarely = Rarely(lambda: next(found))
    assert [rarely.at(now) for now in (5.0, 64.9, 65.0, 66.0)] == [False, False, True, True]
