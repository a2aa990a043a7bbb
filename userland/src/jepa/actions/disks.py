# SPDX-License-Identifier: Apache-2.0
"""The whole disks that hold mounted file systems."""

import os
from pathlib import Path


def with_file_systems(root: Path) -> set[str]:
    """Names as in /sys/block, such as ``vda``, of those below /proc/self/mountinfo of ``root``."""
    found: set[str] = set()
    try:
        lines = (root / "proc/self/mountinfo").read_bytes().splitlines()
    except OSError:
        return found
    for number in {os.fsdecode(fields[2]) for line in lines if len(fields := line.split()) > 2}:
        found |= _disks_of(root, root / "sys/dev/block" / number)
    return found


def _disks_of(root: Path, device: Path) -> set[str]:
    """The disk of a partition; those below a mapped or a RAID device."""
    try:
        real = device.resolve(strict=True)
    except OSError:
        return set()
    slaves = list(real.glob("slaves/*"))
    if slaves:
        return {disk for slave in slaves for disk in _disks_of(root, slave)}
    whole = real.parent if (real / "partition").exists() else real
    return {whole.name} if (root / "sys/block" / whole.name).exists() else set()
