# SPDX-License-Identifier: Apache-2.0
"""The hottest sensor of the machine, among thermal zones and hwmon, without inputs that measure nothing."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

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


class DeviceSleep:
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
    sleep: DeviceSleep
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
    reason: str = ""
    did: list[bytes] = field(default_factory=list)
    degrees: float | None = None
    looked_at: float = float("-inf")

    def read(self, now: float) -> float | None:
        """Degrees Celsius if the disk did something between the last two looks."""
        if now - self.looked_at < _DISK_EVERY_S:
            return self.degrees
        self.looked_at, self.degrees = now, None
        did = [content(path) for path in self.activity]
        before, self.did = self.did, did
        if before and did != before:
            degrees = parse_millidegrees(_read(self.file))
            self.degrees = (
                None if degrees is not None and self.limit is not None and degrees > self.limit else degrees
            )
        return self.degrees

    def stand_in(self) -> float | None:
        """None: its label is known."""
        return None

    def close(self) -> None:
        self.file.close()


_Find = Callable[[Path], Iterator[_Input | _Disk]]


class _Device:
    """A thermal zone or a chip of hwmon. Whatever is asked of it may take long, or for ever."""

    def __init__(self, folder: Path, find: _Find) -> None:
        self._folder = folder
        self._find = find
        self.inputs: dict[Path, _Input | _Disk] = {}
        self.is_due = True
        """Whether to look again which inputs there are."""

    def read(self, now: float) -> list[float]:
        """Degrees Celsius of the inputs that count."""
        if self.is_due:
            self.inputs, self.is_due = _kept(self.inputs, self._find(self._folder)), False
        degrees = [each.read(now) for each in self.inputs.values()]
        return [each for each in degrees if each is not None]

    def close(self) -> None:
        for each in self.inputs.values():
            each.close()


class Temperatures:
    """The sensors in /sys/class/{thermal,hwmon} below ``folder``, which is /sys/class."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._devices: dict[Path, _Device] = {}
        self._helper: Helper[Path, list[float]] = Helper("temperatures")
        self._answered: list[_Device] = []

    def scan(self) -> None:
        """Look which sensors there are; what is known of those that stay is kept."""
        zones = sorted(self._folder.glob("thermal/thermal_zone*"))
        chips = sorted(self._folder.glob("hwmon/hwmon*"))
        found: dict[Path, _Find] = {**dict.fromkeys(zones, _zone), **dict.fromkeys(chips, _chip)}
        for path in self._devices.keys() - found.keys():
            device = self._devices.pop(path)
            if path not in self._helper.silent:
                device.close()
        for path, find in found.items():
            device = self._devices.setdefault(path, _Device(path, find))
            device.is_due = True

    def hottest(self, now: float) -> float | None:
        """Degrees Celsius of the hottest sensor that counts; None without any."""
        answers = self._helper.ask(
            {path: partial(device.read, now) for path, device in self._devices.items()}, now
        )
        self._answered = [self._devices[path] for path in answers]
        known = [degrees for answer in answers.values() for degrees in answer]
        if not known:
            constant = [each.stand_in() for device in self._answered for each in device.inputs.values()]
            known = [degrees for degrees in constant if degrees is not None]
        return max(known, default=None)

    @property
    def left_out(self) -> str:
        """The inputs that gave something at the last reading and did not count, each with the reason."""
        inputs = [each for device in self._answered for each in device.inputs.values()]
        found = [f"{each.name} ({each.reason})" for each in inputs if each.reason]
        silent = sorted(self._helper.silent & self._devices.keys())
        return ", ".join([*found, *(f"{path.name} (does not answer)" for path in silent)])

    def close(self) -> None:
        """Close the files."""
        self._helper.close()
        for path, device in self._devices.items():
            if path not in self._helper.silent:
                device.close()


def _zone(zone: Path) -> Iterator[_Input]:
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
        sleep=DeviceSleep(zone / "device"),
    )


def _chip(chip: Path) -> Iterator[_Input | _Disk]:
    if is_peripheral(chip):
        return
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
            sleep=DeviceSleep(chip / "device"),
        )


def _kept(
    known: Mapping[Path, _Input | _Disk], found: Iterable[_Input | _Disk]
) -> dict[Path, _Input | _Disk]:
    """The inputs ``found``, by their files; those that were known stay as they are."""
    kept: dict[Path, _Input | _Disk] = {}
    for each in found:
        before = known.get(each.file.path)
        kept[each.file.path] = each if before is None or before.name != each.name else before
        if before is not None and kept[each.file.path] is before:
            each.close()
    for each in known.values():
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
