# SPDX-License-Identifier: Apache-2.0
"""Measure how soon one image is ready by the slim kernel and by its own with its initrd, in turns.

`python -m tests.bench.slim_kernel` writes build/bench/slim-kernel.json. Both are started directly, without
firmware, from a fresh overlay of the image each time.
"""

import argparse
import json
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.bench.boot import Boot, beside, boot, entry
from tools.vm.emulator import newest
from tools.vm.image import BUILD, Image, built_image, kvm_works
from tools.vm.machine import Machine, Setup
from tools.vm.slim import Start, quickest_start

SHIPPED = "the image's own kernel and initrd"


def measure(image: Image, starts: dict[str, Start], directory: Path, boots: int) -> dict[str, list[Boot]]:
    """``boots`` of ``image`` in each of the ways ``starts``, which take turns and lead in turns."""
    found: dict[str, list[Boot]] = {name: [] for name in starts}
    kvm = kvm_works()
    for number in range(boots):
        order = list(starts) if number % 2 == 0 else list(reversed(starts))
        for name in order:
            start = starts[name]
            disk = image.overlay(directory / "disk.qcow2")
            setup = Setup(disk, kernel=start.kernel, initrd=start.initrd, kvm=kvm)
            machine = Machine(f"{name}-{number + 1}", setup, directory, lambda line: print(line, flush=True))
            try:
                found[name].append(boot(machine))
            finally:
                machine.crash()
    return found


def entries(boots: list[Boot], how: str) -> list[dict[str, Any]]:
    """The benchmarks of one way to start, each with its single times."""
    made: list[dict[str, Any]] = []
    for name, what in (
        ("shell_s", "until a root shell answers"),
        ("ready_s", "until jepad is ready"),
        ("forecast_s", "until jepad's first forecast"),
    ):
        times = [getattr(each, name) for each in boots]
        made.append({**entry(f"slim_boot_to_{name}", times, "s", f"{what}, {how}"), "times": times})
    return made


def main() -> int:
    """Measure, print and write build/bench/slim-kernel.json."""
    parser = argparse.ArgumentParser(description="Measure starts by the slim kernel beside the image's own.")
    parser.add_argument("--boots", type=int, default=3, help="how many times each way (default: 3)")
    arguments = parser.parse_args()
    try:
        image = built_image()
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 1
    slim = quickest_start(image)
    if slim.initrd is not None:
        print("There is no slim kernel that fits the image. Run: make kernel", file=sys.stderr)
        return 1
    starts = {"slim": slim, "shipped": Start(image.kernel, image.initrd)}
    with tempfile.TemporaryDirectory(prefix="slim-", dir=BUILD) as directory:
        found = measure(image, starts, Path(directory), arguments.boots)
    way = "KVM" if kvm_works() else "emulated (TCG)"
    how = f"kernel started directly, {newest()}, {way}, 2 vCPUs, 2 GiB, on {platform.machine()}"
    made = entries(found["slim"], how)
    others = entries(found["shipped"], how)
    beside(made, others, SHIPPED)
    for one, other in zip(made, others, strict=True):
        one["baseline"]["times"] = other["times"]
    sizes = [path.stat().st_size / 2**20 for path in (slim.kernel, image.kernel, image.initrd)]
    size = entry("slim_kernel_mib", sizes[:1], "MiB", "size of the compressed kernel")
    size["baseline"] = {"name": SHIPPED, "value": round(sum(sizes[1:]), 2)}
    size["ratio"] = round(sizes[0] / sum(sizes[1:]), 3)
    made.append(size)
    target = BUILD / "bench/slim-kernel.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(made, indent=2) + "\n")
    for line in made:
        print(f"{line['name']:30} {line['value']:>8} {line['unit']}  beside {line['baseline']['value']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
