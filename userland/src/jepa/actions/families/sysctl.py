# SPDX-License-Identifier: Apache-2.0
"""Kernel parameters under /proc/sys, of an allow-list: the names that the catalogue has."""

from pathlib import Path

from jepa.actions.catalogue import ActionType, TargetKind, Value
from jepa.actions.family import Host, Resource
from jepa.errors import JepaError


def _file(host: Host, name: str) -> Path:
    return host.root / "proc/sys" / name.replace(".", "/")


class Sysctl:
    """A ``Family``: an action's setting is the parameter's name."""

    def missing(self, host: Host, action: ActionType) -> str | None:
        """The kernel may be built without the parameter."""
        if not _file(host, action.setting).exists():
            return f"This kernel has no {action.setting}."
        return None

    def resolve(self, host: Host, action: ActionType, target: str) -> Resource:
        """The machine's own parameter."""
        if target:
            raise JepaError(
                f"{action.name} is a setting of the machine and takes no target.",
                f"For instance `{action.example}`.",
                status=422,
            )
        return Resource(TargetKind.MACHINE, "", action.setting)

    def read(self, host: Host, resource: Resource) -> Value:
        """A number where it is one, else the text."""
        try:
            text = " ".join(_file(host, resource.setting).read_text().split())
        except OSError as error:
            raise JepaError(
                f"{resource.setting} cannot be read: {error.strerror}.",
                "`jepa actions` shows what can be set here.",
                status=409,
            ) from error
        return int(text) if text.lstrip("-").isdigit() else text

    def check(self, host: Host, action: ActionType, resource: Resource, value: Value) -> Value:
        """Any value in range will do."""
        return value

    def apply(self, host: Host, resource: Resource, value: Value) -> None:
        """Write it; the kernel takes all of a value or nothing."""
        try:
            # Unbuffered: an error must be that of this write, and not of a later close.
            with _file(host, resource.setting).open("wb", buffering=0) as file:
                file.write(str(value).encode())
        except OSError as error:
            raise JepaError(
                f"The kernel does not take {value} for {resource.setting}: {error.strerror}.",
                "Act as root." if isinstance(error, PermissionError) else "Try another value.",
                status=403 if isinstance(error, PermissionError) else 422,
            ) from error

    def verify(self, host: Host, resource: Resource, value: Value) -> None:
        """Read it back."""
        found = self.read(host, resource)
        if found != value:
            raise JepaError(f"{resource.setting} is {found}, not {value} as set.", "Nothing was kept.")

    def undo(self, host: Host, resource: Resource, old: Value) -> None:
        """Write what it was."""
        self.apply(host, resource, old)
