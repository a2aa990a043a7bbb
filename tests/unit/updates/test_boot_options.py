# SPDX-License-Identifier: Apache-2.0
"""Boot options are as UEFI writes them, stand behind the one in use, and are made once."""

import os
import struct
import uuid
from pathlib import Path

import pytest

from jepa.updates import boot_options
from jepa.updates.boot_options import SystemPartition, ensure, load_option, ordered

GLOBAL = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
PARTITION = SystemPartition(1, 2048, 589824, uuid.UUID("ea1ff1a3-4e62-4739-8194-a9a270131a50"))
LOADER = "\\EFI\\systemd\\systemd-bootx64.efi"


def test_an_option_names_partition_and_loader() -> None:
    option = load_option("JEPA OS 1", PARTITION, LOADER)
    attributes, length = struct.unpack_from("<IH", option)
    name, devices = option[6 : len(option) - length], option[len(option) - length :]
    assert (attributes, name.decode("utf-16-le")) == (1, "JEPA OS 1\0")
    assert devices[:4] == bytes([4, 1, 42, 0])
    assert struct.unpack_from("<IQQ", devices, 4) == (1, 2048, 589824)
    assert uuid.UUID(bytes_le=devices[24:40]) == PARTITION.identity
    assert devices[40:42] == bytes([2, 2])
    assert devices[42:44] == bytes([4, 4])
    (file,) = struct.unpack_from("<H", devices, 44)
    assert devices[46 : 42 + file].decode("utf-16-le") == f"{LOADER}\0"
    assert devices[42 + file :] == bytes([0x7F, 0xFF, 4, 0])


@pytest.mark.parametrize(
    ("order", "current", "expected"),
    [
        ([1, 2], 1, [1, 7, 8, 2]),
        ([0, 1, 2], 1, [0, 1, 7, 8, 2]),
        ([1, 2], None, [7, 8, 1, 2]),
        ([1, 2], 5, [7, 8, 1, 2]),
        ([8, 1, 7, 2], 1, [1, 7, 8, 2]),
        ([], None, [7, 8]),
    ],
)
def test_ours_stand_behind_the_one_in_use(
    order: list[int], current: int | None, expected: list[int]
) -> None:
    assert ordered(order, current, [7, 8]) == expected


def firmware(root: Path) -> tuple[Path, Path]:
    """Variables of a firmware with two options, and the folder of the EFI system partition."""
    place, folder = root / boot_options.VARIABLES, root / "boot"
    for directory in (place, folder / "EFI/systemd"):
        directory.mkdir(parents=True)
    (folder / "EFI/systemd/systemd-bootx64.efi").touch()
    for name, content in {
        "BootOrder": struct.pack("<2H", 1, 2),
        "BootCurrent": struct.pack("<H", 1),
        "Boot0001": b"disk",
        "Boot0002": b"shell",
    }.items():
        (place / f"{name}-{GLOBAL}").write_bytes(struct.pack("<I", 7) + content)
    said = f"{PARTITION.identity}\0".encode("utf-16-le")
    (place / "LoaderDevicePartUUID-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f").write_bytes(bytes(4) + said)
    device = folder.stat().st_dev
    disk = root / "sys/devices/vda"
    for name, text in {"vda1/partition": "1", "vda1/start": "2048", "vda1/size": "589824"}.items():
        (disk / name).parent.mkdir(parents=True, exist_ok=True)
        (disk / name).write_text(f"{text}\n")
    (disk / "queue").mkdir()
    (disk / "queue/logical_block_size").write_text("512\n")
    (root / "sys/dev/block").mkdir(parents=True)
    (root / f"sys/dev/block/{os.major(device)}:{os.minor(device)}").symlink_to(disk / "vda1")
    return place, folder


def order_in(place: Path) -> list[int]:
    data = (place / f"BootOrder-{GLOBAL}").read_bytes()
    assert data[:4] == struct.pack("<I", 7)
    return [number for (number,) in struct.iter_unpack("<H", data[4:])]


def test_options_are_made_once(tmp_path: Path) -> None:
    place, folder = firmware(tmp_path)
    assert ensure(tmp_path, folder, 3)
    assert order_in(place) == [1, 0, 3, 4, 2]
    made = (place / f"Boot0000-{GLOBAL}").read_bytes()
    assert made == struct.pack("<I", 7) + load_option("JEPA OS 1", PARTITION, LOADER)
    before = {path.name: path.stat().st_mtime_ns for path in place.iterdir()}
    assert ensure(tmp_path, folder, 3)
    assert {path.name: path.stat().st_mtime_ns for path in place.iterdir()} == before


def test_an_option_that_was_removed_is_made_again(tmp_path: Path) -> None:
    place, folder = firmware(tmp_path)
    assert ensure(tmp_path, folder, 2)
    (place / f"Boot0000-{GLOBAL}").unlink()
    assert ensure(tmp_path, folder, 2)
    assert order_in(place) == [1, 0, 3, 2]


def test_a_firmware_that_keeps_none_is_no_fault(tmp_path: Path) -> None:
    assert not ensure(tmp_path, tmp_path / "boot", 3)
    place, folder = firmware(tmp_path)
    (place / "LoaderDevicePartUUID-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f").unlink()
    assert not ensure(tmp_path, folder, 3)
    assert order_in(place) == [1, 2]
