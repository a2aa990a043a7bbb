# SPDX-License-Identifier: Apache-2.0
"""A device that carries what the machine needs is told, on a small /sys and on this machine's own."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from jepa.actions.catalogue import TargetKind
from jepa.actions.guard.devices import carried_by
from tests.unit.actions.guard.machine import ROOT, Machine, proposal

USB = "sys/devices/pci0/usb1"
DISK = f"{USB}/1-1/host0/block/sda"
KEYBOARD = "ffffffffffffffff fffffffffffffffe"


def add(root: Path, path: str, files: Mapping[str, str] = {}, subsystem: str = "") -> Path:
    folder = root / path
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    if subsystem:
        target = root / "sys/class" / subsystem
        target.mkdir(parents=True, exist_ok=True)
        (folder / "subsystem").symlink_to(target)
        if not (target / folder.name).exists():
            (target / folder.name).symlink_to(folder)
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    add(tmp_path, DISK, {"dev": "8:0\n"}, "block")
    add(tmp_path, f"{DISK}/sda1", {"dev": "8:1\n", "holders/.keep": ""}, "block")
    (tmp_path / DISK / "sda1/holders/.keep").unlink()
    add(tmp_path, f"{USB}/1-2", {"authorized": "1"})
    add(tmp_path, "proc/self", {"mountinfo": "22 1 0:5 / /proc rw - proc proc rw\n"})
    add(tmp_path, "proc", {"swaps": "Filename Type\n"})
    return tmp_path


def carried(root: Path, device: str = f"/{USB}/1-1") -> list[str]:
    return list(carried_by(root, device))


def test_a_stick_that_is_not_mounted_may_go(root: Path) -> None:
    assert carried(root) == []
    assert carried(root, f"/{USB}/1-2") == []


@pytest.mark.parametrize(
    "device", [f"/{USB}/1-1", f"/{USB}", "/sys/devices/pci0", f"/{DISK}", f"/{DISK}/sda1"]
)
def test_what_holds_a_mounted_file_system_stays_with_all_it_hangs_on(root: Path, device: str) -> None:
    (root / "proc/self/mountinfo").write_text("30 1 8:1 / /home rw shared:1 - ext4 /dev/sda1 rw\n")
    assert carried(root, device) == ["the file system at /home (sda1)"]


def test_mounts_of_the_first_process_count_in_a_sandbox(root: Path) -> None:
    add(root, "proc/1", {"mountinfo": "30 1 8:1 / /srv rw - ext4 /dev/sda1 rw\n"})
    assert carried(root) == ["the file system at /srv (sda1)"]


def test_btrfs_shows_no_number_and_only_one_of_its_disks(root: Path) -> None:
    (root / "proc/self/mountinfo").write_text("30 1 0:40 / /data rw - btrfs /dev/sda1 rw\n")
    assert carried(root) == ["the file system at /data (sda1)"]
    (root / "proc/self/mountinfo").write_text("")
    add(root, "sys/fs/btrfs/0a/devices/sda1", {"dev": "8:1\n"})
    assert carried(root) == ["a part of a btrfs file system (sda1)"]


@pytest.mark.parametrize("name", ["/dev/sda1", "/dev/mapper/vg-swap"])
def test_swap(root: Path, name: str) -> None:
    add(root, f"{DISK}/sda1/dm", {"name": "vg-swap"})
    (root / "proc/swaps").write_text(f"Filename Type Size\n{name} partition 100\n")
    assert carried(root) == ["swap (sda1)"]


def test_swap_on_a_device_that_cannot_be_found_lets_none_go(root: Path) -> None:
    (root / "proc/swaps").write_text("Filename Type Size\n/dev/disk/by-uuid/77 partition 100\n")
    with pytest.raises(OSError):
        carried(root)


@pytest.mark.parametrize("kind", ["LVM2_member", "linux_raid_member", "crypto_LUKS", "zfs_member"])
def test_members_of_volumes_that_are_not_active(root: Path, kind: str) -> None:
    add(root, "run/udev/data", {"b8:1": f"S:disk/by-id/x\nE:ID_FS_TYPE={kind}\n"})
    assert carried(root) == [f"a {kind} (sda1)"]


def test_a_disk_that_a_mapping_uses(root: Path) -> None:
    add(root, f"{DISK}/sda1/holders/dm-0")
    assert carried(root) == ["a part of dm-0 (sda1)"]


def test_the_default_route_and_the_only_interface(root: Path) -> None:
    interface = f"{USB}/1-2/net/eth0"
    add(root, interface, {"ifindex": "2\n", "device/x": ""}, "net")
    assert carried(root, f"/{USB}/1-2") == ["the only network interface (eth0)"]
    other = add(root, "sys/devices/pci0/net/eth1", {"ifindex": "3\n", "device/x": ""}, "net")
    assert carried(root, f"/{USB}/1-2") == []
    add(
        root,
        "proc/net",
        {"route": "Iface Destination Gateway\neth0 00000000 0102A8C0 0003 0 0 0 00000000\n"},
    )
    assert carried(root, f"/{USB}/1-2") == ["the default route (eth0)"]
    assert other.exists()


def test_the_only_keyboard(root: Path) -> None:
    add(root, f"{USB}/1-2/input/input3", {"capabilities/key": KEYBOARD}, "input")
    assert carried(root, f"/{USB}/1-2") == ["the only keyboard"]
    add(root, "sys/devices/platform/i8042/input/input0", {"capabilities/key": KEYBOARD}, "input")
    assert carried(root, f"/{USB}/1-2") == []
    add(root, f"{USB}/1-2/input/input4", {"capabilities/key": "70000 0 0 0 0"}, "input")
    assert carried(root, f"/{USB}/1-2") == []


def test_the_screen_and_the_console(root: Path) -> None:
    add(root, f"{USB}/1-2/drm/card0/card0-HDMI-A-1", {"status": "connected\n"}, "drm")
    assert carried(root, f"/{USB}/1-2") == ["the screen at card0-HDMI-A-1"]
    add(root, f"{USB}/1-3/tty/ttyUSB0")
    add(root, "sys/class/tty/console", {"active": "tty0 ttyUSB0\n"})
    assert carried(root, f"/{USB}/1-3") == ["the console ttyUSB0"]


@pytest.mark.parametrize("device", ["/sys", "/", "", "/sys/class", f"/{USB}/../../../class", "/proc/self"])
def test_a_path_that_leads_out_of_the_devices_is_refused(root: Path, device: str) -> None:
    (root / "sys/class").mkdir(exist_ok=True)
    assert carried(root, device)


def test_a_link_is_the_device_that_it_leads_to(root: Path) -> None:
    (root / "proc/self/mountinfo").write_text("30 1 8:1 / /home rw - ext4 /dev/sda1 rw\n")
    assert carried(root, "/sys/class/block/sda") == ["the file system at /home (sda1)"]


def test_the_guard_refuses_it_whoever_asks(machine: Machine) -> None:
    add(machine.root, DISK, {"dev": "8:0\n"}, "block")
    add(machine.root, "proc/self", {"mountinfo": "30 1 8:0 / / rw - ext4 /dev/sda rw\n"})
    wanted = proposal("process.pause", f"/{USB}/1-1", "off", ROOT, "on", kind=TargetKind.DEVICE)
    assert "carries the file system at /" in machine.reasons(wanted)
    (machine.root / "proc/self/mountinfo").write_text("")
    assert machine.decide(wanted) == "ask"
    machine.policy(f'[protect]\ndevices = ["/{USB}/*"]\n')
    assert "protected by the policy" in machine.reasons(wanted)


def test_the_root_disk_of_this_machine() -> None:
    number = os.stat("/").st_dev  # noqa: PTH116
    disk = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}")
    if not disk.exists():
        pytest.skip("the root file system is on no disk here")
    found = list(carried_by(Path("/"), os.path.realpath(disk)))
    assert any("the file system at /" in each for each in found)
