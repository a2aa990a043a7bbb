# SPDX-License-Identifier: Apache-2.0
"""The architectures that the image is made for: what each is called, and where its image lies."""

from __future__ import annotations

import platform
from pathlib import Path

MACHINES = {"x86-64": "x86_64", "arm64": "aarch64"}
"""Architecture as mkosi and systemd name it, and as the kernel, QEMU and wheels do."""

NATIVE = {machine: name for name, machine in MACHINES.items()}.get(platform.machine(), "x86-64")
"""That of this host, which a build is for unless another is asked for."""


def folder(build: Path, name: str, architecture: str = NATIVE) -> Path:
    """Return where below `build` the thing called `name` lies for `architecture`: `image`, `image-arm64`."""
    return build / (name if architecture == NATIVE else f"{name}-{architecture}")


def make_arguments(architecture: str) -> str:
    """Return what a person adds to a command of make for it to be about `architecture`."""
    return "" if architecture == NATIVE else f" ARCH={architecture}"
