# SPDX-License-Identifier: Apache-2.0
"""The places on a disk that decide which system starts, and what state it then finds."""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.partitions import SECTOR, labelled

ESP, ROOT = "esp", "jepa-root"
TABLE_SECTORS = 34
"""Of a partition table, at the beginning and with one less at the end of the disk."""
TABLE, NAMES, JOURNAL = "table", "names", "journal"
_SUPERBLOCK = 1024
_BLOCKS_OF_JOURNAL = 0x10C
"""Where the superblock of ext4 keeps a copy of what the journal's inode says of its blocks."""
_EXTENTS = 0xF30A
_FAT32 = b"FAT32   "
_LAST = 0x0FFFFFF8
"""From here on a cluster's entry says that none follows."""
_LONG_NAME, _DIRECTORY = 0x0F, 0x10


@dataclass(frozen=True, slots=True)
class Place:
    """Bytes from `start` to before `end`."""

    start: int
    end: int

    def has(self, at: int) -> bool:
        """Whether a write that begins `at` is to here."""
        return self.start <= at < self.end


def deciding(disk: Path) -> dict[str, list[Place]]:
    """The partition table, the names on what the firmware starts from, and the journal of /etc and /var.

    All else is written before one of these says that it is there: a slot before its label, a kernel image
    before its name, a file before the journal has its inode.
    """
    size = disk.stat().st_size
    return {
        TABLE: [Place(0, TABLE_SECTORS * SECTOR), Place(size - (TABLE_SECTORS - 1) * SECTOR, size)],
        NAMES: list(names(disk, labelled(disk, ESP).start)),
        JOURNAL: list(journal(disk, labelled(disk, ROOT).start)),
    }


def names(disk: Path, start: int) -> Iterator[Place]:
    """All but the files' content of the FAT32 that begins at `start`: its head, its tables, its directories.

    ValueError when it is none.
    """
    with disk.open("rb") as file:
        head = os.pread(file.fileno(), 512, start)
        if head[82:90] != _FAT32:
            raise ValueError(f"{disk} has no FAT32 at {start}")
        sector, per_cluster, reserved, tables = struct.unpack_from("<HBHB", head, 11)
        length, _, root = struct.unpack_from("<III", head, 36)
        cluster, begin = sector * per_cluster, start + (reserved + tables * length) * sector
        table = os.pread(file.fileno(), length * sector, start + reserved * sector)
        yield Place(start, begin)
        unread = [root]
        while unread:
            number = unread.pop()
            content = b""
            while 2 <= number < _LAST:
                at = begin + (number - 2) * cluster
                yield Place(at, at + cluster)
                content += os.pread(file.fileno(), cluster, at)
                number = struct.unpack_from("<I", table, 4 * number)[0] & 0x0FFFFFFF
            unread += _below(content)


def _below(directory: bytes) -> Iterator[int]:
    """The first clusters of the directories in `directory`."""
    for at in range(0, len(directory), 32):
        name, kind = directory[at : at + 11], directory[at + 11]
        if name[0] == 0:
            return
        if name[0] in b".\xe5" or kind == _LONG_NAME or not kind & _DIRECTORY:
            continue
        high, low = struct.unpack_from("<H4xH", directory, at + 20)
        yield (high << 16) + low


def journal(disk: Path, start: int) -> Iterator[Place]:
    """Where the journal of the ext4 that begins at `start` lies; ValueError when that cannot be told."""
    with disk.open("rb") as file:
        superblock = os.pread(file.fileno(), 1024, start + _SUPERBLOCK)
    (block_shift,) = struct.unpack_from("<I", superblock, 24)
    magic, count, _, depth = struct.unpack_from("<HHHH", superblock, _BLOCKS_OF_JOURNAL)
    if magic != _EXTENTS or depth:
        raise ValueError(f"{disk} has no ext4 at {start} with a journal in few pieces")
    block = 1024 << block_shift
    for number in range(count):
        blocks, high, low = struct.unpack_from("<HHI", superblock, _BLOCKS_OF_JOURNAL + 12 + 12 * number + 4)
        begin = start + ((high << 32) + low) * block
        yield Place(begin, begin + blocks * block)
