# SPDX-License-Identifier: Apache-2.0
"""Power cuts are chosen by writes to what decides which system starts, and by no others."""

import random
import re
import struct
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.unit.tools.disk_files import disk
from tests.unit.tools.vm.test_write_log import entry
from tests.vm.cutting import Recording
from tests.vm.deciding import deciding, journal
from tools.partitions import SECTOR, labelled
from tools.vm.emulator import Firmware
from tools.vm.write_log import WriteLog

MKFS, DEBUGFS = "/usr/sbin/mkfs.ext4", "/usr/sbin/debugfs"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A file system like that of /etc and /var."""
    path = tmp_path / "root"
    path.write_bytes(bytes(24 << 20))
    subprocess.run([MKFS, "-q", path], check=True)
    return path


@pytest.fixture
def machine_disk(tmp_path: Path, root: Path) -> Path:
    path = tmp_path / "disk"
    parts = [("esp", b"e" * 8192), ("jepa-os_1", b"1" * 8192), ("jepa-root", root.read_bytes())]
    parts.append(("_empty", b"2" * 8192))
    path.write_bytes(disk(*((label, uuid.uuid4(), content) for label, content in parts)) + bytes(1 << 20))
    return path


def journal_blocks(root: Path) -> Iterator[int]:
    """As e2fsprogs tells them."""
    said = subprocess.run([DEBUGFS, "-R", "blocks <8>", root], capture_output=True, text=True, check=True)
    return map(int, said.stdout.split())


def test_the_journal_is_found_where_it_is(root: Path) -> None:
    said = subprocess.run([DEBUGFS, "-R", "stats", root], capture_output=True, text=True, check=True)
    size = re.search(r"Block size:\s+(\d+)", said.stdout)
    assert size
    found = [number for place in journal(root, 0) for number in range(place.start, place.end, int(size[1]))]
    assert found == [number * int(size[1]) for number in journal_blocks(root)]
    assert len(found) >= 1024


def test_what_is_no_file_system_has_no_journal(tmp_path: Path) -> None:
    (tmp_path / "none").write_bytes(bytes(4096))
    with pytest.raises(ValueError, match="no ext4 at 0"):
        list(journal(tmp_path / "none", 0))


def test_each_second_cut_is_at_a_deciding_write(tmp_path: Path, machine_disk: Path) -> None:
    starts = {
        name: labelled(machine_disk, name).start for name in ("esp", "jepa-os_1", "jepa-root", "_empty")
    }
    first_of_journal = next(journal(machine_disk, starts["jepa-root"])).start
    end = machine_disk.stat().st_size
    decide = [0, 33 * SECTOR, end - SECTOR, starts["esp"], starts["esp"] + 4096, first_of_journal]
    others = [
        starts["jepa-os_1"],
        starts["_empty"],
        starts["_empty"] + 4096,
        starts["jepa-root"],
        end - (1 << 19),
    ]
    assert [at for at in decide + others if any(place.has(at) for place in deciding(machine_disk))] == decide
    # one of each, and the second slot filled meanwhile
    order = [at for each in decide for at in (each, *others, *[starts["_empty"] + 512] * 20)]
    log = tmp_path / "log"
    head = struct.pack("<QQQI", 0x6A736677736872, 1, len(order), 512).ljust(512, b"\0")
    log.write_bytes(head + b"".join(entry(at // SECTOR, b"x" * 512) for at in order))
    firmware = Firmware(machine_disk, machine_disk)
    size = log.stat().st_size
    recording = Recording("update", machine_disk, log, firmware, 0, size, size)
    with closing(WriteLog(log)) as written:
        chosen = [recording.moment(written, n, random.Random(n)) for n in range(1, 400, 2)]
    # at one of them, or at the end, as no flush is asked for before
    assert {order[at - 1] for at in chosen if at < len(order)} == set(decide)
