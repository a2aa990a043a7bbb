# SPDX-License-Identifier: Apache-2.0
"""Devices: USB authorisation, drivers bound and unbound, disks ejected, wake-up and power saving."""

import errno
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from jepa.actions import device_path, kernel_file
from jepa.actions.catalogue import ActionType, TargetKind, Value
from jepa.actions.family import Host, Resource
from jepa.actions.guard.devices import carried_by
from jepa.errors import JepaError

BUSES: Final = ("usb", "pci", "scsi", "virtio", "hid", "mmc")
"""Whose devices may change their driver: others are parts of the machine."""
_WORDS: Final = {"authorized": "1", "deauthorized": "0"}
_COMES_BACK_S: Final = 5.0
_LEAVES: Final = ("deauthorized", "none", "ejected")
"""Values with which what the device carries is gone."""
_NOTHING_TO_MOUNT: Final = (errno.ENOMEDIUM, errno.ENOENT, errno.ENODEV, errno.ENXIO)
"""No medium in it, no node of it, or no device any more."""


class Device:
    """A ``Family``. A device is known by its path in /sys and what another in its place would not share."""

    def missing(self, host: Host, action: ActionType) -> str | None:
        """No such bus, or /sys cannot be written."""
        sys = host.root / "sys"
        if action.setting == "device.authorized" and not any(sys.glob("bus/usb/devices/*")):
            return "This machine has no USB."
        if action.setting == "device.present" and not (sys / "bus/scsi").exists():
            return "This kernel has no SCSI, which USB sticks and SATA disks go by."
        if os.statvfs(sys).f_flag & os.ST_RDONLY:
            return "Devices cannot be changed here: /sys is mounted read-only."
        return "Only root may change devices." if os.geteuid() != 0 else None

    def resolve(self, host: Host, action: ActionType, target: str) -> Resource:
        """The device itself, or the one above it that has the setting: the USB device of a disk."""
        if not target:
            raise JepaError(
                f"{action.name} needs a device.", f"For instance `{action.example}`.", status=422
            )
        named = device_path.find(host.root, target)
        setting = action.setting
        if action.name == "device.bind" and device_path.subsystem(named) in BUSES:
            device: Path | None = named
        else:
            device = device_path.nearest(host.root, named, lambda each: _has(each, setting))
        if device is None:
            raise JepaError(f"{target} {_LACKS[setting]}.", "`jepa actions` says what can.", status=422)
        return Resource(
            TargetKind.DEVICE,
            device_path.shown(host.root, device),
            setting,
            device_path.identity(host.root, device),
            device_path.described(host.root, device),
        )

    def read(self, host: Host, resource: Resource) -> Value:
        """What is in force. An ejected disk is one whose place is empty while its adapter is there."""
        device = device_path.at(host.root, resource.name)
        if resource.setting == "device.present" and not device.exists():
            plugged = resource.identity.partition("|")[0]
            now = device_path.identity(host.root, device).partition("|")[0]
            if not _adapter(host, device).exists() or plugged != now:
                raise _gone(resource)
            return "ejected"
        _look(host, resource)
        match resource.setting:
            case "device.present":
                return "present"
            case "device.driver":
                return device_path.driver(device)
            case "device.authorized":
                text = kernel_file.read(device / "authorized", resource.name)
                return next((word for word, written in _WORDS.items() if written == text), text)
            case _:
                return kernel_file.read(device / _FILES[resource.setting], resource.name)

    def check(self, host: Host, action: ActionType, resource: Resource, value: Value) -> Value:
        """Refuses what the machine still needs of the device, and a driver that there is not."""
        old = self.read(host, resource)
        if value in _LEAVES and value != old:
            with _claimed(host, resource):
                pass
        if action.name == "device.bind" and old != value:
            if old != "none":
                raise JepaError(
                    f"{resource.name} has the driver {old}.", "Unbind that first: device.unbind.", status=409
                )
            _driver(host, resource, str(value))
        return value

    def apply(self, host: Host, resource: Resource, value: Value) -> None:
        """Write it where the kernel takes it; nothing else can begin to use a disk meanwhile."""
        old = self.read(host, resource)
        if value == old:
            return
        device, text = device_path.at(host.root, resource.name), str(value)
        look = partial(_look, host, resource)
        with ExitStack() as claimed:
            if value in _LEAVES:
                claimed.enter_context(_claimed(host, resource))
            match resource.setting:
                case "device.authorized":
                    kernel_file.write(device / "authorized", _WORDS[text], resource.name, look)
                case "device.driver" if text == "none":
                    kernel_file.write(device / "driver/unbind", device.name, resource.name, look)
                case "device.driver":
                    _bind(host, resource, text)
                case "device.present" if text == "ejected":
                    kernel_file.write(device / "delete", "1", resource.name, look)
                case "device.present":
                    where = " ".join(device.name.split(":")[1:])
                    kernel_file.write(_adapter(host, device) / "scan", where, resource.name)
                case setting:
                    kernel_file.write(device / _FILES[setting], text, resource.name, look)

    def verify(self, host: Host, resource: Resource, value: Value) -> None:
        """Read it back; a device that comes back may take a moment."""
        deadline = time.monotonic() + _COMES_BACK_S
        while (found := self.read(host, resource)) != value:
            if time.monotonic() > deadline:
                raise JepaError(
                    f"{resource.name} is {found}, not {value} as set.",
                    "The kernel's log may say why: `dmesg`.",
                )
            time.sleep(0.05)

    def undo(self, host: Host, resource: Resource, old: Value) -> None:
        """Authorise it again, give it its driver, look for the disk in its place."""
        self.apply(host, resource, old)


_FILES: Final = {"device.wakeup": "power/wakeup", "device.power": "power/control"}
_LACKS: Final = {
    "device.authorized": "is no USB device",
    "device.driver": f"is on none of the buses whose drivers may be changed ({', '.join(BUSES)})",
    "device.present": "is no SCSI, SATA or USB disk",
    "device.wakeup": "cannot wake the machine",
    "device.power": "has no power saving",
}


def _has(device: Path, setting: str) -> bool:
    match setting:
        case "device.authorized":
            return (device / "authorized").exists() and (device / "devnum").exists()
        case "device.driver":
            return device_path.subsystem(device) in BUSES and (device / "driver").exists()
        case "device.present":
            return device_path.subsystem(device) == "scsi" and (device / "delete").exists()
        case _:
            return device_path.subsystem(device) in BUSES and (device / _FILES[setting]).exists()


def _adapter(host: Host, device: Path) -> Path:
    """The SCSI host of a disk ``HOST:CHANNEL:ID:LUN``, which finds it again."""
    return host.root / "sys/class/scsi_host" / f"host{device.name.partition(':')[0]}"


def _driver(host: Host, resource: Resource, name: str) -> Path:
    bus = device_path.subsystem(device_path.at(host.root, resource.name))
    drivers = host.root / "sys/bus" / bus / "drivers"
    if "/" in name or name.startswith(".") or not (drivers / name / "bind").exists():
        known = sorted(each.name for each in drivers.glob("*"))
        raise JepaError(
            f"There is no driver {name[:80]!r} for {bus} devices.",
            f"There are: {', '.join(known[:20])}{' …' if len(known) > 20 else ''}.",
            status=422,
        )
    return drivers / name


def _bind(host: Host, resource: Resource, name: str) -> None:
    file, device = _driver(host, resource, name) / "bind", device_path.at(host.root, resource.name)
    try:
        kernel_file.write(file, device.name, f"driver {name} of {resource.name}")
    except JepaError as error:
        # The kernel says "no such device" when the driver does not know the device, too.
        if error.status == 409 and device.exists() and device_path.driver(device) == "none":
            raise JepaError(
                f"The driver {name} does not take {resource.name}.", "Try another driver.", status=422
            ) from error
        raise


@contextmanager
def _claimed(host: Host, resource: Resource) -> Iterator[None]:
    """Meanwhile nobody can mount or otherwise take its disks. JepaError (409) when somebody has."""
    device = device_path.at(host.root, resource.name)
    for what in carried_by(host.root, resource.name):
        raise JepaError(f"{resource.detail or resource.name} carries {what}.", "Free it first.", status=409)
    with ExitStack() as held:
        for disk in _disks(device):
            node = host.root / "dev" / disk.name.replace("!", "/")
            try:
                descriptor = os.open(node, os.O_RDONLY | os.O_EXCL | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError as error:
                if error.errno == errno.EBUSY:
                    raise JepaError(
                        f"{disk.name} is in use: by a file system, swap, RAID, LVM or ZFS.",
                        "Free it first.",
                        status=409,
                    ) from error
                if error.errno in _NOTHING_TO_MOUNT:
                    continue
                raise JepaError(
                    f"Whether {disk.name} is in use cannot be told: {error.strerror}.",
                    "Nothing was changed.",
                    status=403,
                ) from error
            held.callback(os.close, descriptor)
        yield


def _disks(device: Path) -> Iterator[Path]:
    """Whole disks at or below it: a disk whose partition is in use is so itself."""
    for name, _, files in os.walk(device):
        path = Path(name)
        if "dev" in files and "partition" not in files and device_path.subsystem(path) == "block":
            yield path


def _look(host: Host, resource: Resource) -> None:
    """JepaError (409) unless the device is there, and the same one."""
    device = device_path.at(host.root, resource.name)
    if not device.exists() or device_path.identity(host.root, device) != resource.identity:
        raise _gone(resource)


def _gone(resource: Resource) -> JepaError:
    return JepaError(
        f"{resource.detail or resource.name} is gone, or another device is in its place.",
        "Plug it in and name it again.",
        status=409,
    )
