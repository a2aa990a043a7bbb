# SPDX-License-Identifier: Apache-2.0
"""Measure how long the image takes until its daemon is ready, by firmware and by direct kernel start.

Writes build/bench/boot.json. Ready means: systemd has said on the console that jepad is started, which it
says when the daemon has taken its first frame.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import kvm
import qemu

ROOT = Path(__file__).resolve().parent.parent
IMAGE = ROOT / "build/image"
READY = "Started jepad.service"
SYSTEM = "Reached target multi-user.target"
LIMIT_S = 600.0
CONSOLE = ("console=ttyS0", "systemd.show_status=yes", "systemd.log_color=no")


def boot(direct: bool, accelerated: bool, log: Path) -> dict[str, float]:
    """Boot once and return the seconds from the start of QEMU to each of SYSTEM and READY.

    TimeoutError when one is not reached in LIMIT_S seconds.
    """
    kernel = IMAGE / "jepa-os.vmlinuz" if direct else None
    command = qemu.qemu_command(
        IMAGE / "jepa-os.raw",
        kernel=kernel,
        initrd=IMAGE / "jepa-os.initrd" if direct else None,
        kvm=accelerated,
        kernel_arguments=CONSOLE,
        serials=(f"file:{log}",),
    )
    log.unlink(missing_ok=True)
    machine = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    started = time.monotonic()
    reached: dict[str, float] = {}
    try:
        while len(reached) < 2:
            now = time.monotonic() - started
            if now > LIMIT_S or machine.poll() is not None:
                raise TimeoutError(f"{SYSTEM} and {READY} were not both seen; the console is in {log}")
            text = log.read_text(errors="replace") if log.exists() else ""
            for words in (SYSTEM, READY):
                if words in text:
                    reached.setdefault(words, now)
            time.sleep(0.2)
    finally:
        machine.kill()
        machine.wait()
    return reached


def entry(name: str, values: list[float], unit: str) -> dict[str, object]:
    """Return one line of a benchmark file; the largest value stands for p99 of so few."""
    middle = round(statistics.median(values), 2)
    spread = {"n": len(values), "p50": middle, "p99": round(max(values), 2)}
    return {"name": name, "value": middle, "unit": unit, "better": "lower", **spread}


def main() -> int:
    """Measure, write the file, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--path", choices=("kernel", "firmware", "both"), default="both")
    arguments = parser.parse_args()
    accelerated = kvm.works(ROOT / "build")
    size = (IMAGE / "jepa-os.raw").stat().st_size / 2**20
    entries = [entry("image_mib", [round(size, 1)], "MiB")]
    logs = Path(tempfile.mkdtemp(prefix="jepa-boot-"))
    for path in ("kernel", "firmware"):
        if arguments.path not in (path, "both"):
            continue
        system, ready = [], []
        for run in range(arguments.runs):
            reached = boot(path == "kernel", accelerated, logs / f"{path}-{run}.log")
            system.append(reached[SYSTEM])
            ready.append(reached[READY])
            print(f"{path}: multi-user {system[-1]:.0f} s, ready {ready[-1]:.0f} s", flush=True)
        suffix = "" if path == "kernel" else "_firmware"
        entries.append(entry(f"boot_to_system{suffix}_s", system, "s"))
        entries.append({**entry(f"boot_to_ready{suffix}_s", ready, "s"), "path": path, "kvm": accelerated})
    target = ROOT / "build/bench/boot.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(entries, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
