# SPDX-License-Identifier: Apache-2.0
"""The fuller of two file systems counts, as programs see it; one that cannot fill up does not."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jepa.telemetry.sources.filesystem import FilesystemSource, is_read_only, used_percent

FUSE = Path(__file__).parents[1] / "fuse.py"


def space(
    *, blocks: int, free: int, available: int, files: int = 0, files_free: int = 0
) -> os.statvfs_result:
    fields: Sequence[int] = (4096, 4096, blocks, free, available, files, files_free, files_free, 0, 255)
    return os.statvfs_result(fields)


def test_space_kept_for_root_counts_as_not_there() -> None:
    assert used_percent(space(blocks=100, free=20, available=0)) == 100
    assert used_percent(space(blocks=100, free=60, available=40)) == 50


def test_a_file_system_without_size_is_absent() -> None:
    assert used_percent(space(blocks=0, free=0, available=0)) is None


def test_the_fuller_of_space_and_inodes_counts() -> None:
    assert used_percent(space(blocks=100, free=90, available=90, files=64, files_free=0)) == 100
    assert used_percent(space(blocks=100, free=20, available=20, files=64, files_free=32)) == 80


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


@pytest.fixture
def mountpoint(host: Any) -> Iterator[Path]:
    """The host's /var, whatever is mounted there taken away at the end."""
    yield host.root / "var"
    subprocess.run(["umount", "--lazy", host.root / "var"], check=False)


@needs_root
def test_a_file_system_out_of_inodes_is_full(host: Any, mountpoint: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100m,nr_inodes=64", "test", mountpoint], check=True)
    with contextlib.suppress(OSError):
        for number in range(64):
            (mountpoint / str(number)).touch()
    assert FilesystemSource(host.root).read(1.0).values["system.filesystem.utilization"] == 100


@needs_root
def test_a_file_system_that_does_not_answer_is_waited_for_once(host: Any, mountpoint: Path) -> None:
    server = subprocess.Popen([sys.executable, FUSE, mountpoint], stdout=subprocess.PIPE)
    source = FilesystemSource(host.root)
    try:
        assert server.stdout is not None and server.stdout.readline()
        assert source.read(1.0).values["system.filesystem.utilization"] >= 25
        threads = threading.active_count()
        server.send_signal(signal.SIGSTOP)
        begin = time.monotonic()
        readings = [source.read(float(now)) for now in range(2, 52)]
        assert time.monotonic() - begin < 2
        assert all(not reading.values for reading in readings)
        assert {reading.reason for reading in readings} == {f"{mountpoint}: the file system does not answer"}
        assert threading.active_count() == threads + 1
        server.send_signal(signal.SIGCONT)
        end = time.monotonic() + 10
        while not source.read(60.0).values:
            assert time.monotonic() < end, "it answers again and is not asked"
    finally:
        server.kill()
        server.wait()
        source.close()


MOUNTS = b"""\
21 1 254:2 / / ro,relatime shared:1 - erofs /dev/mapper/usr ro,user_xattr
22 21 254:3 / /var ro,relatime shared:2 master:7 - ext4 /dev/vda3 rw,discard
23 21 0:5 / /proc rw - proc proc rw
24 22 0:6 / /var/lib ro - tmpfs tmpfs ro
25 21 0:7 / /home\\040two rw - tmpfs tmpfs rw
"""


@pytest.mark.parametrize(
    ("place", "read_only"),
    [
        ("/", True),
        ("/var", False),
        ("/var/log", False),
        ("/var/lib/x", True),
        ("/proc", False),
        ("/srv", True),
    ],
)
def test_the_file_system_counts_and_not_how_a_sandbox_mounts_it(place: str, read_only: bool) -> None:
    assert is_read_only(MOUNTS, PurePosixPath(place)) is read_only


def test_the_last_mount_covers_the_one_below() -> None:
    assert is_read_only(MOUNTS + b"26 21 0:8 / / rw - tmpfs none rw\n", PurePosixPath("/srv")) is False


@given(st.binary(max_size=300))
def test_any_mount_table(content: bytes) -> None:
    assert is_read_only(content, PurePosixPath("/var")) in (True, False, None)


def test_a_sandbox_that_mounts_everything_read_only_still_sees_the_space(tmp_path: Path) -> None:
    """What ProtectSystem=strict does, done here with a mount namespace of our own."""
    script = """
import os, sys
from pathlib import Path
from jepa.telemetry.sources.filesystem import FilesystemSource
assert os.statvfs("/").f_flag & os.ST_RDONLY
print(FilesystemSource(Path("/")).read(1.0).values["system.filesystem.utilization"])
"""
    if FilesystemSource(Path("/")).read(1.0).values == {}:
        pytest.skip("the root of this machine is read-only")
    command = ["unshare", "--mount", "sh", "-c", 'mount -o remount,bind,ro / && exec "$0" -c "$1"']
    done = subprocess.run([*command, sys.executable, script], capture_output=True, text=True)
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip("a mount namespace needs root")
    assert done.returncode == 0, done.stderr
    assert 0 < float(done.stdout) <= 100


def test_real_file_system(host: Any) -> None:
    value = FilesystemSource(host.root).read(1.0).values["system.filesystem.utilization"]
    assert value == pytest.approx(used_percent(os.statvfs(host.root)), abs=2)


def test_a_missing_var_is_said_and_the_root_still_counts(host: Any) -> None:
    (host.root / "var").rmdir()
    reading = FilesystemSource(host.root).read(1.0)
    assert set(reading.values) == {"system.filesystem.utilization"}
    assert "No such file" in reading.reason
