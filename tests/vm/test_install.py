# SPDX-License-Identifier: Apache-2.0
"""The system that runs is put onto another disk, which then starts by its firmware and forecasts."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.vm.disks import beside, empty
from tests.vm.guest import essential_faults, status
from tests.vm.luks import opened
from tools.partitions import labelled
from tools.vm.image import Image, own_firmware
from tools.vm.machine import Machine
from tools.vm.qemu import Disk
from tools.vm.ready import wait_until_ready

pytestmark = [pytest.mark.vm, pytest.mark.slow]

GIB = 1 << 30


@pytest.fixture
def target(directory: Path) -> Iterator[Disk]:
    disk = empty(directory / "target.raw", 4 * GIB)
    yield disk
    disk.path.unlink()


def test_a_person_installs_it_and_the_disk_starts_by_itself(
    new_machine: Callable[..., Machine], image: Image, directory: Path, target: Disk
) -> None:
    small = empty(directory / "small.raw", GIB)
    live = new_machine(
        "live",
        image.overlay(directory / "live.qcow2"),
        kernel=image.kernel,
        initrd=image.initrd,
        devices=[*beside(target, 0), *beside(small, 1)],
    )
    live.start()
    wait_until_ready(live)
    live.succeed("echo kept >/etc/kept; rm /etc/inputrc")
    for name, reason in (
        ("vda", "The disk vda holds the system that runs."),
        ("vdc", "The disk vdc has 1,024 MiB, and 2,048 are needed."),
        ("vdd", "There is no disk vdd."),
    ):
        assert reason in live.fail(f"jepa-install {name} </dev/null").err
    assert "Nothing was written." in live.fail("printf 'vdb\\nyes\\n' | jepa-install vdb").err
    assert live.succeed("lsblk -nro NAME /dev/vdb").split() == ["vdb"]
    said = live.succeed("printf 'vdb\\nvdb\\n' | jepa-install vdb", 600)
    assert "is on vdb. Switch this machine off" in said
    machine_id = live.succeed("cat /etc/machine-id")
    version = live.succeed(". /usr/lib/os-release; echo $IMAGE_VERSION").strip()
    live.shutdown()

    installed = new_machine("installed", target, firmware=own_firmware(_folder(directory)))
    installed.start()
    wait_until_ready(installed)
    installed.succeed("jepa forecast")
    assert essential_faults(status(installed)) == []
    assert installed.succeed("cat /etc/kept").strip() == "kept"
    installed.fail("test -e /etc/inputrc")
    assert installed.succeed("cat /etc/machine-id") != machine_id
    assert f"JEPA OS {version} runs; no other version is there." in installed.succeed("jepa update")
    assert "verity" in installed.succeed("dmsetup table usr")
    installed.wait_for_unit("jepa-grow.service")
    labels = installed.succeed("lsblk -nro PARTLABEL /dev/vda").split()
    assert labels.count("_empty") == 2
    installed.shutdown()


def _folder(directory: Path) -> Path:
    place = directory / "installed.firmware"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    return place


def test_without_a_person_the_host_names_the_disk_and_its_first_start_encrypts_it(
    new_machine: Callable[..., Machine], image: Image, directory: Path, target: Disk
) -> None:
    """The first where the machine that it is then put into has a TPM."""
    live = new_machine(
        "unattended",
        image.overlay(directory / "unattended.qcow2"),
        kernel=image.kernel,
        initrd=image.initrd,
        devices=beside(target, 0),
        credentials={"jepa.install.disk": "vdb"},
    )
    live.start()
    live.wait_for_shutdown(900)
    assert "is on vdb. Switch this machine off" in live.console_text()

    firmware = own_firmware(_folder(directory))
    installed = new_machine("sealed-disk", target, firmware=firmware, tpm=directory / "installed.tpm")
    installed.start()
    wait_until_ready(installed)
    assert installed.succeed("findmnt -no SOURCE /").strip() == "/dev/mapper/jepa-root"
    installed.wait_for_unit("jepa-grow.service")
    assert int(installed.succeed("findmnt -nbo SIZE /")) > GIB, "it takes what the disk has"
    assert essential_faults(status(installed)) == []
    key = installed.succeed("jepa encryption recovery-key").strip()
    assert key in installed.console_text()
    installed.shutdown()
    part = labelled(target.path, "jepa-root")
    assert opened(target.path, part.start, part.size, key) is not None
