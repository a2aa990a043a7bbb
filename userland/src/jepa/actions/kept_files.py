# SPDX-License-Identifier: Apache-2.0
"""Files that outlive a reboot: all that actions write of them is below /etc."""

import os
from pathlib import Path
from typing import Final

from jepa.errors import JepaError

_PLACE: Final = "etc"


def sync(root: Path) -> None:
    """Return once all that was written below /etc of ``root`` is on the disk. JepaError (500) if that fails.

    It does not matter who wrote it: systemd writes the links of enabled units. Other file systems, such as
    that of a slow stick, are not waited for, which sync(2) would do.
    """
    import ctypes  # few changes outlive a reboot, and Python has no syncfs(2)

    libc = ctypes.CDLL(None, use_errno=True)
    try:
        fd = os.open(root / _PLACE, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if libc.syncfs(fd):
                raise OSError(number := ctypes.get_errno(), os.strerror(number))
        finally:
            os.close(fd)
    except OSError as error:
        raise JepaError(
            f"It cannot be made sure that the change outlives a power cut: {error.strerror}.",
            f"See `journalctl -k` for what is wrong with the disk of /{_PLACE}.",
        ) from error
