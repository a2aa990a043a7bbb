# SPDX-License-Identifier: Apache-2.0
"""The slim kernel starts the image without an initrd, with all that is asked of a kernel and /usr checked.

Only where `make kernel` has made one; what else the shared machine is tested for then holds for it too.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from jepa import kernel_config
from tests.vm.test_verity import SUPERBLOCK, alter
from tools import slim_kernel
from tools.vm.image import Image
from tools.vm.machine import Machine
from tools.vm.slim import Start

pytestmark = pytest.mark.vm


@pytest.fixture(autouse=True)
def slim(start: Start) -> None:
    if start.initrd is not None:
        pytest.skip("the image is started by its own kernel: make kernel")


@pytest.mark.looks
def test_the_running_kernel_has_all_that_was_asked_and_no_modules(start: Start, machine: Machine) -> None:
    assert machine.succeed("uname -r").strip().endswith("-jepa-slim")
    config = kernel_config.parse_config(machine.succeed("zcat /proc/config.gz"))
    assert config == kernel_config.read_config(start.kernel.with_name("config"))
    assert slim_kernel.dropped(config) == []
    assert machine.succeed("cat /proc/modules") == ""
    checks = json.loads(machine.execute("jepa doctor --json", 120).out)["checks"]
    assert next(each for each in checks if each["name"] == "kernel")["state"] == "ok", checks


@pytest.mark.looks
def test_the_root_is_writable_and_usr_is_not(machine: Machine) -> None:
    root, usr = (machine.succeed(f"findmnt -no FSTYPE,OPTIONS {at}").split() for at in ("/", "/usr"))
    assert root[0] == "ext4" and "rw" in root[1].split(",")
    assert usr[0] == "erofs" and "ro" in usr[1].split(",")
    machine.fail("touch /usr/new")


@pytest.mark.allow(
    r"verity: |I/O error|Kernel panic|Failed|slim kernel:", "a byte of /usr is altered on purpose"
)
def test_it_does_not_start_from_a_usr_that_was_altered(
    start: Start, new_machine: Callable[..., Machine], image: Image, directory: Path
) -> None:
    disk = alter(image.copy(directory / "slim-refused.raw"), SUPERBLOCK)
    machine = new_machine("slim-refused", disk, kernel=start.kernel)
    machine.start()
    machine.wait_for_console_text("data block 0 is corrupted")
    # what the first program says may be cut in two by the kernel's own lines
    machine.wait_for_console_text("Kernel panic - not syncing: Attempted to kill init")
    machine.wait_for_shutdown()
