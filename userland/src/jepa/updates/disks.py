# SPDX-License-Identifier: Apache-2.0
"""The disks of this machine, and why one of them cannot be written over."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_NO_DISKS: Final = ("loop", "ram", "zram", "dm-", "md", "sr", "fd", "nbd")
_SECTOR: Final = 512
"""In which the kernel counts sizes, whatever the disk's own sectors are."""
_SYSTEM: Final = ("/", "/usr")


@dataclass(frozen=True, slots=True)
class Disk:
    """A whole disk."""

    name: str
    """As the kernel calls it, such as sda or nvme0n1."""
    size: int
    """In bytes."""
    model: str
    read_only: bool
    partitions: int
    used: str
    """What it is used for, after "it"; empty where nothing uses it."""

    @property
    def path(self) -> Path:
        """Its device node."""
        return Path("/dev") / self.name


def disks(root: Path = Path("/")) -> list[Disk]:
    """The disks below ``root``, by name."""
    place = root / "sys/block"
    names = sorted(path.name for path in place.iterdir()) if place.is_dir() else []
    mounts, swaps = _mounts(root), _swaps(root)
    return [_disk(place / name, mounts, swaps) for name in names if not name.startswith(_NO_DISKS)]


def _disk(about: Path, mounts: dict[str, list[str]], swaps: set[str]) -> Disk:
    parts = [path for path in sorted(about.iterdir()) if (path / "partition").exists()]
    model = about / "device/model"
    return Disk(
        about.name,
        int((about / "size").read_text()) * _SECTOR,
        model.read_text().strip() if model.is_file() else "",
        (about / "ro").read_text().strip() == "1",
        len(parts),
        _used([about, *parts], mounts, swaps),
    )


def _used(devices: list[Path], mounts: dict[str, list[str]], swaps: set[str]) -> str:
    """What ``devices``, and those that are made of them, are used for."""
    reached = list(dict.fromkeys(each for device in devices for each in _with_holders(device)))
    places = [place for each in reached for place in mounts.get((each / "dev").read_text().strip(), ())]
    if any(place in _SYSTEM for place in places):
        return "holds the system that runs"
    if places:
        return f"is mounted at {places[0]}"
    if any(each.name in swaps for each in reached):
        return "holds swap"
    held = [each.name for each in reached if each not in devices]
    return f"is a part of {held[0]}" if held else ""


def _with_holders(device: Path) -> Iterator[Path]:
    yield device
    holders = device / "holders"
    for holder in sorted(holders.iterdir()) if holders.is_dir() else ():
        yield from _with_holders(holder.resolve())


def _mounts(root: Path) -> dict[str, list[str]]:
    """By device number where it is mounted."""
    found: dict[str, list[str]] = {}
    for line in (root / "proc/self/mountinfo").read_text().splitlines():
        words = line.split()
        found.setdefault(words[2], []).append(words[4])
    return found


def _swaps(root: Path) -> set[str]:
    lines = (root / "proc/swaps").read_text().splitlines()[1:]
    return {Path(line.split()[0]).name for line in lines}
