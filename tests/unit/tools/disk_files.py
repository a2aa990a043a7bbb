# SPDX-License-Identifier: Apache-2.0
"""Makes small files of the kinds that an image has: a disk with partitions, and a unified kernel image."""

import struct
import uuid
from collections.abc import Mapping

SECTOR = 512


def portable_executable(*sections: tuple[str, bytes]) -> bytes:
    """A PE file with ``sections``, each padded to 512 bytes, and no code."""
    head = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x80)
    optional = 240
    table = b""
    place, content = 0x400, b""
    for name, data in sections:
        stored = -(-len(data) // 512) * 512
        table += struct.pack("<8sIIII16x", name.encode(), len(data), 0x1000, stored, place + len(content))
        content += data.ljust(stored, b"\0")
    header = b"PE\0\0" + struct.pack("<HHIIIHH", 0x8664, len(sections), 0, 0, 0, optional, 0)
    return (head.ljust(0x80, b"\0") + header + bytes(optional) + table).ljust(0x400, b"\0") + content


def disk(*parts: tuple[str, uuid.UUID, bytes]) -> bytes:
    """A disk with partitions of a label, a UUID and content each, one after the other from sector 34 on."""
    entries, content, at = b"", b"", 34
    for label, identity, data in parts:
        sectors = -(-len(data) // SECTOR)
        entry = uuid.uuid5(identity, "type").bytes_le + identity.bytes_le
        entry += struct.pack("<QQQ", at, at + sectors - 1, 0) + label.encode("utf-16-le").ljust(72, b"\0")
        entries, content, at = entries + entry, content + data.ljust(sectors * SECTOR, b"\0"), at + sectors
    header = b"EFI PART".ljust(72, b"\0") + struct.pack("<QII", 2, 128, 128)
    return _sectors(bytes(SECTOR), header, entries.ljust(128 * 128, b"\0")) + content


def fat32(*clusters: bytes, follow: Mapping[int, int]) -> bytes:
    """A FAT32 of one sector a cluster with ``clusters`` from the second on, that of the root.

    ``follow`` says which cluster comes after one; each that it does not name is a last one.
    """
    head = bytearray(SECTOR)
    struct.pack_into("<HBHB", head, 11, SECTOR, 1, 2, 2)
    struct.pack_into("<III", head, 36, 1, 0, 2)
    head[82:90] = b"FAT32   "
    table = struct.pack("<128I", *(follow.get(number, 0x0FFFFFFF) for number in range(128)))
    return _sectors(bytes(head), bytes(SECTOR), table, table, *clusters)


def fat_entry(name: bytes, kind: int, cluster: int) -> bytes:
    """An entry of a directory in such a file system."""
    return struct.pack("<11sB8xH4xHI", name, kind, cluster >> 16, cluster & 0xFFFF, 0)


def _sectors(*parts: bytes) -> bytes:
    return b"".join(part.ljust(-(-len(part) // SECTOR) * SECTOR, b"\0") for part in parts)
