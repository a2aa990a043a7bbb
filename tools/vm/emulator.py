# SPDX-License-Identifier: Apache-2.0
"""Find the QEMU to start: the newer of the host's own and the one that the image was built with.

mkosi's tools tree, which `make image` leaves under build/, is a whole Debian with QEMU and UEFI firmware in
it. Its QEMU runs in place on any host of the same architecture, by the tree's own dynamic loader.
"""

from __future__ import annotations

import functools
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tools.architecture import make_arguments
from tools.vm.board import HOST_BOARD, Board

TOOLS_TREE = Path(__file__).resolve().parents[2] / "build/mkosi.output/tools"

HOST = Path("/")

IMAGE_TOOL = "usr/bin/qemu-img"


@dataclass(frozen=True, slots=True)
class Firmware:
    """UEFI code (shared, read-only) and a machine's own variable store (written)."""

    code: Path
    variables: Path
    secure: bool = False
    """Whether the code enforces Secure Boot, for which it needs a machine that guards its variables."""


@dataclass(frozen=True, slots=True)
class Emulator:
    """One installation of QEMU below the directory ``root``, for machines of one kind.

    That of the host has the root ``/``.
    """

    root: Path
    version: tuple[int, ...] = ()
    board: Board = HOST_BOARD

    def __str__(self) -> str:
        where = "the host" if self.root == HOST else "the image's tools tree"
        return f"QEMU {'.'.join(map(str, self.version))} of {where}"

    def system_command(self) -> list[str]:
        """The beginning of the command that starts a machine; options follow."""
        if self.root == HOST:
            return [f"/{self.board.program}"]
        data = [f"{self.root}/usr/share/qemu", f"{self.root}/usr/share/seabios"]
        return [*self._start(self.board.program), *(word for folder in data for word in ("-L", folder))]

    def image_command(self) -> list[str]:
        """The beginning of a command of qemu-img."""
        return self._start(IMAGE_TOOL)

    def firmware(self, *, secure: bool = False) -> Firmware | None:
        """The UEFI firmware that is installed with it, or None; `variables` is the template to copy from."""
        for code, variables in self.board.secure_firmware if secure else self.board.firmware:
            found = Firmware(self.root / code, self.root / variables, secure)
            if found.code.exists() and found.variables.exists():
                return found
        return None

    def complete(self) -> bool:
        """Whether everything that a machine needs is there: QEMU, qemu-img and UEFI firmware."""
        programs = (self.root / name for name in (self.board.program, IMAGE_TOOL))
        return all(program.exists() for program in programs) and self.firmware() is not None

    def _start(self, program: str) -> list[str]:
        if self.root == HOST:
            return [f"/{program}"]
        loader = self._loader()
        modules = f"QEMU_MODULE_DIR={loader.parent}/qemu"
        return ["env", modules, str(loader), "--library-path", str(loader.parent), f"{self.root}/{program}"]

    def _loader(self) -> Path:
        """The dynamic loader of ``root``, beside its libraries."""
        return next(self.root.glob("usr/lib/*-linux-gnu*/ld-linux*.so.*"))


def parse_version(said: str) -> tuple[int, ...]:
    """The version in what ``--version`` prints; empty when there is none."""
    match = re.search(r"QEMU emulator version (\d+(?:\.\d+)+)", said)
    return tuple(map(int, match[1].split("."))) if match else ()


def probe(root: Path, board: Board = HOST_BOARD) -> Emulator | None:
    """The emulator below ``root`` with its version; None unless it is complete and starts here."""
    found = Emulator(root, board=board)
    if not found.complete():
        return None
    try:
        command = [*found.system_command(), "--version"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError, StopIteration):
        return None
    version = parse_version(said)
    return Emulator(root, version, board) if version else None


@functools.cache
def installed(roots: tuple[Path, ...] = (TOOLS_TREE, HOST), board: Board = HOST_BOARD) -> list[Emulator]:
    """The emulators of ``board`` below ``roots``, the newest first."""
    found = [emulator for root in roots if (emulator := probe(root, board))]
    return sorted(found, key=lambda emulator: emulator.version, reverse=True)


def newest(board: Board = HOST_BOARD) -> Emulator:
    """The newer of the host's emulator and that of the tools tree; FileNotFoundError without either."""
    found = installed(board=board)
    if not found:
        lack = f"There is no {Path(board.program).name} with UEFI firmware here"
        raise FileNotFoundError(f"{lack}. Run: make image{make_arguments(board.architecture)}")
    return found[0]
