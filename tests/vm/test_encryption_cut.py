# SPDX-License-Identifier: Apache-2.0
"""Where the power goes while a first start encrypts the data, the next one begins anew, and ends."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.vm.guest import essential_faults, status
from tests.vm.luks import described, opened
from tests.vm.updating import firmware_of
from tools.partitions import labelled
from tools.vm.image import Image
from tools.vm.machine import Machine
from tools.vm.ready import wait_until_ready

pytestmark = [pytest.mark.vm, pytest.mark.slow]

BEGINS_ANEW = "Removing all data and settings"
ENCRYPTED = "The data of this machine are encrypted now"
MOMENTS = {"formatted": "", "with its recovery key": "systemd-recovery", "with the TPM's": "systemd-tpm2"}
"""How far it is when the power goes, and what the partition's header then has beside a key."""
PATIENCE_S = 300


def wait_until(disk: Path, token: str, before: list[str]) -> list[str]:
    """Wait until the root of ``disk`` is formatted, other than ``before``, and has a key with ``token``.

    Returns what tells this formatting from another.
    """
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with suppress(ValueError):  # not yet, or it is being written
            about = described(disk, labelled(disk, "jepa-root").start)
            kinds = {each["type"] for each in about["tokens"].values()}
            # of the key of what is encrypted, which stays as keys for it come and go
            formatting = sorted(each["digest"] for each in about["digests"].values())
            if formatting != before and (not token or token in kinds):
                return formatting
        time.sleep(0.02)
    raise AssertionError(f"{disk} was not formatted and given a key of {token or 'any kind'}")


def test_after_each_cut_it_begins_anew_and_ends(
    new_machine: Callable[..., Machine], image: Image, directory: Path
) -> None:
    disk, firmware = image.copy(directory / "cut.raw"), firmware_of(directory, "cut")
    machine = new_machine("cut", disk, firmware=firmware, tpm=directory / "cut.tpm")
    before: list[str] = []
    for number, (moment, token) in enumerate(MOMENTS.items()):
        machine.start()
        if number:
            machine.wait_for_console_text(BEGINS_ANEW)
        before = wait_until(disk.path, token, before)
        machine.say(f"cutting the power when it is {moment}")
        machine.crash()
        assert ENCRYPTED not in machine.console_text()

    machine.start()
    wait_until_ready(machine)
    assert BEGINS_ANEW in machine.console_text()
    assert ENCRYPTED in machine.console_text()
    assert machine.succeed("findmnt -no SOURCE /").strip() == "/dev/mapper/jepa-root"
    assert essential_faults(status(machine)) == []
    assert machine.succeed("ls /sys/firmware/efi/efivars | grep -c FactoryReset || true").strip() == "0"
    key = machine.succeed("jepa encryption recovery-key").strip()
    machine.shutdown()
    part = labelled(disk.path, "jepa-root")
    assert opened(disk.path, part.start, part.size, key) is not None
