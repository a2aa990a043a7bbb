# SPDX-License-Identifier: Apache-2.0
"""The clocks that deadlines of changes are kept by: seconds since boot, and which boot that is."""

import threading
from pathlib import Path
from typing import Final

from jepa.telemetry.clocks import SystemClock, boot_s

_BOOT_ID: Final = "proc/sys/kernel/random/boot_id"


class HostClock(SystemClock):
    """The kernel's clocks. A deadline is a time since boot and a boot: setting the date moves neither."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._boot_id = (root / _BOOT_ID).read_text().strip().replace("-", "")

    @property
    def boot_id(self) -> str:
        """32 hex digits, new at each boot."""
        return self._boot_id

    def boottime_s(self) -> float:
        """CLOCK_BOOTTIME in seconds: counts on while the machine is suspended."""
        return boot_s()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait until ``event`` is set, ``seconds`` at most; whether it is."""
        return event.wait(seconds)
