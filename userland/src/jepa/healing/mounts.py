# SPDX-License-Identifier: Apache-2.0
"""What /proc/self/mountinfo says of file systems on block devices: where they are, which were stopped."""

import os
import re
from collections.abc import Iterator
from typing import Final

_ERRORS: Final = (b"emergency_ro", b"shutdown")
"""What ext4 shows among the options of a file system that it stopped."""


def disks_of(mountinfo: bytes) -> Iterator[str]:
    """Mount points of file systems on block devices, each device once: asking others may never end."""
    seen: set[bytes] = set()
    for line in mountinfo.splitlines():
        mount, dash, rest = line.partition(b" - ")
        fields, source = mount.split(), rest.split()
        if not dash or len(fields) < 5 or len(source) < 2 or not source[1].startswith(b"/dev/"):
            continue
        if fields[2] not in seen:
            seen.add(fields[2])
            yield os.fsdecode(fields[4].replace(b"\\040", b" "))


def stopped_of(mountinfo: bytes) -> Iterator[tuple[str, str]]:
    """Mount points of file systems on block devices that the kernel stopped, and how that shows.

    One that a person remounted read-only is so as a mount, too; one that the kernel stopped is not.
    """
    for line in mountinfo.splitlines():
        mount, dash, rest = line.partition(b" - ")
        fields, source = mount.split(), rest.split()
        if not dash or len(fields) < 6 or len(source) < 3 or not source[1].startswith(b"/dev/"):
            continue
        options = source[2].split(b",")
        found = [each.decode() for each in _ERRORS if each in options]
        if b"ro" in options and b"rw" in fields[5].split(b","):
            found.append("made read-only by the kernel")
        if found:
            yield os.fsdecode(fields[4].replace(b"\\040", b" ")), ", ".join(found)


def unit_of_mount(place: str) -> str:
    """The name of the mount unit of ``place``, as `systemd-escape --path` makes it."""
    path = place.strip("/")
    plain = re.sub(
        r"^\.|[^A-Za-z0-9:_./]", lambda each: "".join(f"\\x{byte:02x}" for byte in each[0].encode()), path
    )
    return f"{plain.replace('/', '-') or '-'}.mount"
