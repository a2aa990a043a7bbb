# SPDX-License-Identifier: Apache-2.0
"""With a TPM the first start encrypts the data: they open there by themselves, elsewhere by a key."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.vm.guest import essential_faults, status
from tests.vm.luks import Volume, opened
from tests.vm.releases import KEYS, Channel, built
from tests.vm.test_factory_reset import on_disk
from tests.vm.updating import LATER, NEXT, apply, connect, copy, copy_firmware, firmware_of, reboot, version
from tools.partitions import labelled
from tools.vm.emulator import Firmware
from tools.vm.image import Image
from tools.vm.machine import Machine, Say, Setup
from tools.vm.qemu import Disk
from tools.vm.ready import wait_until_ready

pytestmark = [pytest.mark.vm, pytest.mark.slow]

ENCRYPTED = "The data of this machine are encrypted now"
KEY = r"\b(?:[cbdefghijklnrtuv]{8}-){7}[cbdefghijklnrtuv]{8}\b"
ASKED = r"Recovery key:"
OF_ANOTHER, WITHOUT = (
    "The TPM of this machine does not open this disk: it was encrypted on another machine",
    "This disk was encrypted on another machine, and this one has no TPM.",
)
MARK = b"a letter that is nobody else's business"
ROOT = "/dev/disk/by-partlabel/jepa-root"
FIRST = 128 << 20
"""Bytes of the root as it is shipped."""


@dataclass(frozen=True, slots=True)
class Encrypted:
    """A machine that is off, and its recovery key."""

    disk: Disk
    firmware: Firmware
    tpm: Path
    key: str

    def volume(self, key: str) -> Volume | None:
        """Its data by ``key``, from nothing but the file of the disk."""
        part = labelled(self.disk.path, "jepa-root")
        return opened(self.disk.path, part.start, part.size, key)


@pytest.fixture(scope="module")
def machine_with_a_tpm(image: Image, directory: Path, lasting_machine: Callable[..., Machine]) -> Machine:
    """A machine, on for the first time, with the signed image and firmware that took its keys."""
    disk = copy(built(NEXT, image) / "jepa-os.raw", directory / "sealed.disk")
    firmware = firmware_of(directory, "sealed", secure=True)
    return lasting_machine("sealed", disk, firmware=firmware, tpm=directory / "sealed.tpm")


@pytest.fixture(scope="module")
def sealed(machine_with_a_tpm: Machine) -> Encrypted:
    """The same, off, after a second start and with MARK in a file."""
    machine = machine_with_a_tpm
    key = re.search(KEY, machine.console_text())
    assert key is not None
    wait_until_ready(machine)
    assert machine.succeed("jepa encryption recovery-key").strip() == key[0]
    reboot(machine)
    machine.wait_for_shell()
    machine.succeed(f'yes "{MARK.decode()}" | head -c 4M >/var/lib/letter; sync')
    machine.shutdown()
    firmware, state = machine.setup.firmware, machine.setup.tpm
    assert isinstance(firmware, Firmware)
    assert state is not None
    return Encrypted(machine.setup.disk, firmware, state, key[0])


def test_the_first_start_encrypts_the_data_and_shows_the_key(machine_with_a_tpm: Machine) -> None:
    machine = machine_with_a_tpm
    assert ENCRYPTED in machine.console_text()
    assert len(set(re.findall(KEY, machine.console_text()))) == 1
    key = re.findall(KEY, machine.console_text())[0]
    assert machine.succeed("findmnt -no SOURCE /").strip() == "/dev/mapper/jepa-root"
    assert machine.succeed(f"blkid -p -s TYPE -o value {ROOT}").strip() == "crypto_LUKS"
    assert int(machine.succeed("findmnt -nbo SIZE /")) > FIRST, "it takes what the disk has"
    machine.succeed("! journalctl --boot --no-pager -o cat | grep -F " + key)
    wait_until_ready(machine)
    assert essential_faults(status(machine)) == []
    assert "this machine's TPM opens them" in machine.succeed("jepa doctor")
    machine.wait_for_unit("jepa-grow.service")
    assert machine.succeed("systemctl list-units --failed --no-legend --plain") == ""


def test_the_running_system_does_not_get_the_key_from_the_tpm(machine_with_a_tpm: Machine) -> None:
    """Nor does one that somebody started from a disk of their own, by this same signed image."""
    unlock = f"systemd-cryptenroll --unlock-tpm2-device=auto --recovery-key {ROOT}"
    said = machine_with_a_tpm.fail(unlock)
    assert not re.search(KEY, said.out + said.err)


def test_the_recovery_key_is_shown_once(sealed: Encrypted, machine_with_a_tpm: Machine) -> None:
    machine_with_a_tpm.start()
    machine_with_a_tpm.wait_for_shell()
    assert not re.search(ASKED, machine_with_a_tpm.console_text()), "it opens by itself"
    assert not re.search(KEY, machine_with_a_tpm.console_text())
    said = machine_with_a_tpm.fail("jepa encryption recovery-key")
    assert "The recovery key was shown on" in said.err
    machine_with_a_tpm.shutdown()


def test_without_the_key_nothing_is_read_off_the_disk_and_with_it_all(sealed: Encrypted) -> None:
    assert on_disk(sealed.disk.path, [MARK, sealed.key.encode()]) == []
    wrong = sealed.key[:-1] + ("c" if sealed.key[-1] != "c" else "b")
    assert sealed.volume(wrong) is None
    volume = sealed.volume(sealed.key)
    assert volume is not None
    assert volume.contains(MARK)


@pytest.mark.parametrize("other", ["another", "none"])
def test_on_a_machine_with_another_tpm_or_none_it_asks_for_the_key_and_says_why(
    sealed: Encrypted, directory: Path, kvm: bool, say: Say, other: str
) -> None:
    disk = copy(sealed.disk.path, directory / f"{other}.disk")
    firmware = copy_firmware(sealed.firmware, directory / f"{other}.fd")
    state = directory / "another.tpm" if other == "another" else None
    machine = Machine(f"{other}-tpm", Setup(disk, firmware=firmware, tpm=state, kvm=kvm), directory, say)
    machine.start()
    try:
        machine.wait_for_console_text(ASKED)
        assert (OF_ANOTHER if state else WITHOUT) in machine.console_text()
        machine.forget_console()
        machine.write_console("not-the-key\r")
        machine.wait_for_console_text(f"(?s)That is not the recovery key of this disk.*{ASKED}")
        machine.write_console(f"{sealed.key}\r")
        machine.wait_for_shell()
        assert MARK.decode() in machine.succeed("head -1 /var/lib/letter")
        machine.shutdown()
    finally:
        if machine.running:
            machine.crash()
        disk.path.unlink()


def test_a_later_version_opens_it_by_itself(
    sealed: Encrypted, machine_with_a_tpm: Machine, image: Image, tmp_path: Path
) -> None:
    """Of the same keys, but with other values of PCR 11."""
    channel = Channel(tmp_path / "channel", KEYS)
    channel.add(built(LATER, image))
    machine = machine_with_a_tpm
    machine.start()
    machine.wait_for_shell()
    connect(machine)
    apply(machine, channel)
    reboot(machine)
    machine.wait_for_shell()
    assert version(machine) == LATER
    assert not re.search(ASKED, machine.console_text())
    assert MARK.decode() in machine.succeed("head -1 /var/lib/letter")
    machine.shutdown()


def test_a_factory_reset_encrypts_anew_with_another_key(
    sealed: Encrypted, machine_with_a_tpm: Machine
) -> None:
    machine = machine_with_a_tpm
    machine.start()
    machine.wait_for_shell()
    machine.execute("systemctl start --no-block factory-reset.target")
    machine.wait_for_shutdown()
    machine.start()
    machine.wait_for_shell()
    assert ENCRYPTED in machine.console_text()
    shown = set(re.findall(KEY, machine.console_text()))
    assert len(shown) == 1
    assert sealed.key not in shown
    machine.fail("test -e /var/lib/letter")
    machine.shutdown()
    assert sealed.volume(sealed.key) is None
    volume = sealed.volume(shown.pop())
    assert volume is not None
    assert not volume.contains(MARK)
