# SPDX-License-Identifier: Apache-2.0
"""Power: the way from the firmware to jepad, a power cut, and a machine told to stay plain Debian."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.vm.guest import essential_faults, frame_times, status, wait_for_status
from tools.vm.image import Image, own_firmware
from tools.vm.machine import Machine
from tools.vm.ready import wait_until_ready

pytestmark = pytest.mark.vm

SYNC_S = 15 + 5
"""The log syncs every 15 s, and a sync takes its time; what a power cut takes is not older."""


@pytest.mark.slow
@pytest.mark.shipped_kernel
def test_power_cut_while_writing_loses_no_synced_history(machine: Machine) -> None:
    wait_for_status(machine, "frames", 30)
    machine.succeed(
        "systemd-run --quiet bash -c "
        "'while :; do dd if=/dev/urandom of=/var/noise$((RANDOM % 8)) bs=64k count=16; done'"
    )
    times = frame_times(machine)
    newest = times[-1]
    machine.say(f"cutting the power after {len(times)} frames")
    machine.crash()
    machine.start()
    wait_until_ready(machine)
    kept = set(frame_times(machine))
    owed = {ts for ts in times if ts < newest - SYNC_S * 10**9}
    machine.say(
        f"{len(owed & kept)} of {len(owed)} synced frames kept, {len(set(times) & kept)} of all {len(times)}"
    )
    assert owed
    assert owed <= kept
    assert essential_faults(status(machine)) == []
    clean = machine.succeed("journalctl --boot --no-pager -o cat -u 'systemd-fsck*' ; dmesg")
    assert not re.search(r"EXT4-fs (error|warning)", clean)


def test_boots_from_the_firmware_to_a_shell_on_the_serial_line(
    new_machine: Callable[..., Machine], image: Image, directory: Path
) -> None:
    machine = new_machine(
        "firmware",
        image.copy(directory / "firmware.raw"),
        firmware=own_firmware(directory),
        credentials={"jepa.console.ttyS0": "vt220 80 24"},
    )
    machine.start()
    machine.wait_for_shell()
    machine.succeed("test -d /sys/firmware/efi")
    assert "root=LABEL=jepa-root" in machine.succeed("cat /proc/cmdline")
    assert "EFI" in machine.succeed("bootctl status --no-pager | head -20")
    machine.wait_for_console_text("jepa: ready")
    machine.wait_for_unit("jepad.service")
    assert essential_faults(wait_for_status(machine, "context_frames", 2, 60)) == []
    machine.forget_console()
    machine.write_console("status\r")
    machine.wait_for_console_text(r"(?s)  model +ok .*jepa> ")
    machine.shutdown()


@pytest.mark.slow
def test_jepa_off_leaves_plain_debian(
    new_machine: Callable[..., Machine], image: Image, directory: Path
) -> None:
    disk = image.copy(directory / "off.raw")
    machine = new_machine(
        "off", disk, kernel=image.kernel, initrd=image.initrd, kernel_arguments=["jepa=off"]
    )
    machine.start()
    machine.wait_for_shell()
    assert machine.execute("systemctl is-system-running --wait", 120).out.strip() == "running"
    assert machine.succeed("systemctl show -P ActiveState -P ConditionResult jepad").split() == [
        "inactive",
        "no",
    ]
    machine.fail("pgrep -f jepad")
    machine.succeed("modprobe vivid n_devs=1 node_types=0x1; udevadm settle")
    assert machine.succeed("systemctl show -P ActiveState jepa-vision").strip() == "inactive"
    refused = machine.fail("jepa status")
    assert refused.status == 1
    assert "Traceback" not in refused.err
    machine.shutdown()
