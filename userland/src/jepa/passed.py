# SPDX-License-Identifier: Apache-2.0
"""Files that the service manager opened for this process (OpenFile=, sd_listen_fds(3))."""

import os
from collections.abc import Mapping
from typing import Final

_FIRST: Final = 3


def passed_file(name: str, environ: Mapping[str, str] = os.environ) -> int | None:
    """A copy of the descriptor of the file that was opened as ``name``; None when there is none."""
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return None
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    return os.dup(_FIRST + names.index(name)) if name in names else None
