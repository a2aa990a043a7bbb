# SPDX-License-Identifier: Apache-2.0
"""The machine as plans and conditions that need no model see it: settings, units, power supply."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from jepa.actions.attributes import AttributeFamily
from jepa.actions.catalogue import Value, action_type
from jepa.actions.family import Host
from jepa.actions.registry import family_of
from jepa.actions.service_manager import ServiceManager
from jepa.errors import JepaError
from jepa.service.ring import Ring
from jepa.telemetry.schema import Schema


def system_manager() -> ServiceManager:
    """systemd, asked over the message bus."""
    from jepa.actions.systemd_bus import SystemdBus

    return SystemdBus()


class ReadSettings:
    """``MachineSettings`` of the machine below ``root``: read here, set by the actuator alone."""

    def __init__(
        self, root: Path = Path("/"), manager: Callable[[], ServiceManager] = system_manager
    ) -> None:
        self._host = Host(root)
        self._new_manager = manager
        self._manager: ServiceManager | None = None

    def value(self, action: str) -> Value:
        """What is in force."""
        found = action_type(action)
        family = family_of(found)
        return family.read(self._host, family.resolve(self._host, found, ""))

    def offers(self, action: str, value: Value) -> bool:
        """Whether each of the devices takes it; True where the driver does not say."""
        found = action_type(action)
        family = family_of(found)
        if not isinstance(family, AttributeFamily):
            return True
        attribute = family.attribute(self._host, found.setting)
        every = [attribute.offered(file) for file in attribute.files(self._host).values()]
        return all(offered is None or value in offered for offered in every)

    def unit(self, name: str) -> str:
        """The full name of a unit."""
        return self.manager.unit(name).id

    @property
    def manager(self) -> ServiceManager:
        """Connected to when first asked."""
        self._manager = self._manager or self._new_manager()
        return self._manager


class SeenCircumstances:
    """``Circumstances`` of this machine: its frames, its power supply and its units."""

    def __init__(
        self,
        ring: Ring,
        schema: Schema,
        settings: ReadSettings,
        root: Path = Path("/"),
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._ring, self._schema, self._settings = ring, schema, settings
        self._root, self.wall_ns = root, wall_ns

    def on_battery(self) -> bool:
        """Whether the machine has a battery and is not plugged in."""
        from jepa.actions.guard.guard import on_battery  # which reads policies, too, and takes as long

        return on_battery(self._root)

    def failed(self, unit: str) -> bool | None:
        """Whether systemd says so; a unit that is not there any more has not failed."""
        try:
            return bool(self._settings.manager.get(unit, "Unit", "ActiveState") == "failed")
        except JepaError as error:
            return False if error.status == 404 else None

    def mean(self, channel: str, over_s: float) -> float | None:
        """Over the newest frames, as far as they are no older."""
        entries = self._ring.newest()
        since_ns = self.wall_ns() - int(over_s * 1e9)
        at = self._schema.index(channel)
        values = [
            float(entry.frame.values[at])
            for entry in entries
            if entry.frame.ts_ns > since_ns and entry.frame.valid[at]
        ]
        return float(np.mean(values)) if values else None
