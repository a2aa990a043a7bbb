# SPDX-License-Identifier: Apache-2.0
"""Read the GUID partition table of a disk in a file."""

from __future__ import annotations

import os
import struct
import uuid
from dataclasses import dataclass
from pathlib import Path

SECTOR = 512


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition: its label and UUID, and where it begins and how large it is, in bytes."""

    label: str
    uuid: uuid.UUID
    start: int
    size: int


def partitions(disk: Path) -> list[Partition]:
    """Return the partitions on `disk` in the order of its table; ValueError when it has no such table."""
    found = []
    with disk.open("rb") as file:
        header = os.pread(file.fileno(), 92, SECTOR)
        if not header.startswith(b"EFI PART"):
            raise ValueError(f"{disk} has no GUID partition table")
        (table,), (count, size) = struct.unpack_from("<Q", header, 72), struct.unpack_from("<II", header, 80)
        for number in range(count):
            entry = os.pread(file.fileno(), size, table * SECTOR + number * size)
            if not any(entry[:16]):
                continue
            first, last = struct.unpack_from("<QQ", entry, 32)
            label = entry[56:128].decode("utf-16-le").rstrip("\0")
            extent = (int(first) * SECTOR, int(last - first + 1) * SECTOR)
            found.append(Partition(label, uuid.UUID(bytes_le=entry[16:32]), *extent))
    return found


def labelled(disk: Path, label: str) -> Partition:
    """Return the partition with `label`; ValueError when there is none."""
    for partition in partitions(disk):
        if partition.label == label:
            return partition
    raise ValueError(f"{disk} has no partition {label}")
