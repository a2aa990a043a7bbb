# SPDX-License-Identifier: Apache-2.0
"""Events of devices: added, removed or changed, as udev reports them once its rules have run."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pyudev

from jepa.telemetry.events.event import Event

_KINDS = {"add": "device_added", "remove": "device_removed", "change": "device_changed"}
_SUBSYSTEMS = frozenset(
    {"block", "cpu", "drm", "hwmon", "input", "memory", "mmc", "net", "nvme", "power_supply", "rtc", "sound"}
    | {"thermal", "tty", "usb", "video4linux", "watchdog"}
)
"""What a person would call a device; buses, queues and partitions of drivers are not."""
_BLOCK_CHANGES = ("DISK_MEDIA_CHANGE", "DISK_EJECT_REQUEST", "DISK_RO", "RESIZE")
"""Properties by which the kernel tells what changed of a block device.

udev makes changes without any, whenever somebody who had such a device open for writing closes it.
"""
_BUFFER_BYTES = 1 << 20
_AT_ONCE = 256


class Devices:
    """A monitor of udev. Making one raises OSError or ImportError where there is no libudev."""

    name = "devices"

    def __init__(self, wall_ns: Callable[[], int] = time.time_ns) -> None:
        self._wall_ns = wall_ns
        self._context = pyudev.Context()
        self._monitor = pyudev.Monitor.from_netlink(self._context, source="udev")
        self._monitor.set_receive_buffer_size(_BUFFER_BYTES)
        self._monitor.start()

    @property
    def fd(self) -> int:
        """Readable when there is news."""
        return int(self._monitor.fileno())

    def ready(self) -> list[Event]:
        """The events that wait, of so many at most."""
        events: list[Event] = []
        for _ in range(_AT_ONCE):
            try:
                device = self._monitor.poll(timeout=0)
            except OSError:
                # More came than the buffer holds (ENOBUFS).
                lost = Event(self._wall_ns(), "events_lost", None, "news of devices", "warning", self.name)
                return [*events, lost]
            if device is None:
                break
            if kind := kind_of(device.action, device.subsystem, device.properties):
                events.append(self._event(kind, device))
        return events

    def _event(self, kind: str, device: pyudev.Device) -> Event:
        unit = device.device_node or f"{device.subsystem}/{device.sys_name}"
        return Event(self._wall_ns(), kind, unit, describe(device), "info", self.name)

    def close(self) -> None:
        """Forget the monitor; the library closes its socket with it."""
        del self._monitor
        del self._context


def kind_of(action: str, subsystem: str, properties: Mapping[str, str]) -> str | None:
    """The kind of event that news of udev is; None where no person would call it news."""
    if subsystem not in _SUBSYSTEMS:
        return None
    closed = subsystem == "block" and not any(name in properties for name in _BLOCK_CHANGES)
    return None if action == "change" and closed else _KINDS.get(action)


def describe(device: pyudev.Device) -> str:
    """What a person would call ``device``, from its properties: these are there even after it has gone."""
    properties = device.properties
    words = [device.subsystem]
    for name in ("ID_VENDOR_FROM_DATABASE", "ID_VENDOR", "ID_MODEL_FROM_DATABASE", "ID_MODEL", "DRIVER"):
        value = properties.get(name, "").replace("_", " ").strip()
        if value and value not in words:
            words.append(value)
    return " ".join(words) + f" ({Path(device.device_path).name})"
