# SPDX-License-Identifier: Apache-2.0
"""The readiness and watchdog protocol of systemd: one datagram a message, nothing without $NOTIFY_SOCKET."""

import os
import socket
from collections.abc import Mapping


class Notifier:
    """Reports the state of the service to the service manager; silent without one."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        if self._address.startswith("@"):  # an abstract socket
            self._address = "\0" + self._address[1:]
        period = environ.get("WATCHDOG_USEC", "")
        mine = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_s = int(period) / 1e6 if period.isdecimal() and mine else None
        """The manager restarts the service after so long without WATCHDOG=1; None when it does not watch."""

    def send(self, **fields: str | int) -> None:
        """One message, such as ``send(READY=1, STATUS="...")``; a manager that went away is no fault."""
        if not self._address:
            return
        message = "\n".join(f"{name}={value}" for name, value in fields.items())
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.sendto(message.encode(), self._address)
        except OSError:
            return
