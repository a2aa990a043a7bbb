# SPDX-License-Identifier: Apache-2.0
"""A file of JSON lines that survives a crash at any byte: what is torn or damaged costs its own line.

Each line ends with the CRC-32 of its content. It is written at once and unbuffered, so a killed process
loses nothing; a power cut loses what came after the last ``sync``. Records of a fixed size, such as frames,
are kept by ``framelog`` under the same rules.
"""

import errno
import json
import os
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_CRC_DIGITS = 8
_KEEP_SIZE = 1


def encode(row: Mapping[str, Any]) -> bytes:
    """``row`` as one line."""
    content = json.dumps(row, separators=(",", ":"), ensure_ascii=True).encode()
    return b"%s %08x\n" % (content, zlib.crc32(content))


def decode(line: bytes) -> dict[str, Any] | None:
    """The row of one line; None when it is torn or damaged."""
    content, _, crc = line.rstrip(b"\n").rpartition(b" ")
    try:
        if len(crc) != _CRC_DIGITS or int(crc, 16) != zlib.crc32(content):
            return None
        row = json.loads(content)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows in ``path``, in order; also while it is written. A file that is missing has none.

    Raises OSError for a file that cannot be read.
    """
    try:
        with path.open("rb") as lines:
            yield from (row for line in lines if (row := decode(line)) is not None)
    except FileNotFoundError:
        return


class LineLog:
    """Adds rows to ``path``, by one process at a time. Raises OSError when that cannot be opened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._fd = os.open(path, flags, 0o644)
        self.size_bytes = os.fstat(self._fd).st_size
        self._reserved_bytes = self.size_bytes
        if self.size_bytes and os.pread(self._fd, 1, self.size_bytes - 1) != b"\n":
            self._write(b"\n")  # what was torn stays a line of its own

    def append(self, row: Mapping[str, Any]) -> bytes:
        """Write one row and return its line. Raises OSError, nothing of it written, when there is no
        room."""
        line = encode(row)
        self._write(line)
        return line

    def reserve(self, size_bytes: int) -> None:
        """Have room on the disk for ``size_bytes`` more. Raises OSError when there is none.

        Where the file system cannot promise it (NFS, ZFS), its free space is looked at instead.
        """
        end = self.size_bytes + size_bytes
        if end <= self._reserved_bytes:
            return
        try:
            _allocate(self._fd, self._reserved_bytes, end - self._reserved_bytes)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.ENOSYS):
                raise
            found = os.fstatvfs(self._fd)
            if found.f_bavail * found.f_frsize < size_bytes:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from None
        else:
            self._reserved_bytes = end

    def sync(self) -> None:
        """Return once everything appended so far is on the disk. Raises OSError."""
        os.fdatasync(self._fd)

    def close(self) -> None:
        """Sync and close; closing twice is fine. Raises OSError when it cannot be synced."""
        if self._fd < 0:
            return
        fd, self._fd = self._fd, -1
        try:
            os.fdatasync(fd)
        finally:
            os.close(fd)

    def _write(self, line: bytes) -> None:
        written = os.write(self._fd, line)
        if written < len(line):
            os.ftruncate(self._fd, self.size_bytes)  # the next line must not follow half of this one
            self._reserved_bytes = self.size_bytes
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.size_bytes += written


def _allocate(fd: int, start: int, length: int) -> None:
    """Have blocks for a part of a file beyond its end, which stays where it is (fallocate(2))."""
    import ctypes  # Python's posix_fallocate would move the end

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.fallocate64(fd, _KEEP_SIZE, ctypes.c_int64(start), ctypes.c_int64(length)):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
