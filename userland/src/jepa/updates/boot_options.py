# SPDX-License-Identifier: Apache-2.0
"""Boot options of the firmware, so that it starts the boot loader again when that could not load a system.

systemd-boot 257 counts a try before it loads a unified kernel image. When the firmware refuses that file,
for it is cut short, the loader ends, and the firmware goes on to its next boot option, as UEFI says. With as
many options for the same loader as a new version has tries, the one after them starts the version before.
"""

from __future__ import annotations

import os
import struct
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Final

VARIABLES: Final = "sys/firmware/efi/efivars"
_GLOBAL: Final = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
_LOADER: Final = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
_ATTRIBUTES: Final = struct.pack("<I", 7)
"""Kept over power cuts, readable by the loader and by the system."""
_ACTIVE: Final = 1
_NAME: Final = "JEPA OS"
_NUMBERS: Final = range(0x10000)


@dataclass(frozen=True, slots=True)
class SystemPartition:
    """The EFI system partition: number, first sector, sectors of the disk's own size, and UUID."""

    number: int
    start: int
    size: int
    identity: uuid.UUID


def load_option(name: str, partition: SystemPartition, loader: str) -> bytes:
    """A boot option as UEFI keeps it: `loader` (a path with backslashes) on `partition`, called `name`."""
    place = struct.pack("<IQQ", partition.number, partition.start, partition.size)
    disk = struct.pack("<BBH", 4, 1, 42) + place + partition.identity.bytes_le + bytes([2, 2])
    path = _text(loader)
    file = struct.pack("<BBH", 4, 4, 4 + len(path)) + path
    devices = disk + file + struct.pack("<BBH", 0x7F, 0xFF, 4)
    return struct.pack("<IH", _ACTIVE, len(devices)) + _text(name) + devices


def ordered(order: list[int], current: int | None, ours: list[int]) -> list[int]:
    """The order of boot options with `ours` right behind `current`, the one that started this system.

    What the person has put before it stays before it. Without `current` in the order, ours go first.
    """
    rest = [each for each in order if each not in ours]
    at = rest.index(current) + 1 if current in rest else 0
    return rest[:at] + ours + rest[at:]


def ensure(root: Path, folder: Path, count: int) -> bool:
    """Have `count` boot options for the loader below `folder`, the mounted EFI system partition.

    Those that are there already stay. False when the firmware keeps none, or cannot be asked.
    """
    try:
        loader = min((folder / "EFI/systemd").glob("systemd-boot*.efi"))
        partition = _partition(root, folder)
        place = root / VARIABLES
        wanted = [
            load_option(f"{_NAME} {number + 1}", partition, _path(folder, loader)) for number in range(count)
        ]
        order = _numbers(_read(place, "BootOrder", _GLOBAL))
        known = {number: _read(place, f"Boot{number:04X}", _GLOBAL) for number in order}
        ours = [next((number for number in order if known[number] == each), None) for each in wanted]
        if None not in ours:
            return True
        free = (number for number in _NUMBERS if not (place / f"Boot{number:04X}-{_GLOBAL}").exists())
        numbers = []
        for found, option in zip(ours, wanted, strict=True):
            number = next(free) if found is None else found
            if found is None:
                _write(place, f"Boot{number:04X}", option)
            numbers.append(number)
        current = _numbers(_read(place, "BootCurrent", _GLOBAL))
        new = ordered(order, current[0] if current else None, numbers)
        _write(place, "BootOrder", struct.pack(f"<{len(new)}H", *new))
    except (OSError, ValueError, StopIteration):
        return False
    return True


def _text(words: str) -> bytes:
    return words.encode("utf-16-le") + b"\0\0"


def _path(folder: Path, loader: Path) -> str:
    return "\\" + str(loader.relative_to(folder)).replace("/", "\\")


def _numbers(data: bytes) -> list[int]:
    return [number for (number,) in struct.iter_unpack("<H", data[: len(data) // 2 * 2])]


def _read(place: Path, name: str, vendor: str) -> bytes:
    """The content of a variable; empty when there is none."""
    try:
        return (place / f"{name}-{vendor}").read_bytes()[len(_ATTRIBUTES) :]
    except FileNotFoundError:
        return b""


def _write(place: Path, name: str, content: bytes) -> None:
    # in one write: the kernel takes each as a whole variable
    (place / f"{name}-{_GLOBAL}").write_bytes(_ATTRIBUTES + content)


def _partition(root: Path, folder: Path) -> SystemPartition:
    """Where the file system of `folder` lies; ValueError when the loader did not say from which it came."""
    device = folder.stat().st_dev
    about = root / f"sys/dev/block/{os.major(device)}:{os.minor(device)}"
    whole = about.resolve().parent
    sectors = int((whole / "queue/logical_block_size").read_text()) // 512
    number, start, size = (int((about / name).read_text()) for name in ("partition", "start", "size"))
    said = _read(root / VARIABLES, "LoaderDevicePartUUID", _LOADER).decode("utf-16-le").rstrip("\0")
    return SystemPartition(number, start // sectors, size // sectors, uuid.UUID(said))
