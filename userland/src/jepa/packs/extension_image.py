# SPDX-License-Identifier: Apache-2.0
"""What an extension image must be before anybody mounts it: whole, for this architecture, and signed.

It is a GUID partition table with three partitions: the files (erofs), the tree of hashes over them (verity),
and the signed root of that tree. Who signed it, and whether the files are those, mounting it tells.
"""

import struct
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, Final

from jepa.errors import JepaError

_SECTOR: Final = 512
_MAGIC: Final = b"EFI PART"
_MOST_ENTRIES: Final = 128
_KINDS: Final[Mapping[str, tuple[str, str, str]]] = {
    "x86-64": (
        "4f68bce3-e8cd-4db1-96e7-fbcaf984b709",
        "2c7357ed-ebd2-46d9-aec1-23d437ec2bf5",
        "41092b05-9fc8-4523-994f-2def0408b176",
    ),
    "arm64": (
        "b921b045-1df0-41c3-af44-4c6f280d3fae",
        "df3300ce-d69f-4c92-978c-9bfb0f38d820",
        "6db69de6-29f4-4758-a7a5-962190f00ce3",
    ),
}
"""By architecture the types of the partitions of files, of hashes and of the signature, as the Discoverable
Partitions Specification has them."""
_MAKE: Final = "docs/how-to/make-a-pack.md says how a pack is made."


def examine(image: Path, architecture: str) -> None:
    """JepaError unless ``image`` is a whole and signed extension image for ``architecture``."""
    size = image.stat().st_size
    with image.open("rb") as file:
        kinds, end = _partitions(file, image)
    if end > size:
        raise JepaError(
            f"{image.name} is cut short: {size:,} of {end:,} bytes are there.", "Fetch it again.", status=422
        )
    files, *protection = _KINDS[architecture]
    if files not in kinds:
        others = [name for name, (theirs, *_) in _KINDS.items() if theirs in kinds]
        what = f"for {others[0]}" if others else "for no architecture that is known"
        raise JepaError(
            f"{image.name} is made {what}, and this machine is {architecture}.",
            "Take the one for this machine.",
            status=422,
        )
    if not set(protection) <= kinds:
        raise JepaError(f"{image.name} is not signed.", _MAKE, status=422)


def _partitions(file: BinaryIO, image: Path) -> tuple[set[str], int]:
    """The types of the partitions, and where the last one ends, with the second table behind it."""
    file.seek(_SECTOR)
    header = file.read(92)
    if len(header) < 92 or header[:8] != _MAGIC:
        raise JepaError(f"{image.name} is no extension image.", _MAKE, status=422)
    second, place, count, length = (
        *struct.unpack_from("<Q", header, 32),
        *struct.unpack_from("<QII", header, 72),
    )
    if count > _MOST_ENTRIES or length != 128:
        raise JepaError(f"{image.name} is no extension image.", _MAKE, status=422)
    file.seek(place * _SECTOR)
    table = file.read(count * length)
    kinds = {str(uuid.UUID(bytes_le=table[at : at + 16])) for at in range(0, len(table) - 127, length)}
    return kinds - {str(uuid.UUID(int=0))}, (second + 1) * _SECTOR
