# SPDX-License-Identifier: Apache-2.0
"""The hottest sensor of the machine, among thermal zones and hwmon, without inputs that measure nothing."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from jepa.telemetry.sources.base import KernelFile, content, count
from jepa.telemetry.sources.helper import Helper

_PLACEHOLDERS = frozenset({-128.0, -127.0, 127.0, 127.5, 127.875, 128.0, 255.0})
"""What inputs read, in degrees, to which nothing is connected."""
_SUPER_IO = re.compile(r"(nct[67]|it8|w83|f7|f8|sch5|sch3|smsc|lm7|lm8|dme17|adt7|pc87|vt1|asus|gigabyte)")
"""Chips of main boards, which have more inputs than a board has sensors: unlabelled ones are doubtful."""
_PIN = re.compile(r"(SYS|CPU|AUX)TIN\d*")
"""Drivers of such chips label every pin, also those to which the board connects nothing."""
_CONSTANT_S = 300.0
"""An unlabelled input that has not changed for so long counts only where no other sensor does."""
_DISKS = ("drivetemp", "nvme")
_DISK_EVERY_S = 60.0
"""How often a disk is asked: each time is a command to it."""
_HID = re.compile(r"/[0-9A-F]{4}:[0-9A-F]{4}:[0-9A-F]{4}\.[0-9A-F]{4}(/|$)")
"""A mouse, a headset, a game controller: what belongs to one is not the machine's."""


def parse_millidegrees(text: bytes) -> float | None:
    """Degrees Celsius from a sensor file; None when malformed or not a credible temperature."""
    text = text.strip()
    size = count(text.removeprefix(b"-"))
    if size is None:
        return None
    degrees = (-size if text.startswith(b"-") else size) / 1000
    return degrees if -60 <= degrees <= 200 and degrees not in _PLACEHOLDERS else None


def is_peripheral(device: Path) -> bool:
    """Whether the sensor or power supply in ``device`` belongs to something that is only connected."""
    scopes = (device / "scope", device / "device/scope")
    if any(content(scope) == b"Device" for scope in scopes):
        return True
    try:
        return _HID.search(f"{device.resolve()}/") is not None
    except OSError:
        return False


class Sleep:
    """Whether a device sleeps, and must not be woken by asking it."""

    def __init__(self, device: Path) -> None:
        path = device / "power/runtime_status"
        # Most devices have no such state, and need no look each second.
        self._file = None if content(path) in (b"", b"unsupported") else KernelFile(path)

    def now(self) -> bool:
        """Whether it sleeps now."""
        if self._file is None:
            return False
        try:
            return self._file.read().strip() in (b"suspended", b"suspending")
        except OSError:
            return False

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


@dataclass(slots=True)
class _Input:
    """One input, and what is known of it so far."""

    file: KernelFile
    name: str
    """Such as ``nct6798 temp3``."""
    trusted: bool
    """It has a label that says what it measures, or is a thermal zone."""
    doubtful: bool
    """It counts only once it was seen to change."""
    limit: float | None
    """Degrees at which the machine would have shut down."""
    fault: KernelFile | None
    sleep: Sleep
    degrees: float | None = None
    changed_at: float | None = None
    reason: str = ""
    """Why it does not count, or empty."""

    def read(self, now: float) -> float | None:
        """Degrees Celsius if it counts at ``now``, and else ``reason``."""
        self.reason = ""
        if self.sleep.now():
            return None
        return self._judge(self._ask(), now)

    def _ask(self) -> float | None:
        if self.fault is not None and _read(self.fault).strip() == b"1":
            self.reason = "fault"
            return None
        text = _read(self.file)
        degrees = parse_millidegrees(text)
        if text and degrees is None:
            self.reason = "nothing connected"
        return degrees

    def _judge(self, degrees: float | None, now: float) -> float | None:
        if degrees is None:
            return None
        if degrees != self.degrees or self.changed_at is None:
            if self.changed_at is not None:
                self.doubtful = False
            self.degrees, self.changed_at = degrees, now
        if self.limit is not None and degrees > self.limit:
            self.reason = "beyond its critical limit"
            return None
        if not self.trusted and (self.doubtful or now - self.changed_at >= _CONSTANT_S):
            self.reason = "constant and not known to be a sensor"
            return None
        return degrees

    def stand_in(self) -> float | None:
        """The same degrees for long, of an input that may be a sensor of its own."""
        return (
            self.degrees
            if self.reason == "constant and not known to be a sensor" and not self.doubtful
            else None
        )

    def close(self) -> None:
        self.file.close()
        self.sleep.close()
        if self.fault is not None:
            self.fault.close()


@dataclass(slots=True)
class _Disk:
    """The input of a disk, asked only after the disk did something: asking one that stopped may start it."""

    file: KernelFile
    name: str
    limit: float | None
    activity: list[Path]
    """Statistics of its block devices."""
    did: list[bytes] = field(default_factory=list)

    def look(self) -> float | None:
        """Degrees Celsius if the disk did something since the last look. May take long, or for ever."""
        did = [content(path) for path in self.activity]
        before, self.did = self.did, did
        if not before or did == before:
            return None
        degrees = parse_millidegrees(_read(self.file))
        return None if degrees is not None and self.limit is not None and degrees > self.limit else degrees

    def close(self) -> None:
        self.file.close()


class _Named(Protocol):
    """What both kinds of inputs have."""

    file: KernelFile
    name: str

    def close(self) -> None:
        """Close the files."""


S = TypeVar("S", bound=_Named)


class Temperatures:
    """The sensors in /sys/class/{thermal,hwmon} below ``folder``, which is /sys/class."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._inputs: dict[Path, _Input] = {}
        self._disks: dict[Path, _Disk] = {}
        self._helper = Helper("disk temperatures", self._look_at_disks)
        self._looked_at = float("-inf")
        self._of_disks: list[float] = []
        self._disks_answer = True

    def scan(self) -> None:
        """Look which sensors there are; what is known of those that stay is kept."""
        chips = list(self._chips())
        inputs = [each for each in chips if isinstance(each, _Input)]
        self._inputs = _kept(self._inputs, [*self._zones(), *inputs])
        self._disks = _kept(self._disks, [each for each in chips if isinstance(each, _Disk)])

    def hottest(self, now: float) -> float | None:
        """Degrees Celsius of the hottest sensor that counts; None without any."""
        read = [each.read(now) for each in self._inputs.values()]
        known = [degrees for degrees in read if degrees is not None]
        if not known:
            constant = [each.stand_in() for each in self._inputs.values()]
            known = [degrees for degrees in constant if degrees is not None]
        return max([*known, *self._disks_at(now)], default=None)

    @property
    def left_out(self) -> str:
        """The inputs that gave something at the last reading and did not count, each with the reason."""
        found = [f"{each.name} ({each.reason})" for each in self._inputs.values() if each.reason]
        if not self._disks_answer:
            found.append("disks (one does not answer)")
        return ", ".join(found)

    def close(self) -> None:
        """Close the files."""
        self._helper.close()
        for each in self._inputs.values():
            each.close()
        for disk in self._disks.values():
            disk.close()

    def _disks_at(self, now: float) -> list[float]:
        if self._disks and now - self._looked_at >= _DISK_EVERY_S:
            self._looked_at = now
            try:
                self._of_disks, self._disks_answer = self._helper.ask(), True
            except TimeoutError:
                self._of_disks, self._disks_answer = [], False
        return self._of_disks

    def _look_at_disks(self) -> list[float]:
        found = [each.look() for each in list(self._disks.values())]
        return [degrees for degrees in found if degrees is not None]

    def _zones(self) -> Iterator[_Input]:
        for zone in sorted(self._folder.glob("thermal/thermal_zone*")):
            critical = [
                trip.with_name(trip.name.replace("_type", "_temp"))
                for trip in zone.glob("trip_point_*_type")
                if content(trip) == b"critical"
            ]
            limits = [limit for trip in critical if (limit := _limit(trip)) is not None]
            yield _Input(
                KernelFile(zone / "temp"),
                f"{zone.name} {_text(zone / 'type')}".strip(),
                trusted=True,
                doubtful=False,
                limit=min(limits, default=None),
                fault=None,
                sleep=Sleep(zone / "device"),
            )

    def _chips(self) -> Iterator[_Input | _Disk]:
        for chip in sorted(self._folder.glob("hwmon/hwmon*")):
            if is_peripheral(chip):
                continue
            name = _text(chip / "name")
            for path in sorted(chip.glob("temp*_input")):
                stem = path.name.removesuffix("_input")
                label, fault = _text(chip / f"{stem}_label"), chip / f"{stem}_fault"
                named = bool(label) and not _PIN.fullmatch(label)
                title = f"{name or chip.name} {label or stem}"
                limit = _limit(chip / f"{stem}_crit")
                if name in _DISKS and (activity := _activity(chip)):
                    yield _Disk(KernelFile(path), title, limit, activity)
                    continue
                yield _Input(
                    KernelFile(path),
                    title,
                    trusted=named,
                    doubtful=not named and _SUPER_IO.match(name) is not None,
                    limit=limit,
                    fault=KernelFile(fault) if fault.exists() else None,
                    sleep=Sleep(chip / "device"),
                )


def _kept(known: Mapping[Path, S], found: Iterable[S]) -> dict[Path, S]:
    """The inputs ``found``, by their files; those that were known stay as they are."""
    kept: dict[Path, S] = {}
    for each in found:
        before = known.get(each.file.path)
        kept[each.file.path] = each if before is None or before.name != each.name else before
    for each in (*known.values(), *found):
        if kept.get(each.file.path) is not each:
            each.close()
    return kept


def _activity(chip: Path) -> list[Path]:
    """Statistics of the disks whose temperature ``chip`` reads: of a SCSI device, or of NVMe name spaces."""
    device = chip / "device"
    return [
        *device.glob("block/*/stat"),
        *device.glob("nvme*n*/stat"),
        *device.glob("nvme/nvme*/nvme*n*/stat"),
    ]


def _limit(path: Path) -> float | None:
    limit = parse_millidegrees(content(path))
    return limit if limit is not None and limit > 0 else None


def _text(path: Path) -> str:
    return content(path).decode("utf-8", "replace")


def _read(file: KernelFile) -> bytes:
    """What the file says, or nothing: sensors come, go and refuse at any time."""
    try:
        return file.read()
    except OSError:
        return b""
