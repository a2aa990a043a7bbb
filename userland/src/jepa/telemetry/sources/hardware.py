# SPDX-License-Identifier: Apache-2.0
"""Temperature, power and battery charge, from /sys."""

from dataclasses import dataclass
from pathlib import Path

from jepa.telemetry.sources.base import KernelFile, Previous, Reading, count

_RESCAN_S = 60.0


def parse_millidegrees(content: bytes) -> float | None:
    """Degrees Celsius from a sensor file; None when malformed or not a credible temperature."""
    text = content.strip()
    size = count(text.removeprefix(b"-"))
    if size is None:
        return None
    degrees = (-size if text.startswith(b"-") else size) / 1000
    return degrees if -60 <= degrees <= 200 else None


def energy_used(before: int | None, after: int | None, limit: int | None) -> int | None:
    """Microjoules between two readings of a RAPL counter that starts again at ``limit``."""
    if before is None or after is None:
        return None
    if after >= before:
        return after - before
    return None if limit is None or before > limit else limit - before + after


@dataclass(frozen=True, slots=True)
class Package:
    """One RAPL package: its energy counter and where it wraps, in microjoules."""

    energy: KernelFile
    limit: int | None


@dataclass(frozen=True, slots=True)
class Battery:
    """The files of one battery."""

    capacity: KernelFile
    power: KernelFile
    current: KernelFile
    voltage: KernelFile


class HardwareSource:
    """Reads thermal zones, hwmon, powercap and power supplies in /sys/class below ``root``."""

    name = "hardware"

    def __init__(self, root: Path) -> None:
        self._class = root / "sys/class"
        self._scanned_at: float | None = None
        self._temperatures: list[KernelFile] = []
        self._packages: list[Package] = []
        self._batteries: list[Battery] = []
        self._energy: Previous[tuple[int | None, ...]] = Previous()

    def read(self, now: float) -> Reading:
        """The hottest sensor, power drawn since the last call and mean charge."""
        if self._scanned_at is None or now - self._scanned_at >= _RESCAN_S:
            self._scan()
            self._scanned_at = now
        values: dict[str, float] = {}
        degrees = [
            known for file in self._temperatures if (known := parse_millidegrees(_content(file))) is not None
        ]
        if degrees:
            values["hw.temperature"] = max(degrees)
        watts = self._package_watts(now)
        if watts is None:
            watts = self._battery_watts()
        if watts is not None:
            values["hw.power"] = watts
        charges = [known for battery in self._batteries if (known := _number(battery.capacity)) is not None]
        if charges:
            values["hw.battery.charge"] = sum(charges) / len(charges)
        return Reading(values, self._missing(values))

    def close(self) -> None:
        """Close the files."""
        for file in self._files():
            file.close()

    def _files(self) -> list[KernelFile]:
        batteries = [file for b in self._batteries for file in (b.capacity, b.power, b.current, b.voltage)]
        return [*self._temperatures, *(package.energy for package in self._packages), *batteries]

    def _scan(self) -> None:
        self.close()
        zones = sorted(self._class.glob("thermal/thermal_zone*/temp"))
        sensors = sorted(self._class.glob("hwmon/hwmon*/temp*_input"))
        self._temperatures = [KernelFile(path) for path in (*zones, *sensors)]
        # Only packages: their cores and memory are parts of the same energy.
        self._packages = [
            Package(
                KernelFile(folder / "energy_uj"),
                _number(KernelFile(folder / "max_energy_range_uj"), keep=False),
            )
            for folder in sorted(self._class.glob("powercap/intel-rapl:*"))
            if folder.name.count(":") == 1
        ]
        self._batteries = [
            Battery(
                *(
                    KernelFile(folder / name)
                    for name in ("capacity", "power_now", "current_now", "voltage_now")
                )
            )
            for folder in sorted(self._class.glob("power_supply/*"))
            if _content(KernelFile(folder / "type"), keep=False).strip() == b"Battery"
        ]

    def _package_watts(self, now: float) -> float | None:
        energies = tuple(_number(package.energy) for package in self._packages)
        before = self._energy.swap(energies, now)
        if before is None or len(before[0]) != len(energies) or not energies:
            return None
        used = [
            energy_used(start, end, package.limit)
            for start, end, package in zip(before[0], energies, self._packages, strict=True)
        ]
        known = [energy for energy in used if energy is not None]
        return sum(known) / 1e6 / before[1] if len(known) == len(used) else None

    def _battery_watts(self) -> float | None:
        watts: list[float] = []
        for battery in self._batteries:
            power = _number(battery.power)
            current, voltage = _number(battery.current), _number(battery.voltage)
            if power is not None:
                watts.append(power / 1e6)
            elif current is not None and voltage is not None:
                watts.append(current * voltage / 1e12)
        return sum(watts) if watts else None

    def _missing(self, values: dict[str, float]) -> str:
        absent = []
        if "hw.temperature" not in values:
            absent.append("no temperature sensor")
        if "hw.power" not in values and not self._batteries:
            absent.append("power counters need root" if self._packages else "no power counter")
        if not self._batteries:
            absent.append("no battery")
        return ", ".join(absent)


def _content(file: KernelFile, *, keep: bool = True) -> bytes:
    """What the file says, or nothing: sensors come, go and refuse at any time."""
    try:
        return file.read()
    except OSError:
        return b""
    finally:
        if not keep:
            file.close()


def _number(file: KernelFile, *, keep: bool = True) -> int | None:
    # Some batteries give a negative current while they discharge.
    return count(_content(file, keep=keep).strip().removeprefix(b"-"))
