# SPDX-License-Identifier: Apache-2.0
"""The harness itself: an emulator that crashes is told from a guest that ends."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.vm.image import Image
from tools.vm.machine import Machine, MachineError

pytestmark = [pytest.mark.vm, pytest.mark.slow]


def test_an_emulator_that_crashes_while_the_guest_boots_is_started_once_more(
    new_machine: Callable[..., Machine], image: Image, directory: Path
) -> None:
    disk = image.copy(directory / "crashed.raw")
    machine = new_machine("crashed", disk, kernel=image.kernel, initrd=image.initrd)
    machine.start()
    assert machine._process is not None
    first = machine._process.pid
    os.kill(first, signal.SIGSEGV)
    machine.wait_for_shell()
    assert machine._process.pid != first
    assert machine.succeed("echo here").strip() == "here"
    machine.crash()


def test_a_machine_that_was_switched_off_is_not_started_again(
    new_machine: Callable[..., Machine], image: Image, directory: Path
) -> None:
    disk = image.copy(directory / "killed.raw")
    machine = new_machine("killed", disk, kernel=image.kernel, initrd=image.initrd)
    machine.start()
    assert machine._process is not None
    os.kill(machine._process.pid, signal.SIGTERM)
    with pytest.raises(MachineError, match="ended while it booted"):
        machine.wait_for_shell()
