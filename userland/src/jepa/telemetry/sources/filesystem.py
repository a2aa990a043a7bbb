# SPDX-License-Identifier: Apache-2.0
"""Space and inodes used on the file systems that a machine must not fill."""

import os
from functools import partial
from pathlib import Path, PurePosixPath

from jepa.telemetry.sources.base import KernelFile, Reading, why
from jepa.telemetry.sources.helper import Helper

_PLACES = (PurePosixPath("/"), PurePosixPath("/var"))
Answer = os.statvfs_result | OSError


def used_percent(space: os.statvfs_result) -> float | None:
    """Percent used of what programs may use, of space or inodes, whichever is fuller; None without any."""
    shares = [
        100 * used / (used + available)
        for used, available in (
            (space.f_blocks - space.f_bfree, space.f_bavail),
            (space.f_files - space.f_ffree, space.f_favail),
        )
        if used + available > 0
    ]
    return max(shares, default=None)


def is_read_only(mountinfo: bytes, place: PurePosixPath) -> bool | None:
    """Whether the file system that holds ``place`` can be written by anyone, from /proc/self/mountinfo.

    A sandbox mounts file systems read-only for itself alone; the options of the file system, at the end of
    the line, are those of the machine. None when no line fits.
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
        self._mounts = KernelFile(root / "proc/self/mountinfo")
        self._paths = [root / place.relative_to("/") for place in _PLACES]
        self._helper: Helper[Path, Answer] = Helper("statvfs")

    def read(self, now: float) -> Reading:
        """The share used of the fuller one that can be written."""
        answers = self._helper.ask({path: partial(_space, path) for path in self._paths}, now)
        silent = [path for path in self._paths if path not in answers]
        if silent:
            return Reading({}, f"{silent[0]}: the file system does not answer")
        shares: list[float] = []
        reasons: list[str] = []
        for place, path in zip(_PLACES, self._paths, strict=True):
            space = answers[path]
            if isinstance(space, OSError):
                reasons.append(why(path, space))
                continue
            share = used_percent(space)
            if share is not None and not (space.f_flag & os.ST_RDONLY and self._is_read_only(place)):
                shares.append(share)
        if not shares:
            return Reading({}, "; ".join(reasons) or "/ and /var are read-only or have no size")
        return Reading({"system.filesystem.utilization": max(shares)}, "; ".join(reasons))

    def close(self) -> None:
        """Close the file, and end the thread that asks."""
        self._mounts.close()
        self._helper.close()

    def _is_read_only(self, place: PurePosixPath) -> bool:
        try:
            return is_read_only(self._mounts.read(), place) is not False
        except OSError:
            return True


def _space(path: Path) -> Answer:
    """Of the file system of ``path``, or why it is unknown."""
    try:
        return os.statvfs(path)
    except OSError as error:
        return error
