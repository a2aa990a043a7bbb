# SPDX-License-Identifier: Apache-2.0
"""Who asks, as the kernel says: the user, the process and the unit at the other end of a UNIX socket.

A PID may belong to another process by the time it is looked at (CVE-2013-4288). So the process is held by a
pidfd that the kernel made when the peer connected, and what /proc says of the PID counts only while that
pidfd still refers to a living process.
"""

import os
import select
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from jepa.actions.change import Caller
from jepa.errors import JepaError

SO_PEERPIDFD: Final = 77
"""Since Linux 6.5; Python 3.13 has no name for it."""
_CREDENTIALS: Final = struct.Struct("@iii")
"""``struct ucred``: PID, UID, GID. The UID is read as a signed 32 bit number, as polkit takes it: one that
was sent unsigned was ignored, and looked up anew by PID (CVE-2026-78422)."""
_SYSTEM_USERS: Final = 1000
_DYNAMIC_USERS: Final = range(61184, 65536)
"""systemd's DynamicUser range, nobody and the 16 bit error value (https://systemd.io/UIDS-GIDS)."""


def caller_of(peer: socket.socket, root: Path = Path("/")) -> Caller:
    """The process at the other end of a connected UNIX socket; the caller owns and closes its ``pidfd``.

    JepaError (403) when it has ended, or cannot be told.
    """
    try:
        pid, uid, _ = _CREDENTIALS.unpack(
            peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        )
        pidfd = _pidfd(peer, pid)
    except (OSError, struct.error) as error:
        raise _unknown() from error
    try:
        if pid <= 0 or uid < 0:
            raise _unknown()
        system, own = units(cgroup_of(pid, root))
        if not alive(pidfd):  # what was read may be of a later process of this PID
            raise _unknown()
    except BaseException:
        os.close(pidfd)
        raise
    return Caller(uid=uid, pid=pid, unit=system, session=own, pidfd=pidfd)


def own_caller(root: Path = Path("/")) -> Caller:
    """This process, for actions that are applied with the rights of whoever runs it."""
    system, own = units(cgroup_of(os.getpid(), root))
    return Caller(uid=os.geteuid(), pid=os.getpid(), unit=system, session=own)


def is_person(caller: Caller) -> bool:
    """Whether the user is a person or the administrator, and the process is no daemon of ours.

    The users of services (1 to 999, DynamicUser) and nobody are not, but for one who works in a person's
    session, as at the console of the image.
    """
    if caller.autonomous or caller.uid in _DYNAMIC_USERS:
        return False
    return caller.uid == 0 or caller.uid >= _SYSTEM_USERS or (caller.uid > 0 and bool(caller.session))


def alive(pidfd: int) -> bool:
    """Whether the process that ``pidfd`` refers to has not ended."""
    waiting = select.poll()  # select() takes no file descriptor above 1023
    waiting.register(pidfd, select.POLLIN)
    return not waiting.poll(0)


def cgroup_of(pid: int, root: Path = Path("/")) -> str:
    """The control group of a process below the root of systemd's hierarchy; empty when it is gone."""
    try:
        lines = (root / "proc" / str(pid) / "cgroup").read_text(errors="replace").splitlines()
    except OSError:
        return ""
    paths = {controllers: path for _, controllers, path in (line.split(":", 2) for line in lines if line)}
    return paths.get("name=systemd") or paths.get("", "")


def units(cgroup: str) -> tuple[str, str]:
    """The system's unit that a control group belongs to, and of a person's: their session or own unit.

    ``/user.slice/user-1000.slice/user@1000.service/app.slice/x.service`` is ``user@1000.service`` and
    ``x.service``: whatever a person calls a unit of theirs, it is no unit of the system.
    """
    found = list(_leaves(cgroup))
    system = found[0] if found else ""
    if not cgroup.startswith("/user.slice/"):
        return system, ""
    return system, found[1] if len(found) > 1 and system.startswith("user@") else system


def _leaves(cgroup: str) -> Iterator[str]:
    """Units of a path that hold processes. systemd puts ``_`` before names that the kernel uses itself."""
    for part in cgroup.split("/"):
        if part.endswith((".service", ".scope", ".socket", ".mount", ".swap")):
            yield part.removeprefix("_")


def _pidfd(peer: socket.socket, pid: int) -> int:
    try:
        fd = peer.getsockopt(socket.SOL_SOCKET, SO_PEERPIDFD)
        os.set_inheritable(fd, False)
        return fd
    except OSError:
        # Before Linux 6.5: whoever took over the PID since the connection was made is looked at instead.
        return os.pidfd_open(pid)


def _unknown() -> JepaError:
    return JepaError("Who asks cannot be told: the process has ended.", "Ask again.", status=403)
