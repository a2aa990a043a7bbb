# SPDX-License-Identifier: Apache-2.0
"""Let this host run programs of another architecture, by QEMU's emulation of a process.

To install a package is to run its scripts, which are programs of the image's architecture. The kernel starts
an interpreter for them (binfmt_misc), opened when it was registered (flag F), so that it also serves where
only the image's files are seen.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tools.architecture import MACHINES

PACKAGE = "qemu-user-static"
"""Debian's; it brings the interpreters and the rules for them, from Debian 13 on by others it depends on."""


@dataclass(frozen=True, slots=True)
class Runner:
    """The interpreter for programs of `architecture` on the host whose files are below `root`."""

    architecture: str
    root: Path = Path("/")

    def ready(self) -> bool:
        """Whether the kernel starts it, in every file tree."""
        entry = self._kernel() / self._name()
        if not entry.exists():
            return False
        state, _, rest = entry.read_text().partition("\n")
        flags = next((line.split()[-1] for line in rest.splitlines() if line.startswith("flags:")), "")
        return state == "enabled" and "F" in flags

    def rule_file(self) -> Path:
        """Where the package has the rule for the kernel."""
        return self.root / "usr/lib/binfmt.d" / f"{self._name()}.conf"

    def register(self) -> None:
        """Tell the kernel, as systemd does at boot; SystemExit with the remedy when that does not help.

        The package tells it too when it is installed, but not in a container. Needs root.
        """
        if self.ready():
            return
        kernel, name = self._kernel(), self._name()
        if not (kernel / "register").exists():
            mounted = subprocess.run(["mount", "-t", "binfmt_misc", "binfmt_misc", str(kernel)]).returncode
            if mounted != 0:
                raise SystemExit(
                    "This kernel has no binfmt_misc, or it may not be mounted here, so that no program for "
                    f"{self.architecture} runs. Build on a host that has it, or on one that is "
                    f"{self.architecture} itself."
                )
        if not (kernel / name).exists():
            (kernel / "register").write_text(self._rule())
        if not self.ready():
            raise SystemExit(
                f"What runs programs for {self.architecture} here does not do so inside an image that is "
                f"being built: {kernel / name} is off, or lacks the flag F. Remove it and try again: "
                f"echo -1 >{kernel / name}"
            )

    def _rule(self) -> str:
        lines = self.rule_file().read_text().splitlines()
        return next(line for line in lines if line.startswith(":"))

    def _kernel(self) -> Path:
        return self.root / "proc/sys/fs/binfmt_misc"

    def _name(self) -> str:
        return f"qemu-{MACHINES[self.architecture]}"
