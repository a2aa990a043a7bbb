# SPDX-License-Identifier: Apache-2.0
"""What a device carries that the machine needs: file systems, swap, the network, the console."""

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

_MEMBERS: Final = (
    "LVM2_member",
    "linux_raid_member",
    "zfs_member",
    "bcache",
    "mpath_member",
    "drbd",
    "crypto_LUKS",
)
"""File system types, as udev tells them, of disks that others are made of."""
_PATH_OF_NVME: Final = re.compile(r"(nvme\d+)c\d+(n\d+)")
"""A disk's path through one controller. The disk itself, nvme0n1, lies elsewhere: it may have several."""
_LETTERS: Final = 0xFFFFFFFE
"""Bits 1 to 31 of a keyboard's keys: Escape, digits, letters. udev calls no device without them so."""


def carried_by(root: Path, device: str) -> Iterator[str]:
    """What ``device``, a path in /sys, carries; nothing when it may go. OSError when that cannot be told."""
    folder = Path(os.path.realpath(root / device.removeprefix("/")))
    if not folder.is_relative_to(os.path.realpath(root / "sys/devices")):
        yield "more than one device, or none: it lies outside /sys/devices"
        return
    below = [Path(path) for path, _, _ in os.walk(folder, onerror=_fail)]
    for disk in {
        _PATH_OF_NVME.sub(r"\1\2", each.name) for each in below if _PATH_OF_NVME.fullmatch(each.name)
    }:
        below += [Path(path) for path, _, _ in os.walk(os.path.realpath(root / "sys/class/block" / disk))]
    used = dict(_used(root))
    for path in below:
        number = _read(path / "dev")
        if number and (path / "subsystem").exists() and _is(path, "block"):
            yield from _block(root, path, number, used)
        if path.parent.name == "net" and _read(path / "ifindex"):
            yield from _network(root, path, below)
        if path.parent.name == "tty" and path.name in _read(root / "sys/class/tty/console/active").split():
            yield f"the console {path.name}"
        if _read(path / "status") == "connected" and _is(path, "drm"):
            yield f"the screen at {path.name}"
    yield from _keyboard(root, folder)


def _block(root: Path, path: Path, number: str, used: dict[str, str]) -> Iterator[str]:
    if number in used:
        yield f"{used[number]} ({path.name})"
    for holder in sorted(each.name for each in _children(path / "holders")):
        yield f"a part of {holder} ({path.name})"
    for line in _read(root / "run/udev/data" / f"b{number}").splitlines():
        kind = line.removeprefix("E:ID_FS_TYPE=")
        if kind != line and kind in _MEMBERS:
            yield f"a {kind} ({path.name})"


def _used(root: Path) -> Iterator[tuple[str, str]]:
    """Numbers of block devices, ``8:1``, that are mounted or swapped to, and as what."""
    for table in ("proc/1/mountinfo", "proc/self/mountinfo"):
        for line in _read(root / table).splitlines():
            fields = line.split(" ")
            source = fields[fields.index("-") + 2] if "-" in fields else ""
            if len(fields) > 4:
                yield fields[2], f"the file system at {fields[4]}"
                if fields[2].startswith("0:") and source.startswith(
                    "/dev/"
                ):  # as of btrfs: a number of its own
                    yield _number(root, source), f"the file system at {fields[4]}"
    for volume in _children(root / "sys/fs/btrfs"):
        for member in _children(volume / "devices"):
            yield _read(member / "dev"), "a part of a btrfs file system"
    for line in _read(root / "proc/swaps").splitlines()[1:]:
        name = line.split()[0] if line.split() else ""
        if name.startswith("/dev/"):
            yield _number(root, name), "swap"


def _number(root: Path, node: str) -> str:
    """The number of a device node, such as /dev/sda1, /dev/mapper/x and /dev/disk/by-uuid/y. Raises OSError.

    In a sandbox without device nodes what is known of them is in /sys.
    """
    name = PurePosixPath(node).name
    if number := _read(root / "sys/class/block" / name / "dev"):
        return number
    for each in _children(root / "sys/class/block"):
        if _read(each / "dm/name") == name:
            return _read(each / "dev")
    found = (root / node.removeprefix("/")).stat().st_rdev
    return f"{os.major(found)}:{os.minor(found)}"


def _network(root: Path, path: Path, below: list[Path]) -> Iterator[str]:
    routes = [line.split() for line in _read(root / "proc/net/route").splitlines()[1:]]
    routes6 = [line.split() for line in _read(root / "proc/net/ipv6_route").splitlines()]
    default = {each[0] for each in routes if len(each) > 7 and each[1] == each[7] == "00000000"}
    default |= {each[9] for each in routes6 if len(each) > 9 and not each[0].strip("0") and each[1] == "00"}
    if path.name in default - {"lo"}:
        yield f"the default route ({path.name})"
    physical = [each for each in _children(root / "sys/class/net") if (each / "device").exists()]
    here = {os.path.realpath(each) for each in below}
    if physical and all(os.path.realpath(each) in here for each in physical):
        yield f"the only network interface ({path.name})"


def _keyboard(root: Path, folder: Path) -> Iterator[str]:
    keyboards = []
    for each in _children(root / "sys/class/input"):
        keys = _read(each / "capabilities/key").split()
        if keys and int(keys[-1], 16) & _LETTERS == _LETTERS:
            keyboards.append(Path(os.path.realpath(each)))
    if keyboards and all(each.is_relative_to(folder) for each in keyboards):
        yield "the only keyboard"


def _is(path: Path, subsystem: str) -> bool:
    return PurePosixPath(os.path.realpath(path / "subsystem")).name == subsystem


def _children(path: Path) -> list[Path]:
    try:
        return sorted(path.iterdir())
    except OSError:
        return []


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def _fail(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):  # what was unplugged meanwhile carries nothing
        raise error
