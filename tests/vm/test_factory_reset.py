# SPDX-License-Identifier: Apache-2.0
"""A factory reset leaves a system that works, and on its disk nothing of what a person or it has written."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.vm.guest import essential_faults, status
from tests.vm.updating import UKIS, firmware_of, reboot, version
from tools.vm.image import Image
from tools.vm.machine import Machine
from tools.vm.ready import wait_until_ready

pytestmark = [pytest.mark.vm, pytest.mark.slow]

FORGETS_NOTHING = ["discard", "write-zeroes"]
"""What the disk does not know: all that is to go has to be written over."""
VARIABLE = "/sys/firmware/efi/efivars/FactoryReset-*"
BEGINS, ENDS = "Removing all data and settings", "All data and settings were removed"
OWN = {"machine-id", ".pwd.lock"}
"""What a machine makes of its own in /etc in its first boot; the lock is empty."""
LISTED = r"find . -mindepth 1 -printf '%P %M %u %g %l\n' | sort"
GROWN = 1 << 30
CHUNK = 1 << 24


@pytest.fixture(scope="module")
def machine_with_an_owner(image: Image, directory: Path, lasting_machine: Callable[..., Machine]) -> Machine:
    """A machine, on, that its firmware started, with a disk that has to be written over."""
    disk = image.copy(directory / "owned.disk")
    lacking = [word for name in FORGETS_NOTHING for word in ("-global", f"virtio-blk-device.{name}=off")]
    firmware = firmware_of(directory, "resetting")
    return lasting_machine("resetting", disk, firmware=firmware, devices=lacking)


def move_in(machine: Machine, owner: str) -> list[bytes]:
    """Leave traces of `owner` on `machine`; returns what of them its disk then has."""
    # as jepa-grow.service does when jepad runs; so that they may lie anywhere on the disk
    machine.succeed("systemd-repart --dry-run=no; udevadm settle; /usr/lib/systemd/systemd-growfs /")
    machine.succeed(
        f"yes 'letter of {owner}' | head -c 30M >/home/letter;"
        f"mkdir -p /etc/jepa; echo 'source = \"https://{owner}.example\"' >/etc/jepa/update.toml;"
        f"echo {owner} >/etc/hostname; echo {owner} >/var/lib/trace;"
        f"ln -s /usr/lib/systemd/system/debug-shell.service /etc/systemd/system/{owner}.service; sync"
    )
    identity = machine.succeed("cat /etc/machine-id").strip()
    traces = [f"letter of {owner}".encode(), f"https://{owner}.example".encode(), identity.encode()]
    assert on_disk(machine.setup.disk.path, traces) == traces, "the search finds what is there"
    return traces


def on_disk(disk: Path, traces: Sequence[bytes]) -> list[bytes]:
    """Those of `traces` that are anywhere on `disk`, in use or not."""
    found: set[bytes] = set()
    longest = max(map(len, traces))
    with disk.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        at, before = 0, b""
        while at < end:
            content = os.pread(file.fileno(), CHUNK, at)
            found |= {trace for trace in traces if trace in before + content}
            at, before = at + len(content), content[-longest:]
    return [trace for trace in traces if trace in found]


def is_new(machine: Machine, was: str) -> None:
    """Assert that `machine` is as it was shipped, in its first boot, with the version `was`."""
    machine.wait_for_shell()
    assert version(machine) == was
    machine.fail(f"ls {VARIABLE}")
    machine.fail("test -e /home/letter -o -e /var/lib/trace -o -e /etc/jepa")
    assert machine.succeed("cat /etc/hostname").strip() == "jepa"
    now, shipped = (set(machine.succeed(f"cd {tree}; {LISTED}").splitlines()) for tree in
                    ("/etc", "/usr/share/factory/etc"))  # fmt: skip
    assert {line.split()[0] for line in now ^ shipped} <= OWN
    compared = machine.execute("diff -rq --no-dereference /etc /usr/share/factory/etc").out.splitlines()
    assert [line for line in compared if line.startswith("Files") and "/etc/machine-id" not in line] == []
    machine.succeed(f"cmp /usr/share/factory/etc.list /var/lib/jepa-update/etc/{was}")
    assert int(machine.succeed("findmnt -nbo SIZE /")) > GROWN


def test_a_command_and_a_choice_in_the_menu_each_remove_it_all(machine_with_an_owner: Machine) -> None:
    machine = machine_with_an_owner
    was = version(machine)
    traces = move_in(machine, "first-owner")
    machine.execute("systemctl start --no-block factory-reset.target")
    machine.wait_for_shutdown()
    machine.start()
    machine.wait_for_console_text(ENDS)
    is_new(machine, was)

    more = move_in(machine, "second-owner")
    assert more[-1] != traces[-1], "it has still the id of the machine before"
    machine.succeed(f"bootctl set-oneshot {machine.succeed(UKIS).strip()}@factory-reset")
    reboot(machine)
    machine.wait_for_console_text(BEGINS)
    machine.say("cutting the power in the middle")
    machine.crash()
    machine.start()  # not in that profile any more
    machine.wait_for_console_text(ENDS)
    is_new(machine, was)
    assert "systemd.factory_reset=1" not in machine.succeed("cat /proc/cmdline").split()

    wait_until_ready(machine)
    assert essential_faults(status(machine)) == []
    assert machine.succeed("systemctl list-units --failed --no-legend --plain") == ""
    machine.shutdown()
    assert on_disk(machine.setup.disk.path, traces + more) == []


@pytest.mark.allow("jepa-request-factory-reset|factory-reset.target", "it is refused")
def test_without_variables_in_the_firmware_the_command_says_what_to_do(machine: Machine) -> None:
    machine.fail("systemctl start factory-reset.target")
    said = machine.succeed("journalctl --boot --no-pager -o cat -u jepa-request-factory-reset")
    assert "Choose the factory reset in the boot menu" in said
    machine.succeed("systemctl reset-failed")
