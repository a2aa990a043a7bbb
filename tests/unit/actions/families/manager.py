# SPDX-License-Identifier: Apache-2.0
"""A service manager in memory, for what needs no systemd to be decided; the real one is asked in the VM."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from jepa.actions.service_manager import NoServiceManager, Unit, Variant
from jepa.actions.systemd_bus import full_name
from jepa.errors import JepaError

UNSET = 2**64 - 1
DEFAULTS = {
    "CPUWeight": UNSET, "CPUQuotaPerSecUSec": UNSET, "AllowedCPUs": b"", "IOWeight": UNSET, "MemoryMin": 0,
    "MemoryLow": 0, "MemoryHigh": UNSET, "MemoryMax": UNSET, "MemorySwapMax": UNSET, "TasksMax": 2324,
    "IOReadBandwidthMax": [], "IOWriteBandwidthMax": [], "IOReadIOPSMax": [], "IOWriteIOPSMax": [],
}  # fmt: skip


class Manager(NoServiceManager):
    """Holds units and their properties as systemd does: lists are added to, an empty one empties."""

    available = True

    def __init__(self, *units: Unit) -> None:
        self.loaded = {unit.id: unit for unit in units}
        self.values: dict[tuple[str, str], Any] = {}
        self.jobs: list[tuple[str, str]] = []
        self.reloads = 0

    def unit(self, name: str) -> Unit:
        full = full_name(name)
        for unit in self.loaded.values():
            if full == unit.id or full in unit.names:
                return unit
        raise JepaError(f"The unit {full} does not exist.", "", status=404)

    def get(self, unit: str, interface: str, name: str) -> Any:
        return self.values.get((unit, name), DEFAULTS.get(name))

    def set_properties(self, unit: str, assignments: Sequence[tuple[str, Variant]]) -> None:
        for name, (signature, value) in assignments:
            if signature == "a(st)" and value:
                value = [*self.get(unit, "", name), *value]
            self.values[unit, name] = value

    def _change(self, verb: str, unit: str, **state: str) -> None:
        self.jobs.append((verb, unit))
        self.loaded[unit] = replace(self.loaded[unit], **state)

    def start(self, unit: str) -> None:
        self._change("start", unit, active_state="active")

    def stop(self, unit: str) -> None:
        self._change("stop", unit, active_state="inactive")

    def restart(self, unit: str) -> None:
        self._change("restart", unit, active_state="active", invocation="b" * 32)

    def freeze(self, unit: str) -> None:
        self._change("freeze", unit, freezer_state="frozen")

    def thaw(self, unit: str) -> None:
        self._change("thaw", unit, freezer_state="running")

    def enable(self, unit: str) -> None:
        self._change("enable", unit, unit_file_state="enabled")

    def disable(self, unit: str) -> None:
        self._change("disable", unit, unit_file_state="disabled")

    def daemon_reload(self) -> None:
        self.reloads += 1


def service(name: str = "web.service", **more: Any) -> Unit:
    """A service that runs."""
    unit = Unit(
        name,
        "loaded",
        "active",
        "running",
        "a" * 32,
        f"/system.slice/{name}",
        names=(name,),
        unit_file_state="disabled",
        fragment=f"/usr/lib/systemd/system/{name}",
    )
    return replace(unit, **more)
