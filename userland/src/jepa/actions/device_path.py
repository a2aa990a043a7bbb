# SPDX-License-Identifier: Apache-2.0
"""Finds the device that a person names in /sys, and tells it from a later one in its place."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from jepa.errors import JepaError


def find(root: Path, target: str) -> Path:
    """The device called ``sdb``, ``/dev/sdb``, ``eth1``, ``1-1.2`` (USB), ``0000:03:00.0`` (PCI), or a path.

    JepaError: none (404), several or no name at all (422).
    """
    if target.startswith("/sys/"):
        places = [root / target.removeprefix("/")]
    else:
        name = target.removeprefix("/dev/")
        # The kernel writes ! for / in names of devices; input and sound devices lie in folders of their own.
        names = {name.replace("/", "!"), name.rpartition("/")[2] if target.startswith("/dev/") else ""} - {
            ""
        }
        if not name.strip("./") or not target.isprintable():
            raise JepaError(f"{target[:80]!r} names no device.", _EXAMPLES, status=422)
        folders = [
            *(root / "sys/class").glob("*"),
            *(root / "sys/bus").glob("*/devices"),
            root / "sys/block",
        ]
        places = [folder / name for folder in folders for name in names]
    devices = Path(os.path.realpath(root / "sys/devices"))
    found = {Path(os.path.realpath(place)) for place in places if place.exists()}
    found = {each for each in found if each.is_relative_to(devices) and (each / "uevent").exists()}
    if not found:
        raise JepaError(f"There is no device {target[:80]!r}.", _EXAMPLES, status=404)
    if len(found) > 1:
        raise JepaError(
            f"{target!r} is the name of {len(found)} devices.",
            f"Name one by its path: {', '.join(sorted(shown(root, each) for each in found))}.",
            status=422,
        )
    return found.pop()


_EXAMPLES = "Name it as in /dev or /sys, for instance sdb, eth1, 1-1.2 (USB) or 0000:03:00.0 (PCI)."


def shown(root: Path, device: Path) -> str:
    """The path of ``device`` from / on, whatever root it was found below."""
    return f"/{device.relative_to(os.path.realpath(root))}"


def at(root: Path, name: str) -> Path:
    """The path of the device that ``shown`` gave as ``name``; it need not be there any more."""
    return Path(os.path.realpath(root)) / name.removeprefix("/")


def nearest(root: Path, device: Path, suits: Callable[[Path], bool]) -> Path | None:
    """``device`` or the first one above it that ``suits``, such as the USB device of a disk."""
    return next((each for each in _upwards(root, device) if suits(each)), None)


def subsystem(device: Path) -> str:
    """The bus or class it belongs to: ``usb``, ``pci``, ``scsi``, ``block``; empty for none."""
    link = device / "subsystem"
    return Path(os.path.realpath(link)).name if link.exists() else ""


def driver(device: Path) -> str:
    """The driver that is bound to it, or ``none``."""
    link = device / "driver"
    return Path(os.path.realpath(link)).name if link.exists() else "none"


def attribute(device: Path, name: str) -> str:
    """One of its files, or nothing."""
    try:
        return " ".join((device / name).read_text(errors="replace").split())
    except OSError:
        return ""


def identity(root: Path, device: Path) -> str:
    """What another one in its place would not share: USB devices are numbered as they are plugged in."""
    usb = nearest(root, device, lambda each: (each / "devnum").exists())
    plugged = f"usb {attribute(usb, 'busnum')}:{attribute(usb, 'devnum')}" if usb else ""
    return "|".join([plugged, attribute(device, "modalias"), attribute(device, "wwid")]).rstrip("|")


def described(root: Path, device: Path) -> str:
    """For people: who made it and what it is called, as far as it says."""
    for each in _upwards(root, device):
        words = [attribute(each, name) for name in ("manufacturer", "product", "vendor", "model")]
        if text := " ".join(word for word in words if word and not word.startswith("0x")):
            return text
    return ""


def _upwards(root: Path, device: Path) -> Iterator[Path]:
    top = Path(os.path.realpath(root / "sys/devices"))
    while device != top and device.is_relative_to(top):
        yield device
        device = device.parent
