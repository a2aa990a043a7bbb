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
_SUPERBLOCK = 1024
_JOURNAL = 0x10C
"""Where the superblock of ext4 keeps a copy of what the journal's inode says of its blocks."""
_EXTENTS = 0xF30A


@dataclass(frozen=True, slots=True)
class Place:
    """Bytes from `start` to before `end`."""

    start: int
    end: int

    def has(self, at: int) -> bool:
        """Whether a write that begins `at` is to here."""
        return self.start <= at < self.end


def deciding(disk: Path) -> list[Place]:
    """The partition table, what the firmware starts from, and the journal of what holds /etc and /var.

    All else is written before one of these says that it is there: a slot before its kernel image has its
    name, a file before the journal has its inode.
    """
    esp, size = labelled(disk, ESP), disk.stat().st_size
    table = [Place(0, TABLE_SECTORS * SECTOR), Place(size - (TABLE_SECTORS - 1) * SECTOR, size)]
    return [*table, Place(esp.start, esp.start + esp.size), *journal(disk, labelled(disk, ROOT).start)]


def journal(disk: Path, start: int) -> Iterator[Place]:
    """Where the journal of the ext4 that begins at `start` lies; ValueError when that cannot be told."""
    with disk.open("rb") as file:
        superblock = os.pread(file.fileno(), 1024, start + _SUPERBLOCK)
    (block_shift,) = struct.unpack_from("<I", superblock, 24)
    magic, count, _, depth = struct.unpack_from("<HHHH", superblock, _JOURNAL)
    if magic != _EXTENTS or depth:
        raise ValueError(f"{disk} has no ext4 at {start} with a journal in few pieces")
    block = 1024 << block_shift
    for number in range(count):
        blocks, high, low = struct.unpack_from("<HHI", superblock, _JOURNAL + 12 + 12 * number + 4)
        begin = start + ((high << 32) + low) * block
        yield Place(begin, begin + blocks * block)
