# SPDX-License-Identifier: Apache-2.0
"""Who asks for connections, seen at some moments one after the other."""

import os
import socket
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from jepa.telemetry.sources.connections import asked_for
from jepa.telemetry.sources.listeners import open_diag

_FEW: Final = 10
"""Connections; fewer than that are seen of a storm when each is refused at once."""
_FILES: Final = 5000
"""Open files that are looked at in one look, at most."""


class Connections:
    """Counts connections by who asks for them, those after the first look.

    The kernel lists a connection with its control group, but not one that was refused: of it only the socket
    is there, for a moment, among the open files of its process. These are looked at below ``root`` when it
    is given.
    """

    def __init__(self, root: Path | None = None) -> None:
        self._root = root
        self._groups: Counter[int] = Counter()
        self._processes: Counter[int] = Counter()
        self._cookies: set[int] = set()
        self._sockets: set[str] = set()
        self._diag: socket.socket | None = None

    def __enter__(self) -> Self:
        with suppress(OSError):
            self._diag = open_diag()
        self.look()
        self._groups.clear()
        self._processes.clear()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._diag is not None:
            self._diag.close()

    @property
    def seen(self) -> int:
        """Connections that the kernel listed."""
        return self._groups.total()

    def look(self) -> None:
        """Count those not seen before."""
        if self._root is not None:
            for pid, name in _sockets(self._root):
                if name not in self._sockets:
                    self._sockets.add(name)
                    self._processes[pid] += 1
        if self._diag is None:
            return
        try:
            for each in asked_for(self._diag):
                if each.cookie not in self._cookies:
                    self._cookies.add(each.cookie)
                    self._groups.update(() if each.cgroup is None else (each.cgroup,))
        except (OSError, ValueError):
            self._diag.close()
            self._diag = None

    def by_unit(self, groups: Mapping[int, str], processes: Mapping[int, str]) -> dict[str, int]:
        """How many each unit asked for, by the units of control groups (their inodes) and of processes."""
        found: Counter[str] = Counter()
        counted, units = (self._groups, groups) if self.seen >= _FEW else (self._processes, processes)
        for key, many in counted.items():
            if unit := units.get(key):
                found[unit] += many
        return dict(found)


def _sockets(root: Path) -> Iterator[tuple[int, str]]:
    """The sockets that processes hold, those that may be looked at: of all processes only root may."""
    left = _FILES
    for folder in (root / "proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            with os.scandir(folder / "fd") as files:
                for file in files:
                    left -= 1
                    if (name := os.readlink(file.path)).startswith("socket:"):  # noqa: PTH115  (thousands)
                        yield int(folder.name), name
        except OSError:
            continue  # it has ended, or is somebody else's
        if left <= 0:
            return
