# SPDX-License-Identifier: Apache-2.0
"""More disks for machines of tests: empty ones, and sticks with files on them."""

import subprocess
from pathlib import Path

from tools.vm.qemu import Disk

MKFS = "/usr/sbin/mkfs.ext4"


def empty(path: Path, size: int) -> Disk:
    """A disk of `size` bytes with nothing on it."""
    with path.open("wb") as file:
        file.truncate(size)
    return Disk(path)


def stick(path: Path, size: int, content: Path) -> Disk:
    """A disk of `size` bytes that is an ext4 with what is in the directory `content`."""
    disk = empty(path, size)
    subprocess.run([MKFS, "-q", "-m", "0", "-d", content, path], check=True)
    return disk


def beside(disk: Disk, number: int) -> list[str]:
    """QEMU's arguments for one more disk."""
    name = f"other{number}"
    drive = f"if=none,id={name},file={disk.path},format={disk.format},cache=unsafe,discard=unmap"
    return ["-drive", drive, "-device", f"virtio-blk-pci,drive={name},bootindex={number + 2}"]
