# SPDX-License-Identifier: Apache-2.0
"""Charge of the machine's batteries and the power drawn from them, from /sys/class/power_supply."""

from dataclasses import dataclass
from pathlib import Path

from jepa.telemetry.sources.base import KernelFile, content, count
from jepa.telemetry.sources.sensors import is_peripheral

_ATTRIBUTES = (
    "capacity",
    "energy_now",
    "energy_full",
    "charge_now",
    "charge_full",
    "power_now",
    "current_now",
    "voltage_now",
    "status",
)


@dataclass(frozen=True, slots=True)
class BatterySample:
    """One battery now, in the kernel's units (µWh, µAh, µW, µA, µV); None is unknown."""

    capacity: int | None = None
    """Percent."""
    energy_now: int | None = None
    energy_full: int | None = None
    charge_now: int | None = None
    charge_full: int | None = None
    power_now: int | None = None
    current_now: int | None = None
    voltage_now: int | None = None
    discharging: bool = True

    @property
    def is_dead(self) -> bool:
        """Whether it can hold nothing any more."""
        return self.energy_full == 0 or self.charge_full == 0

    @property
    def percent(self) -> float | None:
        """Charge left in percent, from 0 to 100."""
        percent: float | None = self.capacity
        if percent is None and self.energy_now is not None and self.energy_full:
            percent = 100 * self.energy_now / self.energy_full
        if percent is None and self.charge_now is not None and self.charge_full:
            percent = 100 * self.charge_now / self.charge_full
        return None if percent is None else min(100.0, max(0.0, percent))

    @property
    def size(self) -> float | None:
        """Energy it holds when full, in µWh."""
        if self.energy_full:
            return float(self.energy_full)
        if self.charge_full and self.voltage_now:
            return self.charge_full * self.voltage_now / 1e6
        return None

    @property
    def watts(self) -> float | None:
        """Power drawn from it; None while it is not being discharged."""
        if not self.discharging:
            return None
        if self.power_now is not None:
            return self.power_now / 1e6
        if self.current_now is not None and self.voltage_now is not None:
            return self.current_now * self.voltage_now / 1e12
        return None


def charge(batteries: list[BatterySample]) -> float | None:
    """Percent left in all batteries together, by the energy that each holds where all report it."""
    known = [
        (percent, battery.size)
        for battery in batteries
        if not battery.is_dead and (percent := battery.percent) is not None
    ]
    if not known:
        return None
    sizes = [size for _, size in known if size is not None]
    if len(sizes) < len(known):
        sizes = [1.0] * len(known)
    return sum(percent * size for (percent, _), size in zip(known, sizes, strict=True)) / sum(sizes)


def watts(batteries: list[BatterySample]) -> float | None:
    """Power drawn from all batteries; None when none is being discharged."""
    known = [drawn for battery in batteries if (drawn := battery.watts) is not None]
    return sum(known) if known else None


class Batteries:
    """The batteries in /sys/class/power_supply below ``folder``, which is /sys/class."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "power_supply"
        self._files: dict[Path, dict[str, KernelFile]] = {}

    def __len__(self) -> int:
        return len(self._files)

    def scan(self) -> None:
        """Look which batteries there are. That of a mouse or a headset is not the machine's."""
        found = [
            supply
            for supply in sorted(self._folder.glob("*"))
            if content(supply / "type") == b"Battery"
            and content(supply / "present") != b"0"
            and not is_peripheral(supply)
        ]
        if found != list(self._files):
            self.close()
            self._files = {
                supply: {name: KernelFile(supply / name) for name in _ATTRIBUTES if (supply / name).exists()}
                for supply in found
            }

    def read(self) -> list[BatterySample]:
        """Each battery now; an attribute that cannot be read is missing."""
        return [_sample(files) for files in self._files.values()]

    def close(self) -> None:
        """Close the files."""
        for files in self._files.values():
            for file in files.values():
                file.close()


def _sample(files: dict[str, KernelFile]) -> BatterySample:
    found: dict[str, bytes] = {}
    for name, file in files.items():
        try:
            found[name] = file.read().strip()
        except OSError:
            continue  # such as ENODATA and ENODEV while the driver has no answer
    discharging = found.pop("status", b"Discharging") in (b"Discharging", b"Unknown")
    # Some batteries give a negative current while they discharge.
    numbers = {name: count(text.removeprefix(b"-")) for name, text in found.items()}
    return BatterySample(**numbers, discharging=discharging)
