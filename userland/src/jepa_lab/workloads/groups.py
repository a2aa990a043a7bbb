# SPDX-License-Identifier: Apache-2.0
"""Control groups for the lab's programs, one a role, so that each can be seen and set apart."""

import contextlib
import errno
import time
from pathlib import Path

from jepa.errors import JepaError
from jepa.telemetry.roles import PLACES, PLAYED, Role

_CONTROLLERS = ("cpu", "memory", "io")
_NAME = "lab.slice"


class Groups:
    """Groups below ``root``/sys/fs/cgroup for as long as the context lasts; the rules that assign them too.

    Entering raises JepaError where there is no cgroup v2 tree with the CPU controller, or no leave.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._tree = root / "sys/fs/cgroup"
        self._top = self._tree / _NAME
        self._rules = root / PLACES[-1]

    def folder(self, role: Role) -> Path:
        """The directory of the group that plays ``role``."""
        return self._top / role

    def __enter__(self) -> "Groups":
        try:
            there = (self._tree / "cgroup.controllers").read_text().split()
            if "cpu" not in there:
                raise JepaError(
                    f"{self._tree} has no CPU controller.", "Record on a machine or VM with cgroup v2."
                )
            wanted = " ".join(f"+{name}" for name in _CONTROLLERS if name in there)
            self._top.mkdir(exist_ok=True)
            for parent in (self._tree, self._top):
                (parent / "cgroup.subtree_control").write_text(wanted)
            for role in PLAYED:
                self.folder(role).mkdir(exist_ok=True)
            self._rules.parent.mkdir(parents=True, exist_ok=True)
            self._rules.write_text(
                "".join(f'[[role]]\nrole = "{role}"\ncgroups = ["{_NAME}/{role}"]\n' for role in PLAYED)
            )
        except OSError as error:
            self.__exit__()
            raise JepaError(
                f"The lab cannot make control groups: {error}.", "Run it as root, with cgroup v2."
            ) from error
        return self

    def __exit__(self, *exception: object) -> None:
        self._rules.unlink(missing_ok=True)
        for folder in (*(self.folder(role) for role in PLAYED), self._top):
            with contextlib.suppress(OSError):
                (folder / "cgroup.freeze").write_text("0")
                (folder / "cgroup.kill").write_text("1")
            _remove(folder)


def _remove(folder: Path) -> None:
    """Remove a group once the kernel is done with what was killed in it."""
    for _ in range(50):
        try:
            folder.rmdir()
        except OSError as error:
            if error.errno != errno.EBUSY:
                return
            time.sleep(0.1)
        else:
            return
