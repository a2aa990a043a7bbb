# SPDX-License-Identifier: Apache-2.0
"""The arm64 image, emulated: by UEFI to a forecast, measured by BPF, and the same forecast as on x86-64."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bench.architectures import (
    MOST_BEYOND,
    MOST_OF_BAND,
    MOST_OF_PROBABILITY,
    PACK,
    differences,
    noise_floors,
    replay_here,
    replay_in,
)
from tests.vm.guest import essential_faults, next_frame, status
from tools import kernel_check
from tools.vm.board import ARM
from tools.vm.emulator import newest
from tools.vm.image import built_image, own_firmware
from tools.vm.machine import Machine
from tools.vm.ready import wait_until_ready

pytestmark = [pytest.mark.vm, pytest.mark.slow]

RECORDING = PACK / "heldout/eh1-trial"
BY_PROGRAMS_ALONE = (
    "system.process.exited.short",
    "system.disk.latency.read.p99",
    "system.cpu.run_queue.latency.p99",
    "system.file.opened",
)
"""Channels that only a BPF program can fill."""
STIR = "while :; do /bin/true; dd if=/dev/vda of=/dev/null bs=64k count=5 iflag=direct; sleep 0.3; done"


@pytest.fixture
def arm(new_machine: Callable[..., Machine], directory: Path) -> Machine:
    """It, booted by its firmware and forecasting."""
    image = built_image("arm64")
    place = directory / "arm64"
    place.mkdir()
    machine = new_machine(
        "arm64",
        image.overlay(place / "arm64.qcow2"),
        firmware=own_firmware(place, board=ARM),
        emulator=newest(ARM),
        cpus=1,
        credentials={"jepa.console.ttyAMA0": "vt220 80 24"},
    )
    machine.start()
    wait_until_ready(machine)
    return machine


def test_the_arm64_image_boots_by_uefi_and_forecasts_what_x86_64_does(arm: Machine) -> None:
    assert arm.succeed("uname -m").strip() == "aarch64"
    arm.succeed("test -d /sys/firmware/efi")
    arm.wait_for_console_text("jepa: ready")

    forecast = json.loads(arm.succeed("jepa forecast --json"))
    assert forecast["channels"]
    found = status(arm)
    assert essential_faults(found) == []
    kernel = next(each for each in found["sources"] if each["name"] == "kernel")
    assert (kernel["state"], kernel["reason"]) == ("ok", ""), "a BPF program was not loaded"

    arm.succeed(f"systemd-run --quiet --unit=stir sh -c '{STIR}'")
    deadline = time.monotonic() + 20 * arm.factor
    while missing := [name for name in BY_PROGRAMS_ALONE if not next_frame(arm)[name]]:
        assert time.monotonic() < deadline, missing
    arm.succeed("systemctl stop stir")

    checks = json.loads(arm.succeed("jepa doctor --json"))["checks"]
    assert next(each for each in checks if each["name"] == "kernel")["state"] == "ok", checks
    assert kernel_check.report(kernel_check.find(None, "arm64")) == []

    there, here = replay_in(arm, RECORDING), replay_here(RECORDING)
    assert (there.machine, here.machine) == ("aarch64", "x86_64")
    assert there.made_by == here.made_by
    apart = differences(here, there, noise_floors())
    most = apart.of_band.max()
    arm.say(f"{len(apart.of_band)} ticks replayed in {there.seconds:.0f} s; {most:.2g} of the band apart")
    assert apart.absent == 0
    assert apart.beyond <= MOST_BEYOND
    assert most <= MOST_OF_BAND
    assert apart.probability.max() <= MOST_OF_PROBABILITY
    arm.shutdown()
