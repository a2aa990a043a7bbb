# SPDX-License-Identifier: Apache-2.0
"""Bring a machine to where tests begin, jepad forecasting: by a boot, or from one that was kept on disk."""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
import time
from pathlib import Path

from tools.vm.image import BUILD
from tools.vm.machine import Machine

BAY = ("-device", "pcie-root-port,id=bay,chassis=1,hotplug=on")
"""An empty slot of machines that several tests share, for one to plug something into."""

KEPT = BUILD / "vm-booted"

BOOTED = "booted"
"""The snapshot in a kept disk."""

_KEPT_S = 86400
"""How long a boot is used: its clock stands still."""

_KEPT = 2
"""How many boots are kept: one by the image's own kernel, and one by the slim one."""


def wait_until_ready(machine: Machine) -> None:
    """Wait until the boot is over, jepad runs and has made a forecast."""
    machine.wait_for_shell()
    machine.wait_for_unit("jepad.service")
    machine.say("jepad is ready")
    # Each question starts Python in the guest, which takes a CPU from the service that it waits for.
    machine.wait_until_succeeds("jepa forecast --json", poll=3)
    machine.say("jepad forecasts")
    machine.wait_for_unit("jepa-telemetry.service")
    machine.wait_until_succeeds('jepa status --json | grep -q \'"collector","state":"ok"\'')
    machine.say("jepa-telemetry collects")
    machine.execute("systemctl is-system-running --wait")


def start_ready(machine: Machine, kept: Path = KEPT) -> None:
    """Start ``machine`` from its boot of an earlier session in ``kept``, or boot it and keep that.

    The disk is an overlay of the image. A boot fits for a day, as long as the image, the emulator and what
    the machine is made of stay the same; the oldest are removed when one is made. Of several that start at
    one time the first boots and the others wait for that.
    """
    disk = machine.setup.disk.path
    base = disk.with_suffix(".base")
    there = kept / f"{_fingerprint(machine, base)}.qcow2"
    kept.mkdir(parents=True, exist_ok=True)
    with (kept / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not there.exists() or time.time() - there.stat().st_mtime > _KEPT_S:
            machine.start()
            wait_until_ready(machine)
            machine.snapshot(BOOTED)
            machine.crash()
            there.unlink(missing_ok=True)
            others = sorted(kept.glob("*.qcow2"), key=lambda path: path.stat().st_mtime)
            for old in others[: 1 - _KEPT]:
                old.unlink()
            _copy(disk, kept / "new")
            (kept / "new").rename(there)
        _copy(there, disk)
    rebase = [
        *machine.setup.emulator.image_command(),
        "rebase",
        "-u",
        "-F",
        "raw",
        "-b",
        str(base),
        str(disk),
    ]
    subprocess.run(rebase, check=True)
    machine.start(BOOTED)
    machine.wait_for_shell()


def _fingerprint(machine: Machine, base: Path) -> str:
    setup, image = machine.setup, base.stat()
    parts = (
        image.st_mtime_ns,
        image.st_size,
        str(setup.emulator),
        setup.kernel and (str(setup.kernel), setup.kernel.stat().st_mtime_ns),
        setup.memory_mib,
        setup.cpus,
    )
    clock = (setup.virtual_time, setup.instruction_ns) if setup.virtual_time else ()
    rest = (setup.kvm, *clock, *setup.devices, *setup.kernel_arguments, *(setup.credentials or {}))
    return hashlib.sha256(repr((*parts, *rest)).encode()).hexdigest()[:16]


def _copy(source: Path, target: Path) -> None:
    subprocess.run(["cp", "--sparse=always", str(source), str(target)], check=True)
