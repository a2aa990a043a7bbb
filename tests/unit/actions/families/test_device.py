# SPDX-License-Identifier: Apache-2.0
"""Devices are found by any of their names, and let go only when nothing is lost with them."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jepa.actions import device_path, kernel_file
from jepa.actions.catalogue import catalogue
from jepa.actions.families.device import Device
from jepa.actions.family import Host, Resource
from jepa.errors import JepaError

FAMILY = Device()
USB = "sys/devices/pci0000:00/0000:00:14.0/usb1/1-1"
DISK = f"{USB}/1-1:1.0/host2/target2:0:0/2:0:0:0"
KEYBOARD = "sys/devices/pci0000:00/0000:00:14.0/usb1/1-2"
ACTIONS = [action for action in catalogue().values() if action.family == "device"]
LETTERS = "10000 7 ff9f207ac14057ff febeffdfffefffff fffffffffffffffe"


def make(root: Path, device: str, subsystem: str, driver: str = "", **files: str) -> None:
    """One device in a tree as the kernel shows it."""
    folder = root / device
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in {"uevent": "", **files}.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    bus = subsystem in ("usb", "scsi", "pci", "virtio")
    home = root / "sys" / ("bus" if bus else "class") / subsystem
    listed = home / "devices" if bus else home
    listed.mkdir(parents=True, exist_ok=True)
    (listed / folder.name).symlink_to(folder)
    (folder / "subsystem").symlink_to(home)
    if driver:
        (home / "drivers" / driver).mkdir(parents=True, exist_ok=True)
        (home / "drivers" / driver / "bind").touch()
        (home / "drivers" / driver / "unbind").touch()
        (folder / "driver").symlink_to(home / "drivers" / driver)


@pytest.fixture
def laptop(tmp_path: Path) -> Host:
    """A stick with one partition and a keyboard on one USB controller, and another keyboard built in."""
    make(
        tmp_path,
        "sys/devices/pci0000:00/0000:00:14.0",
        "pci",
        "xhci_hcd",
        modalias="pci:v8086",
        power__control="on",
    )
    make(
        tmp_path,
        "sys/devices/pci0000:00/0000:00:14.0/usb1",
        "usb",
        "usb",
        busnum="1",
        devnum="1",
        authorized="1",
    )
    make(
        tmp_path,
        USB,
        "usb",
        "usb",
        busnum="1",
        devnum="5",
        authorized="1",
        manufacturer="SanDisk",
        product="Ultra",
        power__wakeup="disabled",
        power__control="auto",
    )
    make(tmp_path, f"{USB}/1-1:1.0", "usb", "usb-storage", modalias="usb:v0781p5581")
    make(tmp_path, f"{USB}/1-1:1.0/host2/scsi_host/host2", "scsi_host", scan="")
    make(tmp_path, DISK, "scsi", "sd", delete="", vendor="SanDisk", model="Ultra", modalias="scsi:t-0x00")
    make(tmp_path, f"{DISK}/block/sdb", "block", dev="8:16")
    make(tmp_path, f"{DISK}/block/sdb/sdb1", "block", dev="8:17", partition="1")
    make(tmp_path, KEYBOARD, "usb", "usb", busnum="1", devnum="6", authorized="1", product="Keyboard")
    make(tmp_path, f"{KEYBOARD}/1-2:1.0", "usb", "usbhid")
    make(tmp_path, f"{KEYBOARD}/1-2:1.0/input/input9", "input", capabilities__key=LETTERS)
    make(tmp_path, "sys/devices/platform/i8042/serio0/input/input3", "input", capabilities__key=LETTERS)
    (tmp_path / "proc").mkdir()
    return Host(root=tmp_path)


def resolve(host: Host, action: str, target: str) -> Resource:
    return FAMILY.resolve(host, catalogue()[action], target)


@pytest.mark.parametrize("target", ["sdb", "/dev/sdb", "sdb1", "1-1", "1-1:1.0", "2:0:0:0", f"/{DISK}"])
def test_a_stick_is_known_by_each_of_its_names(laptop: Host, target: str) -> None:
    what = resolve(laptop, "device.deauthorize", target)
    assert what.name == f"/{USB}"
    assert what.identity == "usb 1:5"
    assert what.detail == "SanDisk Ultra"
    assert (
        resolve(laptop, "device.eject", target if target not in ("1-1", "1-1:1.0") else "sdb").name
        == f"/{DISK}"
    )


@pytest.mark.parametrize(
    ("target", "reason", "status"),
    [
        ("", "needs a device", 422),
        ("sdz", "no device 'sdz'", 404),
        ("/sys/kernel", "no device", 404),
        ("/sys/../etc/passwd", "no device", 404),
        ("../../etc", "no device", 404),
        ("..", "names no device", 422),
        ("/dev/", "names no device", 422),
        ("sd\nb", "names no device", 422),
        ("input3", "is no USB device", 422),
    ],
)
def test_what_is_no_device_is_refused(laptop: Host, target: str, reason: str, status: int) -> None:
    with pytest.raises(JepaError, match=reason) as refused:
        resolve(laptop, "device.deauthorize", target)
    assert refused.value.status == status


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(
    target=st.text(max_size=30)
    | st.lists(st.sampled_from(["sys", "..", "/", "dev", "sdb", ".", "\0"])).map("/".join)
)
def test_no_name_leads_out_of_the_devices(laptop: Host, target: str) -> None:
    try:
        found = device_path.find(laptop.root, target)
    except JepaError as error:
        assert error.status in (404, 422)
    else:
        assert found.is_relative_to(laptop.root.resolve() / "sys/devices")


def test_a_name_that_two_devices_share_is_asked_back(laptop: Host) -> None:
    make(laptop.root, "sys/devices/virtual/tty/sdb", "tty")
    with pytest.raises(JepaError, match=r"name of 2 devices.*/sys/devices/virtual/tty/sdb") as refused:
        resolve(laptop, "device.eject", "sdb")
    assert refused.value.status == 422


def test_a_stick_is_taken_away_and_given_back(laptop: Host) -> None:
    what, action = resolve(laptop, "device.deauthorize", "sdb"), catalogue()["device.deauthorize"]
    assert FAMILY.read(laptop, what) == "authorized"
    assert FAMILY.check(laptop, action, what, "deauthorized") == "deauthorized"
    FAMILY.apply(laptop, what, "deauthorized")
    FAMILY.verify(laptop, what, "deauthorized")
    assert (laptop.root / USB / "authorized").read_text() == "0"
    for _ in range(2):
        FAMILY.undo(laptop, what, "authorized")
        assert (laptop.root / USB / "authorized").read_text() == "1"


@pytest.mark.parametrize("action", ["device.deauthorize", "device.unbind", "device.eject"])
@pytest.mark.parametrize("mounted", ["8:16", "8:17"])
@pytest.mark.parametrize("target", ["sdb", "1-1"])
def test_what_is_mounted_stays(laptop: Host, action: str, mounted: str, target: str) -> None:
    if action == "device.eject":
        target = "sdb1"
    what = resolve(laptop, action, target)
    before = FAMILY.read(laptop, what)
    value = catalogue()[action].constant
    (laptop.root / "proc/self").mkdir()
    (laptop.root / "proc/self/mountinfo").write_text(
        f"36 35 {mounted} / /mnt/stick rw - vfat /dev/sdb1 rw\n"
    )
    with pytest.raises(JepaError, match="carries the file system at /mnt/stick") as refused:
        FAMILY.check(laptop, catalogue()[action], what, value)
    assert refused.value.status == 409
    with pytest.raises(JepaError, match="carries the file system at /mnt/stick"):
        FAMILY.apply(laptop, what, value)
    assert FAMILY.read(laptop, what) == before


def test_the_only_keyboard_stays(laptop: Host) -> None:
    action, what = catalogue()["device.deauthorize"], resolve(laptop, "device.deauthorize", "1-2")
    assert FAMILY.check(laptop, action, what, "deauthorized") == "deauthorized"
    (laptop.root / "sys/class/input/input3").unlink()
    with pytest.raises(JepaError, match="Keyboard carries the only keyboard"):
        FAMILY.check(laptop, action, what, "deauthorized")


def test_another_stick_in_its_place_is_left_alone(laptop: Host) -> None:
    what = resolve(laptop, "device.deauthorize", "sdb")
    (laptop.root / USB / "devnum").write_text("9\n")
    for use in (
        lambda: FAMILY.read(laptop, what),
        lambda: FAMILY.apply(laptop, what, "deauthorized"),
        lambda: FAMILY.undo(laptop, what, "authorized"),
    ):
        with pytest.raises(
            JepaError, match="SanDisk Ultra is gone, or another device is in its place"
        ) as gone:
            use()
        assert gone.value.status == 409
    assert (laptop.root / USB / "authorized").read_text() == "1\n"


@pytest.mark.parametrize(
    ("action", "value", "file"),
    [
        ("device.deauthorize", "deauthorized", f"{USB}/authorized"),
        ("device.eject", "ejected", f"{DISK}/delete"),
    ],
)
def test_one_that_is_swapped_between_the_look_and_the_write_is_left_alone(
    laptop: Host, monkeypatch: pytest.MonkeyPatch, action: str, value: str, file: str
) -> None:
    what, opened = resolve(laptop, action, "sdb"), os.open
    before = (laptop.root / file).read_text()

    def late(path: Path, flags: int) -> int:
        if path == laptop.root / file:
            (laptop.root / USB / "devnum").write_text("9\n")
        return opened(path, flags & ~os.O_TRUNC)  # of which the kernel's files know nothing

    monkeypatch.setattr(os, "open", late)
    with pytest.raises(JepaError, match="another device is in its place"):
        FAMILY.apply(laptop, what, value)
    assert (laptop.root / file).read_text() == before


def test_a_disk_that_cannot_be_looked_at_stays(laptop: Host) -> None:
    node = laptop.root / "dev/sdb"
    node.parent.mkdir()
    node.symlink_to("sdb")  # whatever keeps it from being opened
    what = resolve(laptop, "device.eject", "sdb")
    with pytest.raises(JepaError, match="Whether sdb is in use cannot be told"):
        FAMILY.apply(laptop, what, "ejected")
    assert (laptop.root / DISK / "delete").read_text() == "\n"


class Kernel:
    """What the kernel does when a driver is bound or a disk deleted, and a tree of plain files does not."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._root = root
        self.written: list[tuple[str, str]] = []
        self.refuse: Mapping[str, JepaError] = {}
        monkeypatch.setattr(kernel_file, "write", self.write)

    def write(self, file: Path, text: str, name: str, look: Callable[[], None] = lambda: None) -> None:
        look()
        self.written.append((str(file.relative_to(self._root)), text))
        if file.name in self.refuse:
            raise self.refuse[file.name]
        if file.name == "unbind":
            (self._root / USB / text / "driver").unlink()
        elif file.name == "bind":
            (self._root / USB / text / "driver").symlink_to(file.parent)
        elif file.name == "delete":
            (self._root / DISK).rename(self._root / "ejected")
        elif file.name == "scan":
            (self._root / "ejected").rename(self._root / DISK)


@pytest.fixture
def kernel(laptop: Host, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    return Kernel(laptop.root, monkeypatch)


def test_a_driver_lets_go_and_is_bound_again(laptop: Host, kernel: Kernel) -> None:
    what = resolve(laptop, "device.unbind", "1-1:1.0")
    old = FAMILY.read(laptop, what)
    assert old == "usb-storage"
    (
        laptop.root / USB / "1-1:1.0/driver"
    ).unlink()  # as the kernel does; the file to write lies behind this link
    assert FAMILY.read(laptop, what) == "none"
    for _ in range(2):
        FAMILY.undo(laptop, what, old)
        FAMILY.verify(laptop, what, old)
    assert kernel.written == [("sys/bus/usb/drivers/usb-storage/bind", "1-1:1.0")]


def test_a_driver_that_does_not_exist_or_does_not_fit_is_told(laptop: Host, kernel: Kernel) -> None:
    bind = catalogue()["device.bind"]
    what = resolve(laptop, "device.bind", "1-1:1.0")
    with pytest.raises(JepaError, match=r"has the driver usb-storage\. Unbind that first"):
        FAMILY.check(laptop, bind, what, "usbhid")
    (laptop.root / USB / "1-1:1.0/driver").unlink()
    assert FAMILY.check(laptop, bind, what, "usbhid") == "usbhid"
    for name in ("nvme", "../../pci/drivers/xhci_hcd", ".", ""):
        with pytest.raises(JepaError, match=r"no driver.*There are: usb, usb-storage, usbhid") as refused:
            FAMILY.check(laptop, bind, what, name)
        assert refused.value.status == 422
    kernel.refuse = {"bind": JepaError("It is gone.", "", status=409)}
    with pytest.raises(JepaError, match="driver usbhid does not take") as refused:
        FAMILY.apply(laptop, what, "usbhid")
    assert refused.value.status == 422


def test_a_disk_is_ejected_and_found_again(laptop: Host, kernel: Kernel) -> None:
    what = resolve(laptop, "device.eject", "sdb")
    assert FAMILY.read(laptop, what) == "present"
    FAMILY.apply(laptop, what, "ejected")
    assert FAMILY.read(laptop, what) == "ejected"
    for _ in range(2):
        FAMILY.undo(laptop, what, "present")
        FAMILY.verify(laptop, what, "present")
    assert kernel.written == [
        (f"{DISK}/delete", "1"),
        ("sys/class/scsi_host/host2/scan", "0 0 0"),
    ]


def test_an_ejected_disk_that_was_pulled_out_is_gone(laptop: Host, kernel: Kernel) -> None:
    what = resolve(laptop, "device.eject", "sdb")
    FAMILY.apply(laptop, what, "ejected")
    (laptop.root / "sys/class/scsi_host/host2").unlink()
    with pytest.raises(JepaError, match="is gone") as gone:
        FAMILY.read(laptop, what)
    assert gone.value.status == 409


@pytest.mark.parametrize(
    ("action", "target", "file", "new"),
    [
        ("device.wakeup", "sdb", f"{USB}/power/wakeup", "enabled"),
        ("device.power", "1-1:1.0", f"{USB}/power/control", "on"),
        ("device.power", "0000:00:14.0", "sys/devices/pci0000:00/0000:00:14.0/power/control", "auto"),
    ],
)
def test_power_settings_are_those_of_the_device_above(
    laptop: Host, action: str, target: str, file: str, new: str
) -> None:
    what = resolve(laptop, action, target)
    old = FAMILY.read(laptop, what)
    assert FAMILY.check(laptop, catalogue()[action], what, new) == new
    FAMILY.apply(laptop, what, new)
    FAMILY.verify(laptop, what, new)
    assert (laptop.root / file).read_text() == new
    FAMILY.undo(laptop, what, old)
    FAMILY.verify(laptop, what, old)


def test_a_machine_without_such_a_bus_says_so(tmp_path: Path) -> None:
    (tmp_path / "sys").mkdir()
    reasons = {action.name: FAMILY.missing(Host(root=tmp_path), action) for action in ACTIONS}
    assert reasons["device.authorize"] == "This machine has no USB."
    assert reasons["device.eject"] == "This kernel has no SCSI, which USB sticks and SATA disks go by."


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_read_only_sys_is_told() -> None:
    code = """
from jepa.actions.catalogue import catalogue
from jepa.actions.families.device import Device
from jepa.actions.family import Host
print(Device().missing(Host(), catalogue()["device.power"]))
"""
    inside = f"mount --bind -o ro /sys /sys && {sys.executable} -c '{code}'"
    done = subprocess.run(["unshare", "--mount", "sh", "-c", inside], capture_output=True, text=True)
    assert done.stdout == "Devices cannot be changed here: /sys is mounted read-only.\n", done.stderr


def test_the_disk_that_this_machine_runs_from_stays() -> None:
    """On the machine that runs the tests, as it is."""
    disks = [each for each in Path("/sys/block").iterdir() if (each / "device/driver").exists()]
    held = 0
    for disk in disks:
        what = resolve(Host(), "device.unbind", disk.name)
        try:
            FAMILY.check(Host(), catalogue()["device.unbind"], what, "none")
        except JepaError as error:
            held += "carries the file system at" in str(error)
    if not disks:
        pytest.skip("no disk with a driver here")
    assert held


def test_an_nvme_disk_is_held_although_it_lies_elsewhere_than_its_card(laptop: Host) -> None:
    card = "sys/devices/pci0000:00/0000:01:00.0"
    make(laptop.root, card, "pci", "nvme")
    make(laptop.root, f"{card}/nvme/nvme0/nvme0c0n1", "nvme")
    disk = "sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1"
    make(laptop.root, disk, "block", dev="259:0")
    make(laptop.root, f"{disk}/nvme0n1p2", "block", dev="259:2", partition="2")
    unbind, what = catalogue()["device.unbind"], resolve(laptop, "device.unbind", "0000:01:00.0")
    assert FAMILY.check(laptop, unbind, what, "none") == "none"
    (laptop.root / "proc/self").mkdir()
    (laptop.root / "proc/self/mountinfo").write_text("36 35 259:2 / / rw - ext4 /dev/nvme0n1p2 rw\n")
    with pytest.raises(JepaError, match="carries the file system at /"):
        FAMILY.check(laptop, unbind, what, "none")
