# SPDX-License-Identifier: Apache-2.0
"""Start the image by the slim kernel, which `make kernel` compiles, where there is one that fits.

It needs no initrd: words on its command line have the kernel itself set up /usr on verity, with the root
hash that the image's own command line names, and a program inside the kernel mounts that and the root
(slim-kernel/init.c). What an initrd does besides, such a start leaves out: docs/reference/kernel.md.
"""

from __future__ import annotations

import io
import uuid
from dataclasses import dataclass
from pathlib import Path

from jepa.errors import JepaError
from jepa.updates.verity import BLOCK, read_hashes
from tools import slim_kernel
from tools.architecture import NATIVE
from tools.partitions import SECTOR, Partition, partitions
from tools.vm.image import BUILD, Image

DONE = ("systemd.mask=systemd-modules-load.service", "systemd.verity=no")
"""What systemd need not do: load what is built in, and set up the verity that is there."""


@dataclass(frozen=True, slots=True)
class Start:
    """What starts an image without firmware: a kernel and, where it needs one, an initrd."""

    kernel: Path
    initrd: Path | None


def kept(image: Image, kernels: Path = BUILD / "kernel") -> Path | None:
    """The slim kernel for ``image``, when one was built and is what would be built now; else None."""
    try:
        version = slim_kernel.source_version(image.raw.parent)
    except JepaError:
        return None
    kernel = kernels / slim_kernel.key(version) / "vmlinuz"
    return kernel if NATIVE == "x86-64" and kernel.exists() else None


def quickest_start(image: Image) -> Start:
    """The slim kernel where there is one that fits ``image``, else its own with its initrd."""
    kernel = kept(image)
    if kernel is None:
        return Start(image.kernel, image.initrd)
    words = command_line(image.raw, image.kernel.with_suffix(".cmdline").read_text())
    told = kernel.with_suffix(".cmdline")
    new = told.with_suffix(".new")
    new.write_text(words + "\n")
    new.replace(told)
    return Start(kernel, None)


def command_line(raw: Path, own: str) -> str:
    """The command line for the slim kernel to start the disk image ``raw`` with.

    ``own`` is that of the image's kernel, without quotes; ValueError when it names no hash of /usr, or when
    the disk has no /usr with that.
    """
    words = own.split()
    root_hash = next((word.partition("=")[2] for word in words if word.startswith("usrhash=")), None)
    if root_hash is None:
        raise ValueError(f"the command line of {raw} names no usrhash=")
    return " ".join([f'dm-mod.create="{verity(raw, root_hash)}"', *DONE, *words])


def verity(raw: Path, root_hash: str) -> str:
    """What dm-mod.create= needs to set up /usr on the disk image ``raw`` (dm-init.rst of the kernel).

    The UUIDs of the two partitions are the halves of ``root_hash``, 64 hexadecimal digits.
    """
    usr, tree = uuid.UUID(hex=root_hash[:32]), uuid.UUID(hex=root_hash[32:])
    there: dict[uuid.UUID, Partition] = {part.uuid: part for part in partitions(raw)}
    if usr not in there or tree not in there:
        raise ValueError(f"{raw} has no /usr with the root hash {root_hash}")
    with raw.open("rb") as file:
        file.seek(there[tree].start)
        hashes = read_hashes(io.BytesIO(file.read(there[tree].size)))
    blocks = len(hashes.digests)
    table = (
        f"0 {blocks * BLOCK // SECTOR} verity 1 PARTUUID={usr} PARTUUID={tree} {BLOCK} {BLOCK} {blocks} 1"
        f" sha256 {root_hash} {hashes.salt.hex()}"
    )
    # the beginning is how programs know what veritysetup would have set up
    return f"usr,CRYPT-VERITY-{tree.hex}-usr,0,ro,{table}"
