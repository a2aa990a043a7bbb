# SPDX-License-Identifier: Apache-2.0
"""/usr is what was built, block for block, or it is not read."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.partitions import Partition, partitions
from tools.vm.image import Image
from tools.vm.machine import Machine
from tools.vm.qemu import Disk

pytestmark = [pytest.mark.vm, pytest.mark.actuator_only]

BLOCK = 4096
BEHIND = 4 << 20
"""Bytes before the end of the slot: /usr does not fill it."""
SUPERBLOCK = 1024
"""Where that of erofs is, which a mount reads first."""
ALTERED = "a byte of /usr is altered on purpose"


def usr(disk: Path) -> Partition:
    """The partition of /usr, the second with the label of the image's version."""
    return [each for each in partitions(disk) if each.label.startswith("jepa-os_")][1]


def alter(disk: Disk, place: int) -> Disk:
    """Flip one bit of the byte at ``place`` within /usr."""
    at = usr(disk.path).start + place
    with disk.path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))
    return disk


@pytest.mark.looks
def test_usr_is_checked_against_the_hash_on_the_command_line(machine: Machine) -> None:
    assert machine.succeed("findmnt -no SOURCE,FSTYPE /usr").split() == ["/dev/mapper/usr", "erofs"]
    root_hash = machine.succeed("grep -o 'usrhash=[0-9a-f]*' /proc/cmdline").strip().partition("=")[2]
    table = machine.succeed("dmsetup table usr").split()
    assert table[2] == "verity"
    assert root_hash in table


@pytest.mark.looks
def test_a_second_slot_is_made_beside_the_first(machine: Machine) -> None:
    machine.wait_for_unit("jepa-grow.service")
    labels = machine.succeed("udevadm settle; ls /dev/disk/by-partlabel").split()
    assert "_empty" in labels
    root = json.loads(machine.succeed("findmnt --json --bytes -o SIZE /"))["filesystems"][0]["size"]
    assert int(root) > 1 << 30, "the root has not grown"


@pytest.mark.allow(r"verity: .*is corrupted|I/O error, dev|Buffer I/O error", ALTERED)
def test_a_block_that_was_altered_is_not_read(machine: Machine, image: Image) -> None:
    part = usr(image.raw)
    block = (part.size - BEHIND) // BLOCK
    # on the disk itself, as who has it in another machine would
    on_disk = part.start // BLOCK + block
    machine.succeed("head -c 4096 /dev/urandom > /run/other")
    machine.succeed(f"dd if=/run/other of=/dev/vda bs={BLOCK} count=1 oflag=direct seek={on_disk}")
    read = f"dd if=/dev/mapper/usr of=/dev/null bs={BLOCK} count=1 iflag=direct skip="
    machine.succeed(f"{read}{block - 1}")
    assert "Input/output error" in machine.fail(f"{read}{block}").err
    assert f"data block {block} is corrupted" in machine.succeed("dmesg")


@pytest.mark.slow
@pytest.mark.allow(r"verity: |I/O error|Failed|Dependency failed|mergency|root account", ALTERED)
def test_a_usr_that_was_altered_at_its_beginning_is_not_mounted(
    new_machine: Callable[..., Machine], image: Image, directory: Path
) -> None:
    disk = alter(image.copy(directory / "refused.raw"), SUPERBLOCK)
    machine = new_machine("refused", disk, kernel=image.kernel, initrd=image.initrd)
    machine.start()
    machine.wait_for_console_text("data block 0 is corrupted")
    machine.wait_for_console_text("Dependency failed for .*sysusr")
    machine.crash()
