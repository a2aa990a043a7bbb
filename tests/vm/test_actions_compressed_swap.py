# SPDX-License-Identifier: Apache-2.0
"""zswap keeps in memory what would be written to the swap disk."""

import pytest

from tests.vm.actions import act, refused, undo, write
from tools.vm.machine import Machine

pytestmark = [pytest.mark.vm, pytest.mark.slow, pytest.mark.actuator_only]

HOG = """\
held = [bytearray(bytes(range(256)) * 4096) for _ in range(72)]
open("/run/held", "w").close()
"""
"""Takes 72 MiB that compress well."""
SWAP = """\
dd if=/dev/zero of=/var/tmp/swap bs=1M count=128
chmod 600 /var/tmp/swap
mkswap -q /var/tmp/swap
swapon -p 200 /var/tmp/swap
sync
"""
WRITTEN = "cat /sys/block/vda/stat"


def written_mib(machine: Machine) -> float:
    """How much is written to the disk while a program runs that needs more than its unit may hold."""
    machine.succeed("rm -f /run/held; sync")
    before = int(machine.succeed(WRITTEN).split()[6])
    machine.succeed("systemd-run -q --wait -p MemoryMax=48M python3 -IS /run/hog.py", timeout=120)
    machine.succeed("test -e /run/held")
    return (int(machine.succeed(WRITTEN).split()[6]) - before) / 2048


def test_zswap_spares_the_disk(machine: Machine) -> None:
    assert "no swap space lies on a disk" in refused(machine, "zswap.enabled on")
    write(machine, "/run/hog.py", HOG)
    write(machine, "/run/swap.sh", SWAP)
    machine.succeed("sh /run/swap.sh")
    without = written_mib(machine)
    change = act(machine, "zswap.enabled on --for 30m")
    within = written_mib(machine)
    undo(machine, change)
    assert machine.succeed("cat /sys/module/zswap/parameters/enabled") == "N\n"
    machine.say(f"written to the swap disk: {without:.0f} MiB, with zswap {within:.0f} MiB")
    assert without > 16
    assert within < without / 4
