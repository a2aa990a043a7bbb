# SPDX-License-Identifier: Apache-2.0
"""Find out whether KVM on this host really boots a kernel.

/dev/kvm may open and answer and still not run a stock kernel (nested or paravirtual hosts), so the only
proof is a boot. The answer is kept in build/kvm until QEMU or the kernel of the host or the image changes.
"""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
import time
from pathlib import Path

from tools.vm.board import HOST_BOARD
from tools.vm.emulator import Emulator

PROOF = "Linux version"
LIMIT_S = 15.0


def works(build: Path, emulator: Emulator) -> bool:
    """Return whether KVM boots the kernel of the image under `build`; False when there is no image yet.

    And False for an `emulator` of machines that have another CPU than the host.
    """
    kernel = build / "image/jepa-os.vmlinuz"
    if emulator.board is not HOST_BOARD:
        return False
    if not os.access("/dev/kvm", os.R_OK | os.W_OK) or not kernel.exists():
        return False
    cache = build / "kvm"
    question = f"{platform.release()} {kernel.stat().st_size} {emulator}"
    if cache.exists():
        asked, _, answer = cache.read_text().rpartition(" ")
        if asked == question:
            return answer == "yes"
    found = boots(kernel, emulator)
    cache.write_text(f"{question} {'yes' if found else 'no'}")
    return found


def boots(kernel: Path, emulator: Emulator) -> bool:
    """Start `kernel` under KVM without a disk; return whether it says who it is within LIMIT_S seconds."""
    with tempfile.TemporaryDirectory() as directory:
        console = Path(directory) / "console"
        command = [
            *emulator.system_command(),
            "-nodefaults", "-no-user-config", "-display", "none", "-machine", emulator.board.machine,
            "-accel", "kvm", "-cpu", "host", "-m", "512M", "-no-reboot", "-serial", f"file:{console}",
            "-kernel", str(kernel), "-append", f"console={emulator.board.serial} panic=-1",
        ]  # fmt: skip
        quiet = subprocess.DEVNULL
        machine = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet)
        try:
            end = time.monotonic() + LIMIT_S
            while time.monotonic() < end and machine.poll() is None:
                time.sleep(0.2)
                if console.exists() and PROOF in console.read_text(errors="replace"):
                    return True
            return console.exists() and PROOF in console.read_text(errors="replace")
        finally:
            machine.kill()
            machine.wait()
