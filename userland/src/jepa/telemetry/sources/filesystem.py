# SPDX-License-Identifier: Apache-2.0
"""Space used on the file systems that a machine must not fill."""

import os
from pathlib import Path

from jepa.telemetry.sources.base import Reading, why


def used_percent(space: os.statvfs_result) -> float | None:
    """Percent of the space programs may use that is used; None for a read-only or empty file system."""
    used = space.f_blocks - space.f_bfree
    usable = used + space.f_bavail
    if space.f_flag & os.ST_RDONLY or usable <= 0:
        return None
    return 100 * used / usable


class FilesystemSource:
    """Asks the file systems of / and /var below ``root``."""

    name = "filesystem"

    def __init__(self, root: Path) -> None:
        self._places = (root, root / "var")

    def read(self, now: float) -> Reading:
        """The share used of the fuller one."""
        shares: list[float] = []
        reasons: list[str] = []
        for place in self._places:
            try:
                share = used_percent(os.statvfs(place))
            except OSError as error:
                reasons.append(why(place, error))
                continue
            if share is not None:
                shares.append(share)
        if not shares:
            return Reading({}, "; ".join(reasons) or "no writable file system at / or /var")
        return Reading({"system.filesystem.utilization": max(shares)}, "; ".join(reasons))

    def close(self) -> None:
        """Hold nothing."""
