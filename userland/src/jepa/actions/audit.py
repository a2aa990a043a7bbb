# SPDX-License-Identifier: Apache-2.0
"""Tells systemd's journal of each state of a change, with the head of the chain, where root cannot edit it
alone.

The fields of an entry are ``JEPA_ACTION``, ``JEPA_TARGET``, ``JEPA_FROM``, ``JEPA_TO``, ``JEPA_STATE``,
``JEPA_UID``, ``JEPA_TASK``, ``JEPA_CHANGE`` and ``JEPA_CHAIN``; see systemd.journal-fields(7).
"""

import contextlib
import socket
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from jepa.actions.change import Change

SOCKET: Final = Path("/run/systemd/journal/socket")
MESSAGE_ID: Final = "6f1c1e0b1e5f4b2c9d0a7c5d4b3e2f18"
"""`journalctl MESSAGE_ID=…` shows every state of every change."""
_NOTICE: Final = "5"


class Audit:
    """Writes to journald's native socket; silent where there is none, and it never waits."""

    def __init__(self, path: Path = SOCKET) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)

    def __call__(self, change: Change, head: str) -> None:
        """Tell of ``change`` as it is now; ``head`` is the hash of the journal's newest row."""
        target = f" of {change.target}" if change.target else ""
        told = f"{change.action}{target}: {change.old} -> {change.new}: {change.state} {change.detail}"
        entry = {
            "MESSAGE_ID": MESSAGE_ID,
            "MESSAGE": told.strip(),
            "PRIORITY": _NOTICE,
            "SYSLOG_IDENTIFIER": "jepa-actuator",
            "JEPA_CHANGE": change.id,
            "JEPA_ACTION": change.action,
            "JEPA_TARGET": change.target,
            "JEPA_FROM": str(change.old),
            "JEPA_TO": str(change.new),
            "JEPA_STATE": str(change.state),
            "JEPA_UID": str(change.uid),
            "JEPA_TASK": change.task,
            "JEPA_CHAIN": head,
        }
        with contextlib.suppress(OSError):  # no journald, or it is busy: the file is what counts
            self._socket.sendto(encoded(entry), str(self._path))

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def encoded(entry: Mapping[str, str]) -> bytes:
    """``entry`` in journald's native protocol: values that hold a newline go with their length."""
    lines = []
    for name, text in entry.items():
        value = text.encode("utf-8", "backslashreplace")
        if b"\n" in value:
            lines.append(name.encode() + b"\n" + struct.pack("<Q", len(value)) + value + b"\n")
        else:
            lines.append(name.encode() + b"=" + value + b"\n")
    return b"".join(lines)
