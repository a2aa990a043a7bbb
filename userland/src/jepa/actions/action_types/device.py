# SPDX-License-Identifier: Apache-2.0
"""Devices, named as in /dev or /sys.

None of these touches a device that holds a mounted file system, swap, a part of a RAID, LVM or ZFS, the
default route, or the last network interface or keyboard.
"""

from functools import partial

from jepa.actions.catalogue import ActionType, TargetKind, Tier, ValueType

_action = partial(
    ActionType,
    family="device",
    target=TargetKind.DEVICE,
    rate_per_hour=30,
    dwell_s=2.0,
)

ACTIONS = (
    _action(
        "device.deauthorize",
        type=ValueType.NONE,
        setting="device.authorized",
        constant="deauthorized",
        tier=Tier.DISRUPT,
        inverse="device.authorize",
        summary="take a USB device away from the machine although it stays plugged in",
        description=(
            "The kernel lets go of its drivers: a stick's disk, a camera, a network adapter vanish as "
            "if pulled out, and programs that use them fail. For a device that should not be there, or "
            "one that misbehaves. It keeps its power. Whatever is behind a hub goes with it. Naming one "
            "of its disks or interfaces means the USB device. Plugging it in anew authorises it."
        ),
        example="jepa act device.deauthorize 1-1.2 --for 1h",
    ),
    _action(
        "device.authorize",
        type=ValueType.NONE,
        setting="device.authorized",
        constant="authorized",
        tier=Tier.DISRUPT,
        inverse="device.deauthorize",
        summary="let the machine use a USB device that was not authorised",
        description=(
            "The kernel configures the device and looks for drivers. Do so only with a device that one "
            "trusts: a stick may say that it is a keyboard and begin to type. Devices are authorised as "
            "they are plugged in, unless something such as USBGuard decides otherwise; then it is "
            "USBGuard's rules that should be changed."
        ),
        example="jepa act device.authorize 1-1.2",
    ),
    _action(
        "device.unbind",
        type=ValueType.NONE,
        setting="device.driver",
        constant="none",
        tier=Tier.DISRUPT,
        inverse="previous value",
        summary="take a device away from its driver",
        description=(
            "Everything that the driver made of the device (disk, network interface, sound card) "
            "vanishes, and comes back when the driver is bound again, which often mends a device that "
            "hangs. Some drivers crash when they are unbound in the middle of work; that is why it "
            "interrupts. Naming a disk or an interface means the device above it that has the driver."
        ),
        example="jepa act device.unbind 0000:03:00.0 --for 10s",
    ),
    _action(
        "device.bind",
        type=ValueType.TEXT,
        setting="device.driver",
        tier=Tier.DISRUPT,
        inverse="previous value",
        summary="give a device that has no driver one",
        description=(
            "The value is the driver's name as in /sys/bus/BUS/drivers. It fails when that driver does "
            "not know the device, and when the device has one already: unbind that first. A driver such "
            "as vfio-pci hands a device to a virtual machine."
        ),
        example="jepa act device.bind 1-1.2:1.0 usb-storage",
    ),
    _action(
        "device.eject",
        type=ValueType.NONE,
        setting="device.present",
        constant="ejected",
        tier=Tier.DISRUPT,
        inverse="previous value",
        summary="make a disk ready to be pulled out",
        description=(
            "What is still in memory for it is written out and the disk vanishes from /dev. For USB "
            "sticks, USB and SATA disks. It is refused as long as anything of it is mounted. When this "
            "is taken back before it was pulled out, the adapter looks for it again; it may then have "
            "another name (sdc, not sdb)."
        ),
        example="jepa act device.eject sdb",
    ),
    _action(
        "device.wakeup",
        type=ValueType.CHOICE,
        choices=("enabled", "disabled"),
        tier=Tier.TUNE,
        summary="whether a device may wake the machine from sleep",
        description=(
            "disabled keeps a mouse that is touched, or a network card that hears something, from "
            "waking a machine that sleeps. With all of them disabled only the power button wakes it. "
            "Naming an input or network device means the USB or PCI device that it belongs to."
        ),
        example="jepa act device.wakeup 1-1.2 disabled --for 12h",
    ),
    _action(
        "device.power",
        type=ValueType.CHOICE,
        choices=("auto", "on"),
        tier=Tier.TUNE,
        summary="whether a device may be switched off while it is idle",
        description=(
            "auto saves power: the device sleeps when nobody uses it and takes some milliseconds to "
            "wake. Some mice, keyboards and sound devices lose their first events or crackle with it, "
            "and a few never come back until they are plugged in anew; on keeps the device awake."
        ),
        example="jepa act device.power 1-1.2 on --for 1d",
    ),
)
