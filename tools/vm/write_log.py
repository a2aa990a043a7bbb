# SPDX-License-Identifier: Apache-2.0
"""What a disk may hold after a power cut, from a log of everything that was written to it.

The log is that of QEMU's ``blklogwrites`` and of dm-log-writes, see the kernel's
admin-guide/device-mapper/log-writes.rst: a superblock, then each write with its data, and each flush. A disk
with a volatile cache promises only what came before the last flush that it has answered. Of the writes after
it any may be on the medium and any may not, and of a large one a part.
"""

import mmap
import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_MAGIC: Final = 0x6A736677736872
_SUPER: Final = struct.Struct("<QQQI")
_ENTRY: Final = struct.Struct("<QQQQ")
_FLUSH, _FUA, _DISCARD, _MARK = 1, 2, 4, 8
ATOMIC: Final = 4096
"""Bytes that a disk writes whole or not at all, where they are aligned: a physical sector of today's disks,
and what ext4 takes for granted (a torn superblock is e2fsck's business)."""
_KEPT: Final = (0.0, 0.2, 0.5, 0.8, 1.0)
"""Of the writes that were not flushed, the shares that a cut leaves: none, some, all."""


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes that reached the disk."""

    at: int
    data: bytes


@dataclass(frozen=True, slots=True)
class _Entry:
    sector: int
    sectors: int
    flags: int
    data_at: int
    """Where its data begin in the log."""
    end: int
    """Where the entry ends in the log: the size that the log had when it was written."""


class WriteLog:
    """The log in a file that nobody writes any more; one whose end is torn is read up to there."""

    def __init__(self, path: Path) -> None:
        """ValueError when it is no such log."""
        with path.open("rb") as file:
            self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        magic, _, _, self._sector = _SUPER.unpack_from(self._bytes)
        if magic != _MAGIC:
            raise ValueError(f"{path} is no log of writes")
        self._entries = list(self._parse())

    def __len__(self) -> int:
        """How many writes and flushes it holds: the power may be cut before each, and after the last."""
        return len(self._entries)

    def size_before(self, cut: int) -> int:
        """How large the log was, in bytes, when the power is cut after ``cut`` entries."""
        return self._entries[cut - 1].end if cut else self._sector

    def first_after(self, size: int) -> int:
        """How many entries a log of ``size`` bytes had."""
        return sum(each.end <= size for each in self._entries)

    def durable(self, cut: int) -> int:
        """How many of the first ``cut`` entries came before a flush that was answered."""
        return max((at + 1 for at in range(cut) if self._entries[at].flags & _FLUSH), default=0)

    def before_flush(self, cut: int) -> int:
        """The next moment from ``cut`` on at which a flush has been asked for and not answered."""
        later = range(cut, len(self._entries))
        return next((at for at in later if self._entries[at].flags & _FLUSH), len(self._entries))

    def writes(self, begin: int, end: int) -> Iterator[Write]:
        """What entries ``begin`` to ``end`` wrote, all of it."""
        for each in self._entries[begin:end]:
            if each.sectors and not each.flags & (_DISCARD | _MARK):  # what was discarded may still be read
                length = each.sectors * self._sector
                yield Write(each.sector * self._sector, self._bytes[each.data_at : each.data_at + length])

    def survivors(self, cut: int, rng: random.Random) -> Iterator[Write]:
        """What a cut may leave of the writes that no flush has covered: some, and some of those torn."""
        kept, torn = rng.choice(_KEPT), rng.choice((0.0, 0.0, 0.3))
        for at in range(self.durable(cut), cut):
            forced = bool(self._entries[at].flags & _FUA)
            if not forced and rng.random() >= kept:
                continue
            for write in self.writes(at, at + 1):
                if forced or rng.random() >= torn:
                    yield write
                    continue
                yield from (part for part in _parts(write) if rng.random() < 0.5)

    def close(self) -> None:
        """Let go of the file."""
        self._bytes.close()

    def _parse(self) -> Iterator[_Entry]:
        at = self._sector
        while at + self._sector <= len(self._bytes):
            sector, sectors, flags, _ = entry = _ENTRY.unpack_from(self._bytes, at)
            data_at = at + self._sector
            # a mark carries its text, which takes a sector; what is discarded carries nothing
            carried = 0 if flags & _DISCARD else 1 if flags & _MARK else sectors
            at = data_at + carried * self._sector
            if not any(entry) or at > len(self._bytes):  # its place was taken, and QEMU died before it was
                return
            yield _Entry(sector, sectors, flags, data_at, at)


def _parts(write: Write) -> Iterator[Write]:
    """What of it a disk writes at once."""
    begin = write.at
    while begin < write.at + len(write.data):
        end = begin - begin % ATOMIC + ATOMIC
        yield Write(begin, write.data[begin - write.at : end - write.at])
        begin = end
