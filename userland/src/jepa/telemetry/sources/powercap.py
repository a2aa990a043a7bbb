# SPDX-License-Identifier: Apache-2.0
"""Power that the machine draws, from the energy counters of powercap (RAPL)."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from jepa.telemetry.sources.base import KernelFile, Previous, content, count

Part = Literal["psys", "package"]
_DOMAIN = re.compile(r"intel-rapl(-mmio)?:\d+")
"""Only the outermost: those within one are parts of the same energy. AMD's have the same names."""
_MOST_W = 2000.0
"""More than this is a counter that was set back, as happens while the machine is suspended."""
_DISTRUST_AFTER = 3
"""Readings in a row in which psys was below its packages: then its counter is never taken again."""
_PSYS_SHARE = 0.95
"""Of the packages' power, with room for counters that are not read at one instant."""


def energy_used(before: int | None, after: int | None, limit: int | None) -> int | None:
    """Microjoules between two readings of a counter that starts again at ``limit``."""
    if before is None or after is None:
        return None
    if after >= before:
        return after - before
    return None if limit is None or before > limit else limit - before + after


@dataclass(frozen=True, slots=True)
class _Domain:
    name: str
    part: Part
    energy: KernelFile
    limit: int | None
    """Microjoules at which the counter starts again."""


class Powercap:
    """The energy counters in /sys/class/powercap below ``folder``, which is /sys/class."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "powercap"
        self._domains: list[_Domain] = []
        self._previous: Previous[tuple[int | None, ...]] = Previous()
        self._incredible = 0
        self.basis = ""
        """What the last power was measured of, or empty."""

    @property
    def counters(self) -> int:
        """How many there are, whether or not they can be read."""
        return len(self._domains)

    def scan(self) -> None:
        """Look which counters there are."""
        domains = _domains(self._folder)
        if [each.energy.path for each in domains] != [each.energy.path for each in self._domains]:
            self.close()
            self._domains = domains
            self._previous = Previous()
            self._incredible = 0

    def readable(self) -> bool:
        """Whether any counter could be read at the last reading."""
        last = self._previous.last
        return last is not None and any(energy is not None for energy in last)

    def watts(self, now: float) -> float | None:
        """Of the whole machine where it counts that credibly, else of all processor packages."""
        energies = tuple(_number(domain.energy) for domain in self._domains)
        before = self._previous.swap(energies, now)
        self.basis = ""
        if before is None:
            return None
        watts: dict[Part, list[float | None]] = {"psys": [], "package": []}
        for domain, start, end in zip(self._domains, before[0], energies, strict=True):
            watts[domain.part].append(_watts(energy_used(start, end, domain.limit), before[1]))
        psys, packages = _sum(watts["psys"]), _sum(watts["package"])
        # One that cannot be read leaves the packages; one without a rate for this second does not.
        credible = any(
            domain.part == "psys" and end is not None
            for domain, end in zip(self._domains, energies, strict=True)
        )
        if psys is not None and packages is not None and self._incredible < _DISTRUST_AFTER:
            # A part cannot draw more than the whole: the counter of this board is late, or not calibrated.
            credible = psys >= _PSYS_SHARE * packages
            self._incredible = 0 if credible else self._incredible + 1
        if credible and self._incredible < _DISTRUST_AFTER:
            self.basis = "" if psys is None else "power is that of the whole machine (psys)"
            return psys
        self.basis = "" if packages is None else "power is that of the processor packages"
        return packages

    def close(self) -> None:
        """Close the files."""
        for domain in self._domains:
            domain.energy.close()


def _domains(folder: Path) -> list[_Domain]:
    found: dict[str, _Domain] = {}
    # A package may have registers in memory too, which count the same energy: they come after the others.
    for entry in sorted(
        folder.glob("intel-rapl*"), key=lambda path: (path.name.startswith("intel-rapl-"), path)
    ):
        if not _DOMAIN.fullmatch(entry.name):
            continue
        name = content(entry / "name").decode("utf-8", "replace") or entry.name
        part: Part = "psys" if name.startswith("psys") else "package"
        energy, limit = KernelFile(entry / "energy_uj"), count(content(entry / "max_energy_range_uj"))
        found.setdefault(name, _Domain(name, part, energy, limit))
    return list(found.values())


def _watts(microjoules: int | None, seconds: float) -> float | None:
    watts = None if microjoules is None else microjoules / 1e6 / seconds
    return watts if watts is not None and watts <= _MOST_W else None


def _sum(watts: list[float | None]) -> float | None:
    known = [each for each in watts if each is not None]
    return sum(known) if known and len(known) == len(watts) else None


def _number(file: KernelFile) -> int | None:
    try:
        return count(file.read().strip())
    except OSError:
        return None
