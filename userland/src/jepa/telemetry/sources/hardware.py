# SPDX-License-Identifier: Apache-2.0
"""Temperature, power and battery charge of the machine, from /sys/class."""

from pathlib import Path

from jepa.telemetry.sources import battery
from jepa.telemetry.sources.base import Reading
from jepa.telemetry.sources.battery import Batteries
from jepa.telemetry.sources.powercap import Powercap
from jepa.telemetry.sources.sensors import Temperatures

_RESCAN_S = 60.0


class HardwareSource:
    """Reads thermal zones, hwmon, powercap and power supplies in /sys/class below ``root``."""

    name = "hardware"

    def __init__(self, root: Path) -> None:
        folder = root / "sys/class"
        self._temperatures = Temperatures(folder)
        self._powercap = Powercap(folder)
        self._batteries = Batteries(folder)
        self._scanned_at: float | None = None

    def read(self, now: float) -> Reading:
        """The hottest sensor, power drawn since the last call and charge of all batteries."""
        if self._scanned_at is None or now - self._scanned_at >= _RESCAN_S:
            for part in (self._temperatures, self._powercap, self._batteries):
                part.scan()
            self._scanned_at = now
        batteries = self._batteries.read(now)
        watts, basis = self._powercap.watts(now), self._powercap.basis
        if not self._powercap.readable():
            watts = battery.watts(batteries)
            basis = "" if watts is None else "power is that drawn from the batteries"
        found = {
            "hw.temperature": self._temperatures.hottest(now),
            "hw.power": watts,
            "hw.battery.charge": battery.charge(batteries),
        }
        values = {name: value for name, value in found.items() if value is not None}
        left_out = self._temperatures.left_out
        notes = (f"not counted: {left_out}" if left_out else "", basis)
        return Reading(values, self._missing(values), "; ".join(note for note in notes if note))

    def close(self) -> None:
        """Close the files."""
        for part in (self._temperatures, self._powercap, self._batteries):
            part.close()

    def _missing(self, values: dict[str, float]) -> str:
        absent = []
        if "hw.temperature" not in values:
            absent.append("no temperature sensor")
        if not self._powercap.readable() and "hw.power" not in values and not self._batteries:
            absent.append("power counters need root" if self._powercap.counters else "no power counter")
        if "hw.battery.charge" not in values:
            absent.append(self._batteries.left_out or "no battery")
        return ", ".join(absent)
