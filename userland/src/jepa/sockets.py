# SPDX-License-Identifier: Apache-2.0
"""Local sockets of daemons, in place of those that a killed one left."""

import socket
import stat
from pathlib import Path

from jepa.errors import JepaError

FOR_ALL = 0o666
"""Mode of a socket that every person of the machine may read from: what is served can only be read."""


def listen(path: Path, kind: socket.SocketKind, who: str, mode: int = FOR_ALL) -> socket.socket:
    """A socket at ``path`` that hears whoever may write to it, in place of a stale one; ``who`` owns it.

    JepaError when another process listens there, or when ``path`` cannot be used.
    """
    listener = socket.socket(socket.AF_UNIX, kind | socket.SOCK_CLOEXEC)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale(path, kind, who)
        listener.bind(str(path))
        path.chmod(mode)
        if kind != socket.SOCK_DGRAM:
            listener.listen(128)
    except JepaError:
        listener.close()
        raise
    except OSError as error:
        listener.close()
        raise JepaError(
            f"{who} cannot listen on {path}: {error.strerror or error}.",
            f"Choose another place with --socket, or start it with systemctl start {who}.",
        ) from error
    return listener


def _remove_stale(path: Path, kind: socket.SocketKind, who: str) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise JepaError(f"{path} exists and is not a socket.", "Choose another place with --socket.")
    with socket.socket(socket.AF_UNIX, kind | socket.SOCK_CLOEXEC) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
    raise JepaError(
        f"Another {who} is listening on {path}.",
        f"Stop it with systemctl stop {who}, or choose another --socket.",
    )
