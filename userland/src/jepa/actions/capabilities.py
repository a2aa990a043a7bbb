# SPDX-License-Identifier: Apache-2.0
"""Which of root's rights this process has: a service may run as root and have few of them."""

from pathlib import Path
from typing import Final

NET_ADMIN: Final = 12
SYS_ADMIN: Final = 21
SYS_NICE: Final = 23


def effective(capability: int) -> bool:
    """Whether this process has the capability of that number, see capabilities(7)."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(line.split()[1], 16) >> capability & 1)
