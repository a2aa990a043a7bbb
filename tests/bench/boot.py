# SPDX-License-Identifier: Apache-2.0
"""Measure how long the image takes to be ready, how large it is, and how fast a test gets a fresh machine.

`python -m tests.bench.boot` writes build/bench/boot.json. Ready means that jepad has told systemd so; both
ways to that are measured: the kernel started directly, as tests do, and UEFI firmware with the image's UKI,
as a person's machine does.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.vm.emulator import newest
from tools.vm.image import BUILD, Image, built_image, kvm_works, own_firmware
from tools.vm.machine import Machine, Setup

RESTORES = 10


@dataclass(frozen=True, slots=True)
class Boot:
    """Seconds from power on until jepad was ready, and until it gave its first forecast."""

    ready_s: float
    forecast_s: float


def entry(name: str, values: Sequence[float], unit: str, setup: str) -> dict[str, object]:
    """One benchmark in the form that every file in build/bench has; the value is the median.

    There is no 99th percentile of fewer than ten measurements.
    """
    median = round(statistics.median(values), 2)
    return {
        "name": name,
        "value": median,
        "unit": unit,
        "better": "lower",
        "n": len(values),
        "p50": median if len(values) > 1 else None,
        "p99": round(statistics.quantiles(values, n=100)[98], 2) if len(values) >= 10 else None,
        "baseline": None,
        "ratio": None,
        "setup": setup,
    }


def boot(machine: Machine) -> Boot:
    """Start ``machine`` and wait until jepad is ready and forecasts."""
    machine.start()
    machine.wait_for_shell()
    machine.wait_for_unit("jepad.service", poll=0.2)
    ready = machine.elapsed
    machine.say("jepad is ready")
    machine.wait_until_succeeds("jepa forecast --json >/dev/null")
    forecast = machine.elapsed
    machine.say("jepad forecasts")
    return Boot(ready, forecast)


def measure(image: Image, directory: Path, boots: int) -> list[dict[str, object]]:
    """Every entry of boot.json; takes a minute or two a boot under emulation."""
    kvm = kvm_works()
    how = f"{newest()}, {'KVM' if kvm else 'emulated (TCG)'}, 2 vCPUs, 2 GiB"

    def say(line: str) -> None:
        print(line, flush=True)

    direct, restores, snapshots = [], [], []
    for number in range(boots):
        setup = Setup(
            image.overlay(directory / "direct.qcow2"), kernel=image.kernel, initrd=image.initrd, kvm=kvm
        )
        machine = Machine(f"direct-{number + 1}", setup, directory, say)
        try:
            direct.append(boot(machine))
            if number == boots - 1:
                snapshots.append(machine.snapshot())
                restores = [machine.restore() for _ in range(RESTORES)]
        finally:
            machine.crash()
    firmware = []
    for number in range(boots):
        place = directory / f"firmware-{number + 1}"
        place.mkdir()
        disk = image.copy(directory / "firmware.raw")
        machine = Machine(
            f"firmware-{number + 1}", Setup(disk, firmware=own_firmware(place), kvm=kvm), directory, say
        )
        try:
            firmware.append(boot(machine))
        finally:
            machine.crash()
    stat = image.raw.stat()
    kernel, uefi = f"kernel started directly, {how}", f"UEFI firmware and UKI, {how}"
    return [
        entry("boot_to_ready_s", [b.ready_s for b in direct], "s", kernel),
        entry("boot_to_ready_firmware_s", [b.ready_s for b in firmware], "s", uefi),
        entry("boot_to_forecast_s", [b.forecast_s for b in direct], "s", kernel),
        entry("boot_to_forecast_firmware_s", [b.forecast_s for b in firmware], "s", uefi),
        entry("image_mib", [stat.st_size / 2**20], "MiB", "size of the disk image"),
        entry("image_written_mib", [stat.st_blocks * 512 / 2**20], "MiB", "of it not holes"),
        entry("snapshot_s", snapshots, "s", how),
        entry("snapshot_restore_s", restores, "s", f"until the guest's shell answers, {how}"),
    ]


def main() -> int:
    """Measure, print and write build/bench/boot.json."""
    parser = argparse.ArgumentParser(description="Measure boot, image size and snapshots.")
    parser.add_argument("--boots", type=int, default=3, help="how many times each way (default: 3)")
    boots: int = parser.parse_args().boots
    try:
        image = built_image()
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="boot-", dir=BUILD) as directory:
        entries = measure(image, Path(directory), boots)
    target = BUILD / "bench/boot.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(entries, indent=2) + "\n")
    for line in entries:
        print(f"{line['name']:30} {line['value']:>10} {line['unit']}  ({line['setup']})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
