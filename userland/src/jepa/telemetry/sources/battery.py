# SPDX-License-Identifier: Apache-2.0
"""Charge of the machine's batteries and the power drawn from them, from /sys/class/power_supply."""

from dataclasses import dataclass
from pathlib import Path

from jepa.telemetry.sources.base import KernelFile, content, count
from jepa.telemetry.sources.helper import Helper
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


class _Supply:
    """A power supply. Whatever is asked of it may take long, or for ever: its bus may be stuck."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.files: dict[str, KernelFile] | None = None
        """None: not looked at since it was told to; without any: not a battery of the machine."""

    def read(self) -> BatterySample | None:
        """The battery now; None when it is none, or that of a mouse or a headset."""
        if self.files is None:
            self.files = self._find()
        return _sample(self.files) if self.files else None

    def close(self) -> None:
        for file in (self.files or {}).values():
            file.close()

    def _find(self) -> dict[str, KernelFile]:
        if (
            content(self._folder / "type") != b"Battery"
            or content(self._folder / "present") == b"0"
            or is_peripheral(self._folder)
        ):
            return {}
        return {
            name: KernelFile(self._folder / name) for name in _ATTRIBUTES if (self._folder / name).exists()
        }


class Batteries:
    """The batteries in /sys/class/power_supply below ``folder``, which is /sys/class."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "power_supply"
        self._supplies: dict[Path, _Supply] = {}
        self._helper: Helper[Path, BatterySample | None] = Helper("batteries")

    def __len__(self) -> int:
        return sum(1 for supply in self._supplies.values() if supply.files)

    @property
    def left_out(self) -> str:
        """Those that do not answer."""
        silent = sorted(self._helper.silent & self._supplies.keys())
        return ", ".join(f"{path.name} (does not answer)" for path in silent)

    def scan(self) -> None:
        """Look at the next reading which batteries there are."""
        before, silent = self._supplies, self._helper.silent
        self._supplies = {
            path: before[path] if path in silent and path in before else _Supply(path)
            for path in sorted(self._folder.glob("*"))
        }
        for path, supply in before.items():
            if path not in silent:
                supply.close()

    def read(self, now: float) -> list[BatterySample]:
        """Each battery now; an attribute that cannot be read is missing.

        None of them while one does not answer, since the others alone would be another total.
        """
        answers = self._helper.ask({path: each.read for path, each in self._supplies.items()}, now)
        if len(answers) < len(self._supplies):
            return []
        return [sample for sample in answers.values() if sample is not None]

    def close(self) -> None:
        """Close the files."""
        self._helper.close()
        for path, supply in self._supplies.items():
            if path not in self._helper.silent:
                supply.close()


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
