# SPDX-License-Identifier: Apache-2.0
"""Where the collector listens; its socket for reports lies beside that."""

import os
from collections.abc import Mapping
from pathlib import Path

SOCKET = Path("/run/jepa-telemetry/telemetry.sock")


def collector_socket(environ: Mapping[str, str] = os.environ) -> Path:
    """$JEPA_TELEMETRY_SOCKET, or the system's."""
    return Path(environ.get("JEPA_TELEMETRY_SOCKET") or SOCKET)
