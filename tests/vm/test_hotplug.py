# SPDX-License-Identifier: Apache-2.0
"""A hundred devices come and go: each is told within half a second, and nothing is left behind."""

import json
import time
from collections.abc import Callable

import pytest

from tests.vm.conftest import DIRECTORY, wait_until_ready
from tests.vm.guest import events
from tests.vm.image import Image
from tests.vm.machine import Machine

pytestmark = [pytest.mark.vm, pytest.mark.slow]

CYCLES = 100
SEEN_WITHIN_S = 0.5
PORTS = [
    *(
        part
        for number in range(2)
        for part in ("-device", f"pcie-root-port,id=port{number},chassis={number + 1},hotplug=on")
    ),
    "-device",
    "qemu-xhci,id=xhci",
]
DEVICES: dict[str, tuple[str, dict[str, object], str]] = {
    "keyboard": ("usb-kbd", {"bus": "xhci.0"}, "/dev/input/event"),
    "stick": ("usb-storage", {"bus": "xhci.0", "drive": "backing", "removable": True}, "/dev/sd"),
    "card": ("virtio-net-pci", {"bus": "port0", "romfile": ""}, "net/"),
    "disk": ("virtio-blk-pci", {"bus": "port1", "drive": "backing"}, "/dev/vdb"),
}
"""What is plugged in, where, and what the unit of its event begins with."""
DESCRIPTORS = "ls /proc/$(systemctl show -P MainPID jepa-telemetry)/fd | wc -l"
UNPLUGGED = (
    r"usb|xhci|pcieport|Slot|virtio|I/O error|Buffer I/O|sd[a-z]|device offline",
    "devices are pulled",
)


@pytest.mark.allow(*UNPLUGGED)
def test_a_hundred_devices_come_and_go(
    new_machine: Callable[..., Machine], image: Image, say: Callable[[str], None]
) -> None:
    disk = image.overlay(DIRECTORY / "hotplug.qcow2")
    machine = new_machine("hotplug", disk, kernel=image.kernel, initrd=image.initrd, devices=PORTS)
    machine.start()
    wait_until_ready(machine)
    machine.back("backing", 16 * 2**20)
    cycle(machine, "warm")
    descriptors = int(machine.succeed(DESCRIPTORS))
    latencies: list[float] = []
    for number in range(CYCLES // len(DEVICES)):
        latencies += cycle(machine, str(number))
    latencies.sort()
    middle, worst = latencies[len(latencies) // 2], latencies[-1]
    say(f"{len(latencies)} devices seen, p50 {middle:.3f} s, worst {worst:.3f} s")
    (DIRECTORY / "hotplug.json").write_text(json.dumps(latencies))
    assert len(latencies) >= CYCLES
    assert worst <= SEEN_WITHIN_S * (1 if machine.setup.kvm else machine.factor)
    assert int(machine.succeed(DESCRIPTORS)) == descriptors


def cycle(machine: Machine, name: str) -> list[float]:
    """Plug in one device of each kind and pull it; seconds from the kernel's word to the event, of each."""
    latencies = []
    for kind, (device, properties, unit) in DEVICES.items():
        identity = f"{kind}{name}"
        before = len(seen(machine, "device_added", unit))
        machine.plug(device, identity, **properties)
        latencies.append(arrived(machine, "device_added", unit, before))
        gone = len(seen(machine, "device_removed", unit))
        machine.unplug(identity)
        arrived(machine, "device_removed", unit, gone)
    return latencies


def seen(machine: Machine, kind: str, unit: str) -> list[dict[str, object]]:
    return [each for each in events(machine) if each["kind"] == kind and str(each["unit"]).startswith(unit)]


def arrived(machine: Machine, kind: str, unit: str, before: int) -> float:
    """Wait for one more event, and say how long after the kernel knew the device it was told."""
    deadline = time.monotonic() + 20 * machine.factor
    while len(found := seen(machine, kind, unit)) <= before:
        assert time.monotonic() < deadline, f"no {kind} of {unit}"
    if kind == "device_removed":
        return 0.0
    told = str(found[-1]["unit"])
    path = told if told.startswith("/dev/") else f"/sys/class/{told}"
    asked = f"udevadm info --query=property --property=USEC_INITIALIZED --value {path}"
    shown = machine.succeed(f"{asked}; cat /proc/uptime; date +%s%N")
    initialized, uptime, now = shown.split()[0], shown.split()[1], shown.split()[-1]
    known_ns = int(now) - (float(uptime) * 1e9 - int(initialized) * 1e3)
    return max(0.0, (float(str(found[-1]["ts_ns"])) - known_ns) / 1e9)
