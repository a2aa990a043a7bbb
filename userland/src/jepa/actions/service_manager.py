# SPDX-License-Identifier: Apache-2.0
"""What actions need of a service manager, as a seam: systemd over D-Bus, or none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from jepa.errors import JepaError

UNSET: Final = 2**64 - 1
"""What systemd reports for a limit or a weight that is not set."""
Variant = tuple[str, Any]
"""A D-Bus signature and a value of it, as jeepney takes it: ``("t", 100)``."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit as it is now."""

    id: str
    """Its own name: where an alias was asked for, the one it stands for."""
    load_state: str
    active_state: str
    sub_state: str = ""
    invocation: str = ""
    """32 hex digits; empty while it never ran."""
    cgroup: str = ""
    """Its control group below the root of the hierarchy, as ``/system.slice/x.service``; or empty."""
    freezer_state: str = "running"
    names: tuple[str, ...] = ()
    unit_file_state: str = ""
    fragment: str = ""
    main_pid: int = 0


class ServiceManager(Protocol):
    """systemd of the system, or of a person. Methods raise JepaError (503) when it cannot be reached."""

    available: bool

    def unit(self, name: str) -> Unit:
        """The unit ``name``, loaded if need be; JepaError (404, 409) when there is none or it is masked."""

    def services(self) -> Sequence[Unit]:
        """All services that are loaded, with their states alone: nothing that each has to be asked for."""

    def unit_of_pid(self, pid: int) -> str:
        """The id of the unit that a process belongs to."""

    def get(self, unit: str, interface: str, name: str) -> Any:
        """One property: interface ``Service``, ``Slice``, ``Scope``, ``Timer`` or ``Unit``."""

    def set_properties(self, unit: str, assignments: Sequence[tuple[str, Variant]]) -> None:
        """Assign resource properties in one step and in order, until the machine stops (runtime)."""

    def start(self, unit: str) -> None:
        """Start it and return when the job is done; JepaError (500) when it fails."""

    def stop(self, unit: str) -> None:
        """Stop it and return when the job is done."""

    def restart(self, unit: str) -> None:
        """Restart it and return when the job is done."""

    def reload(self, unit: str) -> None:
        """Let it read its configuration anew."""

    def freeze(self, unit: str) -> None:
        """Stop all its processes where they are."""

    def thaw(self, unit: str) -> None:
        """Let them run on."""

    def enable(self, unit: str) -> None:
        """Start it at boot from now on."""

    def disable(self, unit: str) -> None:
        """No longer start it at boot."""

    def daemon_reload(self) -> None:
        """Read all unit files and drop-ins anew."""

    def start_transient(
        self,
        unit: str,
        properties: Mapping[str, Variant],
        auxiliary: Sequence[tuple[str, Mapping[str, Variant]]] = (),
    ) -> None:
        """Make and start a unit that exists until it stops; ``auxiliary`` is what a timer starts."""


class NoServiceManager:
    """A machine, or a container, without systemd: whatever needs one is refused."""

    available = False

    def __getattr__(self, name: str) -> Any:
        def refuse(*args: Any, **kwargs: Any) -> Any:
            raise JepaError(
                "systemd does not run here, and this action goes through it.",
                "Use an action on a process or on the machine: `jepa actions` shows what is possible here.",
                status=503,
            )

        return refuse
