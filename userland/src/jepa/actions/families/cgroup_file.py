# SPDX-License-Identifier: Apache-2.0
"""What systemd cannot set of a unit, written into its own control group: uclamp, and reclaim on demand.

The group goes with the unit's processes; a unit that was started anew is another one. See the kernel's
documentation of control groups, version 2.
"""

import errno
from pathlib import Path
from typing import Final

from jepa.actions import kernel_file, units
from jepa.actions.catalogue import ActionType, Value
from jepa.actions.family import Host, Resource
from jepa.errors import JepaError

_RECLAIM: Final = "memory.reclaim"
_TOP: Final = "sys/fs/cgroup"


class CgroupFile:
    """A ``Family``: an action's setting is the name of the file."""

    def missing(self, host: Host, action: ActionType) -> str | None:
        """systemd names the group; the kernel must have the file in every group but the root's."""
        if (why := units.needs_systemd(host)) is not None:
            return why
        if units.controllers(host) is None:
            return units.NO_GROUPS
        if not any((host.root / _TOP).glob(f"*.slice/{action.setting}")):
            return f"This kernel has no {action.setting}."
        return None

    def resolve(self, host: Host, action: ActionType, target: str) -> Resource:
        """The unit as it runs now."""
        unit = units.find(host, target)
        if not unit.cgroup:
            raise JepaError(f"{unit.id} does not run.", "Start it first.", status=409)
        return units.resource(unit, action, unit.invocation)

    def read(self, host: Host, resource: Resource) -> Value:
        """The file's content; what reclaims on demand has none."""
        if resource.setting == _RECLAIM:
            return None
        file = self._file(host, resource)
        text = kernel_file.read(file, f"{resource.setting} of {resource.name}")
        return "max" if text == "max" else _number(text)

    def check(self, host: Host, action: ActionType, resource: Resource, value: Value) -> Value:
        """Not more than there is to reclaim."""
        if resource.setting == _RECLAIM:
            held = self._held(self._file(host, resource))
            if int(str(value)) > held:
                raise JepaError(
                    f"{resource.name} holds only {held // 2**20} MiB.", "Reclaim less.", status=422
                )
        return value

    def apply(self, host: Host, resource: Resource, value: Value) -> None:
        """Write it. Of memory that is reclaimed on demand less will do than was asked for, but not none."""
        name = f"{resource.setting} of {resource.name}"
        file = self._file(host, resource)
        if resource.setting != _RECLAIM:
            kernel_file.write(file, str(value), name)
            return
        before = self._held(file)
        try:
            kernel_file.write(file, str(value), name)
        except JepaError as error:
            if not isinstance(error.__cause__, OSError) or error.__cause__.errno != errno.EAGAIN:
                raise
            if self._held(file) >= before:
                raise JepaError(
                    f"The kernel found nothing to reclaim of {resource.name}.",
                    "Its pages are in use or locked, or there is no swap left.",
                    status=409,
                ) from error

    def _held(self, file: Path) -> int:
        return int(kernel_file.read(file.with_name("memory.current"), "the memory that it holds"))

    def verify(self, host: Host, resource: Resource, value: Value) -> None:
        """Read it back; of what is reclaimed nothing remains to be read."""
        if resource.setting != _RECLAIM and (found := self.read(host, resource)) != value:
            raise JepaError(
                f"{resource.setting} of {resource.name} is {found}, not {value} as set.", "Nothing was kept."
            )

    def undo(self, host: Host, resource: Resource, old: Value) -> None:
        """Write what it was."""
        if old is not None:
            self.apply(host, resource, old)

    def _file(self, host: Host, resource: Resource) -> Path:
        group = units.same(host, resource).cgroup
        return host.root / _TOP / group.lstrip("/") / resource.setting


def _number(text: str) -> Value:
    number = float(text)
    return int(number) if number == int(number) else number
