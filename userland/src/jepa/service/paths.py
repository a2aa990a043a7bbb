# SPDX-License-Identifier: Apache-2.0
"""Where the service listens and keeps its state."""

import os
from collections.abc import Mapping
from pathlib import Path

SOCKET = Path("/run/jepa/api.sock")


def socket_path(environ: Mapping[str, str] = os.environ) -> Path:
    """$JEPA_SOCKET, or the system's."""
    return Path(environ.get("JEPA_SOCKET") or SOCKET)


def state_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """systemd's $STATE_DIRECTORY (the first of it), or the person's own state directory."""
    given = environ.get("STATE_DIRECTORY", "").split(":")[0]
    if given:
        return Path(given)
    home = environ.get("XDG_STATE_HOME") or str(Path(environ.get("HOME") or "/var/lib") / ".local/state")
    return Path(home) / "jepa"
