# SPDX-License-Identifier: Apache-2.0
"""Most power cuts are at writes to what decides which system starts, each kind of it in turn."""

import random
import re
import struct
import subprocess
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.unit.tools.disk_files import disk, fat32, fat_entry
from tests.unit.tools.vm.test_write_log import entry
from tests.vm.cutting import Recording
from tests.vm.deciding import JOURNAL, NAMES, TABLE, deciding, journal, names
from tools.partitions import SECTOR, labelled
from tools.vm.emulator import Firmware
from tools.vm.write_log import WriteLog

MKFS, DEBUGFS = "/usr/sbin/mkfs.ext4", "/usr/sbin/debugfs"
LABEL, FOLDER, FILE, LONG_NAME = 0x08, 0x10, 0x20, 0x0F


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A file system like that of /etc and /var."""
    path = tmp_path / "root"
    path.write_bytes(bytes(24 << 20))
    subprocess.run([MKFS, "-q", path], check=True)
    return path


@pytest.fixture
def esp() -> bytes:
    """A file system like that of the kernel images: /EFI has two clusters, in the second one /EFI/LINUX."""
    top = (
        fat_entry(b"ESP        ", LABEL, 0)
        + fat_entry(b"\xe5LD        ", FOLDER, 9)
        + fat_entry(b"A long name", LONG_NAME, 9)
        + fat_entry(b"EFI        ", FOLDER, 3)
    )
    filled = fat_entry(b".          ", FOLDER, 3) + fat_entry(b"..         ", FOLDER, 0)
    filled += fat_entry(b"A          ", FILE, 9) * 14
    linux = fat_entry(b".          ", FOLDER, 6) + fat_entry(b"UKI        ", FILE, 4)
    clusters = [b"".ljust(512, b"\0")] * 8
    clusters[0], clusters[1], clusters[3], clusters[4] = (
        top, filled, fat_entry(b"LINUX      ", FOLDER, 6), linux
    )  # fmt: skip
    return fat32(*clusters, follow={3: 5, 4: 7})


@pytest.fixture
def machine_disk(tmp_path: Path, root: Path, esp: bytes) -> Path:
    path = tmp_path / "disk"
    parts = [("esp", esp), ("jepa-os_1", b"1" * 8192), ("jepa-root", root.read_bytes())]
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


def test_names_of_a_fat_are_its_tables_and_directories_without_the_content_of_files(
    tmp_path: Path, esp: bytes
) -> None:
    path = tmp_path / "fat"
    path.write_bytes(b"before".ljust(512, b"\0") + esp)
    found = {at for place in names(path, 512) for at in range(place.start, place.end, 512)}
    head, data = 512, 512 + 4 * 512
    # clusters 2, 3 with 5, and 6; 4 and 7 are a kernel image, 9 was a directory once
    assert found == {*range(head, data, 512), *(data + 512 * number for number in (0, 1, 3, 4))}
    with pytest.raises(ValueError, match="no FAT32 at 0"):
        list(names(path, 0))


def test_most_cuts_are_at_a_deciding_write_each_kind_in_turn(tmp_path: Path, machine_disk: Path) -> None:
    starts = {
        name: labelled(machine_disk, name).start for name in ("esp", "jepa-os_1", "jepa-root", "_empty")
    }
    first_of_journal = next(journal(machine_disk, starts["jepa-root"])).start
    end, content = machine_disk.stat().st_size, starts["esp"] + 6 * 512
    decide = {
        TABLE: [0, 33 * SECTOR, end - SECTOR],
        NAMES: [starts["esp"], starts["esp"] + 5 * 512],
        JOURNAL: [first_of_journal],
    }
    others = [content, *(starts[name] for name in ("jepa-os_1", "_empty", "jepa-root")), end - (1 << 19)]
    all_of_them = [at for each in decide.values() for at in each]
    found = deciding(machine_disk)
    assert {
        kind: [at for at in all_of_them + others if any(place.has(at) for place in places)]
        for kind, places in found.items()
    } == decide
    # one of each, and the second slot filled meanwhile
    order = [at for each in all_of_them for at in (each, *others, *[starts["_empty"] + 512] * 20)]
    log = tmp_path / "log"
    head = struct.pack("<QQQI", 0x6A736677736872, 1, len(order), 512).ljust(512, b"\0")
    log.write_bytes(head + b"".join(entry(at // SECTOR, b"x" * 512) for at in order))
    firmware = Firmware(machine_disk, machine_disk)
    size = log.stat().st_size
    recording = Recording("update", machine_disk, log, firmware, 0, size, size)
    with closing(WriteLog(log)) as written:
        chosen = [recording.moment(written, n, random.Random(n)) for n in range(1, 400)]
    # at one of them, or at the end, as no flush is asked for before
    for kind, places in decide.items():
        assert {order[at - 1] for at, of in chosen if of == kind and at < len(order)} == set(places)
    counts = Counter(kind for _, kind in chosen)
    assert counts[""] == 79
    assert max(counts[kind] for kind in decide) - min(counts[kind] for kind in decide) <= 3
