# SPDX-License-Identifier: Apache-2.0
"""Space used on the file systems that a machine must not fill."""

import os
from pathlib import Path, PurePosixPath

from jepa.telemetry.sources.base import KernelFile, Reading, why

_PLACES = (PurePosixPath("/"), PurePosixPath("/var"))


def used_percent(space: os.statvfs_result) -> float | None:
    """Percent of the space programs may use that is used; None when there is none at all."""
    used = space.f_blocks - space.f_bfree
    usable = used + space.f_bavail
    return 100 * used / usable if usable > 0 else None


def is_read_only(mountinfo: bytes, place: PurePosixPath) -> bool | None:
    """Whether the file system that holds ``place`` can be written by anyone, from /proc/self/mountinfo.

    A sandbox mounts file systems read-only for itself alone; the options of the file system, at the end of
    the line, tell what holds for the machine. None when no line fits.
    """
    holders = {place, *place.parents}
    nearest, answer = 0, None
    for line in mountinfo.splitlines():
        mount, dash, rest = line.partition(b" - ")
        fields, options = mount.split(), rest.split()
        if not dash or len(fields) < 5 or len(options) < 3:
            continue
        point = PurePosixPath(os.fsdecode(fields[4]))
        # Of mounts on the same point the last one covers the others.
        if point in holders and len(point.parts) >= nearest:
            nearest, answer = len(point.parts), b"ro" in options[2].split(b",")
    return answer


class FilesystemSource:
    """Asks the file systems of / and /var below ``root``."""

    name = "filesystem"

    def __init__(self, root: Path) -> None:
        self._root = root
        self._mounts = KernelFile(root / "proc/self/mountinfo")

    def read(self, now: float) -> Reading:
        """The share used of the fuller one that can be written."""
        shares: list[float] = []
        reasons: list[str] = []
        for place in _PLACES:
            path = self._root / place.relative_to("/")
            try:
                space = os.statvfs(path)
            except OSError as error:
                reasons.append(why(path, error))
                continue
            share = used_percent(space)
            if share is not None and not (space.f_flag & os.ST_RDONLY and self._is_read_only(place)):
                shares.append(share)
        if not shares:
            return Reading({}, "; ".join(reasons) or "/ and /var are read-only or have no size")
        return Reading({"system.filesystem.utilization": max(shares)}, "; ".join(reasons))

    def close(self) -> None:
        """Close the file."""
        self._mounts.close()

    def _is_read_only(self, place: PurePosixPath) -> bool:
        try:
            return is_read_only(self._mounts.read(), place) is not False
        except OSError:
            return True
