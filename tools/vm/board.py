# SPDX-License-Identifier: Apache-2.0
"""The two machines that QEMU emulates for us, one for each architecture, and what differs between them."""

from __future__ import annotations

from dataclasses import dataclass

from tools.architecture import NATIVE

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Board:
    """One kind of machine."""

    architecture: str
    """As mkosi names it."""
    program: str
    """The QEMU that emulates it, below the root of an installation."""
    machine: str
    """QEMU's name of the kind."""
    cpu: str
    """The model that is emulated where no CPU of the host can be used."""
    serial: str
    """What the kernel calls the first serial line."""
    display: str
    """A device with a screen that firmware and kernel know."""
    firmware: tuple[Pair, ...]
    """Code and variable store of UEFI, below the root of an installation, where distributions put them."""
    secure_firmware: tuple[Pair, ...]
    """The same for UEFI that enforces Secure Boot; its variables begin without any key, in setup mode."""
    emulated_arguments: tuple[str, ...]
    """Words for a kernel that is emulated: it would give up on timers that tick late and clocks that seem
    uneven, as they are on a busy host."""
    packages: tuple[Pair, ...]
    """Debian package, and the file that shows it is there, for a host to run it without the tools tree."""


PC = Board(
    architecture="x86-64",
    program="usr/bin/qemu-system-x86_64",
    machine="q35",
    # Oldest that the numpy wheels accept (x86-64-v2); TCG runs its SSE code faster than emulated AVX2.
    cpu="Nehalem",
    serial="ttyS0",
    display="VGA",
    firmware=(
        ("usr/share/OVMF/OVMF_CODE_4M.fd", "usr/share/OVMF/OVMF_VARS_4M.fd"),
        ("usr/share/OVMF/OVMF_CODE.fd", "usr/share/OVMF/OVMF_VARS.fd"),
        ("usr/share/edk2/x64/OVMF_CODE.4m.fd", "usr/share/edk2/x64/OVMF_VARS.4m.fd"),
    ),
    secure_firmware=(("usr/share/OVMF/OVMF_CODE_4M.secboot.fd", "usr/share/OVMF/OVMF_VARS_4M.fd"),),
    emulated_arguments=("no_timer_check", "tsc=reliable"),
    packages=(("qemu-system-x86", "/usr/bin/qemu-system-x86_64"), ("ovmf", "/usr/share/OVMF")),
)

ARM = Board(
    architecture="arm64",
    program="usr/bin/qemu-system-aarch64",
    machine="virt",
    # A tenth less to emulate than `max`, which has pointer authentication and vectors of any length.
    cpu="cortex-a72",
    serial="ttyAMA0",
    display="virtio-gpu-pci",
    firmware=(
        ("usr/share/AAVMF/AAVMF_CODE.no-secboot.fd", "usr/share/AAVMF/AAVMF_VARS.fd"),
        ("usr/share/AAVMF/AAVMF_CODE.fd", "usr/share/AAVMF/AAVMF_VARS.fd"),
        ("usr/share/edk2/aarch64/QEMU_CODE.fd", "usr/share/edk2/aarch64/QEMU_VARS.fd"),
    ),
    secure_firmware=(),
    emulated_arguments=(),
    packages=(("qemu-system-arm", "/usr/bin/qemu-system-aarch64"), ("qemu-efi-aarch64", "/usr/share/AAVMF")),
)

BOARDS = {board.architecture: board for board in (PC, ARM)}

HOST_BOARD = BOARDS[NATIVE]
"""The one whose CPU this host has."""
