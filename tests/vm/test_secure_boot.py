# SPDX-License-Identifier: Apache-2.0
"""Firmware that enforces Secure Boot starts what the image's key has signed, and nothing else."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.vm.guest import essential_faults, status
from tests.vm.packs import NEWER, Packs
from tests.vm.releases import KEYS, built, released, served
from tests.vm.signing import is_signed, sign, unsigned
from tests.vm.updating import LATER, NEXT, TRIES, UKIS, connect, copy, firmware_of, reboot, told, version
from tools import keys, uki
from tools.vm.console import keys_were_enrolled
from tools.vm.image import Image
from tools.vm.machine import Machine, Say, Setup
from tools.vm.ready import wait_until_ready

pytestmark = [pytest.mark.vm, pytest.mark.slow]

REFUSED = "Error loading .*: (Access denied|Security violation)"
"""What the boot loader says when the firmware does not start a file."""


@pytest.fixture(scope="module")
def signed(image: Image) -> Path:
    """The directory of an image that was built with keys."""
    return built(NEXT, image)


@pytest.fixture(scope="module")
def owned(signed: Path, directory: Path, kvm: bool, say: Say) -> Iterator[Machine]:
    """A machine, on, whose firmware had no keys, and was started with the signed image."""
    disk = copy(signed / "jepa-os.raw", directory / "owned.disk")
    setup = Setup(disk, firmware=firmware_of(directory, "owned", secure=True), kvm=kvm)
    machine = Machine("owned", setup, directory, say)
    machine.start()
    try:
        wait_until_ready(machine)
        assert keys_were_enrolled(machine.console_text(all_boots=True))
        yield machine
    finally:
        if machine.running:
            machine.crash()
        disk.path.unlink()


@pytest.fixture(scope="module")
def updated(owned: Machine, image: Image) -> Machine:
    """The same, updated to LATER by a release; that also gave the firmware options for further tries."""
    connect(owned)
    # compressed, and signed with the key that the running image was built with: it was told of no other
    with served(released(LATER, image)) as address:
        owned.succeed(f"jepa update apply --from {address}", 600)
    assert (told(owned)["role"], told(owned)["other"]) == ("pending", LATER)
    reboot(owned)
    wait_until_ready(owned)
    owned.wait_until_succeeds(f"{UKIS} | grep -x jepa-os_{LATER}.efi")
    return owned


def test_loader_and_image_are_signed_but_not_the_kernel_alone(signed: Path, tmp_path: Path) -> None:
    pair = keys.secure_boot(KEYS)
    assert is_signed(signed / "jepa-os.efi", pair)
    assert {"safe", "debug", "factory-reset"} < set(uki.profiles(signed / "jepa-os.efi")), (
        "in the file that is signed"
    )
    (tmp_path / "kernel").write_bytes(uki.content(signed / "jepa-os.efi", ".linux"))
    assert not is_signed(tmp_path / "kernel", pair), "it could be started with any initrd and command line"


def test_the_first_start_gives_the_firmware_the_keys_and_locks_the_kernel_down(owned: Machine) -> None:
    assert "Secure Boot: enabled" in owned.succeed("bootctl status --no-pager")
    assert "[integrity]" in owned.succeed("cat /sys/kernel/security/lockdown")
    said = owned.succeed("jepa doctor")
    assert "The firmware starts only what is signed. The kernel's lockdown is at integrity." in said
    assert essential_faults(status(owned)) == []


def test_a_pack_that_is_signed_with_the_images_own_key_is_trusted_without_a_word(
    owned: Machine, tmp_path: Path
) -> None:
    packs = Packs(tmp_path, keys.packs(KEYS))
    name = packs.make(NEWER)
    connect(owned)
    assert owned.succeed("ls -A /etc/verity.d") == ""
    with served(packs.place) as address:
        owned.succeed(f"jepa packs install {address}/{name}", 120)
    assert status(owned)["pack"] == f"machine {NEWER}"
    owned.succeed("jepa packs remove machine", 120)


def test_an_update_as_make_release_makes_it_starts(updated: Machine) -> None:
    assert version(updated) == LATER
    assert "Secure Boot: enabled" in updated.succeed("bootctl status --no-pager")
    assert essential_faults(status(updated)) == []


@pytest.mark.parametrize("whose", ["nobodys", "a_strangers"])
def test_an_image_with_another_signature_is_refused_and_the_next_one_starts(
    updated: Machine, image: Image, tmp_path: Path, whose: str
) -> None:
    """Put in place by root, as somebody may who writes the EFI system partition."""
    name = f"jepa-os_{LATER}.zz-{whose}"  # which the loader takes for the newest
    bare = tmp_path / f"{name}.efi"
    bare.write_bytes(unsigned((built(LATER, image) / "jepa-os.efi").read_bytes()))
    if whose == "a_strangers":
        stranger = keys.Pair(tmp_path / "key", tmp_path / "crt")
        keys.make_pair(stranger, "a stranger")
        sign(bare, stranger, bare)
        assert is_signed(bare, stranger)
    with served(tmp_path) as address:
        fetch = f"from urllib.request import urlretrieve as f; f('{address}/{bare.name}', '/boot/new')"
        updated.succeed(f'ls /boot/EFI; python3 -c "{fetch}"', 60)
    updated.succeed(f"mv /boot/new /boot/EFI/Linux/{name}+{TRIES}-0.efi; sync")
    reboot(updated)
    updated.wait_for_console_text(REFUSED)
    wait_until_ready(updated)
    assert len(re.findall(REFUSED, updated.console_text())) == TRIES
    assert f"{name}+0-{TRIES}.efi" in updated.succeed(UKIS)
    assert version(updated) == LATER
    updated.succeed(f"rm /boot/EFI/Linux/{name}+0-{TRIES}.efi; sync")
