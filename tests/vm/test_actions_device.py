# SPDX-License-Identifier: Apache-2.0
"""A USB stick is taken away and comes back, or stays while it is in use; an idle device sleeps if it may."""

from collections.abc import Iterator

import pytest

from tests.vm.actions import act, refused, undo
from tools.vm.machine import Machine

pytestmark = [pytest.mark.vm, pytest.mark.actuator_only]

ALLOWED = (
    r"usb|xhci|pcieport|Slot|virtio|I/O error|Buffer I/O|sd[a-z]|device offline|hub",
    "devices come and go",
)


@pytest.fixture
def stick(machine: Machine) -> Iterator[str]:
    """A stick in a USB port, as the kernel calls its USB device."""
    machine.plug("qemu-xhci", "xhci", bus="bay")
    machine.back("media", 64 * 2**20, kept=True)
    machine.plug("usb-storage", "stick", bus="xhci.0", drive="media", removable=True)
    machine.wait_until_succeeds("test -b /dev/sda")
    yield machine.succeed("ls -d /sys/bus/usb/devices/*:1.0/host* | cut -d/ -f6 | cut -d: -f1").strip()


@pytest.mark.slow
@pytest.mark.allow(*ALLOWED)
def test_a_stick_is_taken_away_and_comes_back(machine: Machine, stick: str) -> None:
    change = act(machine, f"device.deauthorize {stick}")
    assert (change["from"], change["to"]) == ("authorized", "deauthorized")
    machine.succeed("test ! -e /sys/block/sda")
    undo(machine, change)
    machine.wait_until_succeeds("test -b /dev/sda")
    change = act(machine, "device.eject sda")
    machine.succeed("test ! -e /sys/block/sda")
    undo(machine, change)
    machine.wait_until_succeeds("test -b /dev/sd[a-z]")
    disk = machine.succeed("ls /sys/block | grep ^sd").strip()
    change = act(machine, f"device.unbind {stick}:1.0")
    assert change["from"] == "usb-storage"
    machine.succeed(f"test ! -e /sys/block/{disk}")
    undo(machine, change)
    machine.wait_until_succeeds("test -b /dev/sd[a-z]")


@pytest.mark.slow
@pytest.mark.allow(*ALLOWED)
def test_a_stick_in_use_stays_and_one_that_is_pulled_out_is_told(machine: Machine, stick: str) -> None:
    machine.succeed("mkfs.ext4 -q /dev/sda && mkdir /run/stick && mount /dev/sda /run/stick")
    for words in (f"device.deauthorize {stick}", "device.eject sda", f"device.unbind {stick}:1.0"):
        assert "the file system at /run/stick" in refused(machine, words)
    machine.succeed("touch /run/stick/still-there && umount /run/stick")
    change = act(machine, f"device.deauthorize {stick}")
    machine.unplug("stick")
    machine.wait_until_succeeds(f"test ! -e /sys/bus/usb/devices/{stick}")
    machine.succeed(f"jepa undo {change['id']}")
    assert "nothing was left to take back" in machine.succeed(f"jepa history {change['id']}")


@pytest.mark.shipped_kernel  # by the slim one no device of this machine sleeps
def test_a_device_that_is_idle_sleeps_unless_it_may_not(machine: Machine) -> None:
    asleep = machine.succeed("grep -l suspended /sys/bus/pci/devices/*/power/runtime_status").split()[0]
    change = act(machine, f"device.power {asleep.split('/')[5]} on")
    assert (change["from"], change["to"]) == ("auto", "on")
    assert machine.succeed(f"cat {asleep}").strip() == "active"
    undo(machine, change)
    machine.wait_until_succeeds(f"grep -q suspended {asleep}")


@pytest.mark.slow
def test_what_the_machine_runs_from_stays(machine: Machine) -> None:
    for words in ("device.unbind vda", "device.unbind eth0"):
        said = refused(machine, words)
        assert "carries" in said or "no device" in said, said
