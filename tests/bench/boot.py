# SPDX-License-Identifier: Apache-2.0
"""Measure how soon the image is ready, what it takes of memory and disk, and how fast a test gets a machine.

`python -m tests.bench.boot` writes build/bench/boot.json. Ready means that jepad has told systemd so; both
ways to that are measured: the kernel started directly, as tests do, and UEFI firmware with the image's UKI,
as a person's machine does.
"""

import argparse
import json
import lzma
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.vm.emulator import newest
from tools.vm.image import BUILD, Image, built_image, kvm_works, own_firmware
from tools.vm.machine import Machine, Setup

RESTORES = 10
IDLE_S = 15
"""How long a machine does nothing, after its first forecast, before its memory is looked at."""
PRESET = 1
"""Of xz, for the image as it is downloaded; a higher one takes many minutes."""
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Boot:
    """Seconds from power on until a root shell answered, jepad was ready, and gave its first forecast."""

    shell_s: float
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
    shell = machine.elapsed
    machine.wait_for_unit("jepad.service", poll=0.2)
    ready = machine.elapsed
    machine.say("jepad is ready")
    machine.wait_until_succeeds("jepa forecast --json >/dev/null")
    forecast = machine.elapsed
    machine.say("jepad forecasts")
    return Boot(shell, ready, forecast)


def memory_in_use(machine: Machine) -> float:
    """MiB that programs of ``machine`` could not have: all but what the kernel says is available."""
    told = machine.succeed("cat /proc/meminfo").splitlines()
    fields = {name: int(value.split()[0]) for name, _, value in (line.partition(":") for line in told)}
    return (fields["MemTotal"] - fields["MemAvailable"]) / 1024


def packed(path: Path) -> int:
    """Bytes of the file at ``path`` as xz packs it."""
    packer, size = lzma.LZMACompressor(preset=PRESET), 0
    with path.open("rb") as file:
        while part := file.read(CHUNK):
            size += len(packer.compress(part))
    return size + len(packer.flush())


@dataclass(slots=True)
class Found:
    """What was measured of one image."""

    image: Image
    direct: list[Boot] = field(default_factory=list)
    firmware: list[Boot] = field(default_factory=list)
    idle: list[float] = field(default_factory=list)
    snapshots: list[float] = field(default_factory=list)
    restores: list[float] = field(default_factory=list)

    def boot_directly(self, machine: Machine, *, last: bool) -> None:
        """Boot with the kernel started directly; after the ``last`` one, take a snapshot and restore it."""
        try:
            self.direct.append(boot(machine))
            if last:
                self.snapshots.append(machine.snapshot())
                self.restores += [machine.restore() for _ in range(RESTORES)]
        finally:
            machine.crash()

    def boot_by_firmware(self, machine: Machine) -> None:
        """Boot by UEFI, and see what memory is in use when nothing happens."""
        try:
            self.firmware.append(boot(machine))
            time.sleep(IDLE_S)
            self.idle.append(memory_in_use(machine))
        finally:
            machine.crash()

    def entries(self, how: str) -> list[dict[str, object]]:
        """Every entry of boot.json, of machines that are run in the way ``how``."""
        stat = self.image.raw.stat()
        kernel, uefi = f"kernel started directly, {how}", f"UEFI firmware and UKI, {how}"
        idle = f"not available {IDLE_S} s after the first forecast, {uefi}"
        return [
            entry("boot_to_ready_s", [b.ready_s for b in self.direct], "s", kernel),
            entry("boot_to_ready_firmware_s", [b.ready_s for b in self.firmware], "s", uefi),
            entry("boot_to_forecast_s", [b.forecast_s for b in self.direct], "s", kernel),
            entry("boot_to_forecast_firmware_s", [b.forecast_s for b in self.firmware], "s", uefi),
            entry("idle_memory_mib", self.idle, "MiB", idle),
            entry("image_mib", [stat.st_size / 2**20], "MiB", "size of the disk image"),
            entry("image_written_mib", [stat.st_blocks * 512 / 2**20], "MiB", "of it not holes"),
            entry("snapshot_s", self.snapshots, "s", how),
            entry("snapshot_restore_s", self.restores, "s", f"until the guest's shell answers, {how}"),
        ]


def measure(images: Sequence[Image], directory: Path, boots: int) -> list[list[dict[str, object]]]:
    """Every entry of boot.json for each of ``images``, which take turns; minutes a boot under emulation."""
    kvm = kvm_works()
    how = f"{newest()}, {'KVM' if kvm else 'emulated (TCG)'}, 2 vCPUs, 2 GiB"
    all_found = [Found(image) for image in images]
    for number in range(boots):
        for at, found in enumerate(all_found):
            image, name = found.image, f"{at}-{number + 1}"
            disk = image.overlay(directory / "direct.qcow2")
            setup = Setup(disk, kernel=image.kernel, initrd=image.initrd, kvm=kvm)
            found.boot_directly(Machine(f"direct-{name}", setup, directory, _say), last=number == boots - 1)
            place = directory / f"firmware-{name}"
            place.mkdir()
            setup = Setup(image.copy(directory / "firmware.raw"), firmware=own_firmware(place), kvm=kvm)
            found.boot_by_firmware(Machine(f"firmware-{name}", setup, directory, _say))
    return [found.entries(how) for found in all_found]


def beside(entries: list[dict[str, Any]], others: list[dict[str, Any]], name: str) -> None:
    """Put what ``others`` have, the image called ``name``, beside each of ``entries``."""
    for one, other in zip(entries, others, strict=True):
        one["baseline"] = {"name": name, "value": other["value"]}
        one["ratio"] = round(one["value"] / other["value"], 3)


def _say(line: str) -> None:
    print(line, flush=True)


def main() -> int:
    """Measure, print and write build/bench/boot.json."""
    parser = argparse.ArgumentParser(description="Measure boot, memory, image size and snapshots.")
    parser.add_argument("--boots", type=int, default=3, help="how many times each way (default: 3)")
    parser.add_argument(
        "--beside", type=Path, help="directory with another image, booted in turns with that of build/image"
    )
    parser.add_argument("--called", default="another image", help="what that one is called")
    arguments = parser.parse_args()
    try:
        images = [built_image()]
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 1
    if arguments.beside:
        stem = arguments.beside / "jepa-os"
        images.append(Image(*(stem.with_suffix(f".{kind}") for kind in ("raw", "vmlinuz", "initrd"))))
    with tempfile.TemporaryDirectory(prefix="boot-", dir=BUILD) as directory:
        entries, *others = measure(images, Path(directory), arguments.boots)
    for each in others:
        beside(entries, each, arguments.called)
    size = packed(images[0].raw) / 10**6
    entries.append(entry("download_mb", [size], "MB", f"the disk image, packed by xz -{PRESET}"))
    target = BUILD / "bench/boot.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(entries, indent=2) + "\n")
    for line in entries:
        print(f"{line['name']:30} {line['value']:>10} {line['unit']}  ({line['setup']})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
