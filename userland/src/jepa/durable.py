# SPDX-License-Identifier: Apache-2.0
"""Files that are there whole after a power cut: the old content or the new one, never half of it."""

import os
from pathlib import Path

READABLE = 0o644
PRIVATE = 0o600


def replace_file(path: Path, content: str | bytes, mode: int = READABLE) -> None:
    """Put ``content`` (text as UTF-8) at ``path`` in one step, with permissions ``mode`` whatever the umask.

    It is on the disk under its name when this returns. What a cut leaves half written beside it, as
    ``path`` with the suffix ``.new``, the next call overwrites. Raises OSError, with ``path`` as it was.
    """
    fresh = path.with_suffix(".new")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with os.fdopen(fd, "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fchmod(fd, mode)
        os.fsync(fd)
    fresh.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Return once the names in ``folder`` are on the disk. Raises OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
