# SPDX-License-Identifier: Apache-2.0
"""A read-only disk of programs for the trial laboratory: compilers, databases and archivers of Debian's.

They are what mkosi's tools tree holds besides what builds images, so that nothing has to be fetched. In the
machine each program has the disk for its root directory.
"""

import os
import subprocess
from pathlib import Path

from tools.vm.emulator import TOOLS_TREE

LEFT_OUT = (
    r"^(boot|dev|efi|home|media|opt|root|work)/.",
    r"^usr/bin/(qemu|swtpm|zypper|dnf|pacman)",
    r"^usr/share/(AAVMF|OVMF|ovmf|qemu|qemu-efi|doc|man|locale|info|distribution-gpg-keys|icons|seabios|gcc)",
    r"^usr/lib/x86_64-linux-gnu/(qemu|dri|gdk|perf)",
    r"^(run|tmp|var)/.",
)
"""What no program needs that a plan names: emulators, their firmware, package managers, documentation."""


def make_disk(target: Path) -> Path:
    """Make the disk ``target`` unless it is there and newer than the tools tree; returns it.

    Raises FileNotFoundError where no image has been built, and CalledProcessError when it cannot be made.
    """
    if not TOOLS_TREE.is_dir():
        raise FileNotFoundError(f"{TOOLS_TREE} is missing. Run: make image")
    if target.exists() and target.stat().st_mtime >= TOOLS_TREE.stat().st_mtime:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_suffix(".tmp")
    temporary.unlink(missing_ok=True)
    loader = next(TOOLS_TREE.glob("usr/lib/*-linux-gnu*/ld-linux*.so.*"))
    command = [str(loader), "--library-path", str(loader.parent), str(TOOLS_TREE / "usr/bin/mkfs.erofs")]
    # Not compressed: reading it shall cost the machine no more than a disk of its own does.
    command += ["--quiet", "-T0", "--all-root", *(f"--exclude-regex={each}" for each in LEFT_OUT)]
    subprocess.run([*command, str(temporary), str(TOOLS_TREE)], check=True, stdout=subprocess.DEVNULL)
    os.replace(temporary, target)  # noqa: PTH105
    return target
