# SPDX-License-Identifier: Apache-2.0
"""The image under test, and disks made of it; the image itself is never written."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tools.architecture import NATIVE, folder, make_arguments
from tools.vm import kvm
from tools.vm.board import HOST_BOARD, Board
from tools.vm.emulator import Firmware, newest
from tools.vm.qemu import Disk

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
DISK_GIB = 4


@dataclass(frozen=True, slots=True)
class Image:
    """What `make image` gives: the disk, and its kernel and initrd for a start without firmware.

    Beside the kernel lies the command line for it, `jepa-os.cmdline`.
    """

    raw: Path
    kernel: Path
    initrd: Path

    def overlay(self, path: Path) -> Disk:
        """A qcow2 disk at ``path`` that begins as the image; it can hold snapshots."""
        return make_overlay(self.raw, path)

    def copy(self, path: Path) -> Disk:
        """A raw disk at ``path`` that begins as the image; what the guest writes survives QEMU's death."""
        subprocess.run(["cp", "--sparse=always", str(self.raw), str(path)], check=True)
        with path.open("r+b") as file:
            file.truncate(DISK_GIB << 30)
        return Disk(path)


def make_overlay(raw: Path, path: Path) -> Disk:
    """Make a qcow2 disk at ``path`` that begins as the image ``raw`` and is somewhat larger.

    It keeps a link to the image of now, since a rebuild replaces that file while machines run.
    """
    base = path.with_suffix(".base")
    base.unlink(missing_ok=True)
    base.hardlink_to(raw)
    create = [*newest().image_command(), "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(base)]
    subprocess.run([*create, str(path), f"{DISK_GIB}G"], check=True)
    return Disk(path, format="qcow2")


def built_image(architecture: str = NATIVE) -> Image:
    """The image under build/; raises FileNotFoundError with the remedy when it is not built."""
    stem = folder(BUILD, "image", architecture) / "jepa-os"
    image = Image(stem.with_suffix(".raw"), stem.with_suffix(".vmlinuz"), stem.with_suffix(".initrd"))
    for path in (image.raw, image.kernel, image.initrd, stem.with_suffix(".cmdline")):
        if not path.exists():
            raise FileNotFoundError(f"{path} is missing. Run: make image{make_arguments(architecture)}")
    return image


def own_firmware(directory: Path, *, secure: bool = False, board: Board = HOST_BOARD) -> Firmware:
    """UEFI with a variable store of the machine's own in ``directory``, made when it is not there yet.

    ``secure``: one that enforces Secure Boot once it has keys; FileNotFoundError where there is none.
    """
    found = newest(board).firmware(secure=secure)
    if found is None:
        raise FileNotFoundError(f"{newest(board)} has no UEFI firmware with Secure Boot. Run: make image")
    variables = directory / "variables.fd"
    if not variables.exists():
        shutil.copyfile(found.variables, variables)
    return Firmware(found.code, variables, found.secure)


def kvm_works() -> bool:
    """Whether KVM on this host boots the image's kernel; tried once and remembered under build/."""
    return kvm.works(BUILD, newest())
